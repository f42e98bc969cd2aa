"""``qrnn plan``: the jobs, QPU seconds and price of a run on a QPU, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime_jobs.cli.memo import digest_files, remember
from runtime_jobs.cli.options import (
    Gradient,
    Limits,
    Patches,
    QpuName,
    QpuSequences,
    QpuShots,
    RepDelay,
    RunPath,
    SerialBranches,
    Spacing,
    TrainSteps,
    find_delays,
    open_terms,
    open_trained_run,
)
from runtime_jobs.cli.plan_tables import print_others, print_plan
from runtime_jobs.cli.requests import Request, read_request
from runtime_jobs.plan.costs import Plan
from runtime_jobs.plan.terms import Terms

if TYPE_CHECKING:
    from circuits.limits import JobLimits
    from qrnn_qiskit.executors.gradient_methods import GradientMethod
    from runtime_jobs.plan.work import Work

__all__ = ["EXAMPLES", "plan"]

# The files of a run folder that its plan depends on.
_INPUTS = ("config.toml", "metrics.jsonl", "checkpoint.pt", "ansatz.*")

EXAMPLES = """\b
Examples:
  qrnn plan runs/a --on ibm:kingston --sequences 100 --shots 1000
  qrnn plan runs/a --on ibm:kingston --sequences 100 --shots 1000 --patches auto --rep-delay 50us
  qrnn plan runs/a --on ibm:kingston --shots 1000 --train-steps 3 --gradient spsa
"""


def plan(
    folder: RunPath,
    on: QpuName,
    shots: QpuShots = None,
    sequences: QpuSequences = None,
    train_steps: TrainSteps = None,
    gradient: Gradient = None,
    patches: Patches = 1,
    spacing: Spacing = 0,
    rep_delay: RepDelay = None,
    serial_branches: SerialBranches = False,
    limits: Limits = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Use today's calibration, from the account at IBM Quantum."),
    ] = False,
    usd_per_second: Annotated[
        float | None,
        typer.Option(
            metavar="PRICE", help="Price of a second of QPU time; 1.60 or that of --limits."
        ),
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Currency of that price; USD or that of --limits."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of the tables.")
    ] = False,
) -> None:
    """Plan a run on a QPU: jobs, QPU seconds and price.

    Also prints circuits, executions and the duration of the longest circuit against T1 and T2.
    Sends nothing and needs no account: circuits are compiled for the calibration snapshot of the
    device on this machine, or with --live for today's calibration. A second table compares other
    numbers of patches, the other readout mode and, with --train-steps, other gradient methods. The
    line "cap" gives the --max-qpu-seconds that 'qrnn submit' needs. A plan without --live is kept
    in the cache of the user, so that the same plan is printed at once.
    """
    request = read_request(on, shots, train_steps, gradient)
    if usd_per_second is not None and not usd_per_second >= 0:
        raise typer.BadParameter(f"expected --usd-per-second of at least 0, got {usd_per_second}")
    terms = open_terms(limits, serial_branches=serial_branches)
    price = terms.price_per_second if usd_per_second is None else usd_per_second
    chosen = (sequences, patches, spacing, rep_delay, price, currency or terms.currency)

    def compute() -> dict[str, Any]:
        typer.echo(f"planning {folder} on {request.qpu}: compiling its circuits ...", err=True)
        return _plan(folder, request, terms, live, *chosen)

    if live:
        found = compute()
    else:
        asked = (request.qpu, request.shots, request.train_steps, gradient)
        files = digest_files(folder, _INPUTS)
        found = remember("plans", [files, *asked, *chosen, asdict(terms.limits)], compute)
    if as_json:
        content = found["plan"] | {"terms": {"date": terms.date, "source": terms.source}}
        typer.echo(json.dumps(content | {"instead": found["instead"]}, allow_nan=False))
        return
    print_plan(Plan.from_dict(found["plan"]), found["calibration"], terms)
    print_others({name: Plan.from_dict(other) for name, other in found["instead"].items()})


def _plan(
    folder: Path,
    request: Request,
    terms: Terms,
    live: bool,
    sequences: int | None,
    patches: int | None,
    spacing: int,
    rep_delay: float | None,
    price: float,
    currency: str,
) -> dict[str, Any]:
    """Make the plan, those of its alternatives by option, and name the calibration, as JSON."""
    run = open_trained_run(folder)
    service = None
    if live:
        from runtime_jobs.ibm.service import Service

        service = Service()
    delays = find_delays(request.qpu, service)
    delays.choose(rep_delay, request.qpu)
    _, work, calibration = request.find_work(
        run, sequences, patches, spacing, service, terms.limits
    )

    def make(work: Work, method: GradientMethod | None = request.method) -> Plan:
        return work.plan(
            request.shots,
            train_steps=request.train_steps,
            gradient=method,
            price_per_second=price,
            currency=currency,
            limits=terms.limits,
            rep_delay=rep_delay,
            delays=delays,
        )

    others = _plan_others(work, request.method, make, terms.limits)
    return {
        "plan": make(work).to_dict(),
        "instead": {name: other.to_dict() for name, other in others.items()},
        "calibration": calibration,
    }


def _plan_others(
    work: Work,
    method: GradientMethod | None,
    make: Callable[..., Plan],
    limits: JobLimits,
) -> dict[str, Plan]:
    """Plan the same work with other patches, readout mode and gradient method, by option."""
    patches = len(work.packing.patches)
    packed = make(work.pack_best(method, limits) if patches == 1 else work.repack(1))
    others = {}
    # One patch is the best packing if a second one costs too much of the coherence.
    if len(packed.patches) != patches:
        others[f"--patches {len(packed.patches)}"] = packed
    for mode, suited in _list_modes(work, method):
        others[f"model.readout={mode}"] = make(work.in_mode(mode), suited)
    if method is not None:
        for other in _list_methods(work, method):
            others[f"--gradient '{other}'"] = make(work, other)
    return others


def _list_modes(
    work: Work, method: GradientMethod | None
) -> list[tuple[str, GradientMethod | None]]:
    """List the other readout mode, replay or dynamic circuits, with its gradient method."""
    if work.qrnn.measurement is None:
        return [("measured", method)]
    return [("expectation", None if method is None else method.replace_for_replay())]


def _list_methods(work: Work, method: GradientMethod) -> list[GradientMethod]:
    """List the other gradient methods for the same training steps."""
    from qrnn_qiskit.executors.gradient_methods import Coordinates, ParameterShift, Spsa

    others: list[GradientMethod] = [Spsa(), ParameterShift()]
    if work.qrnn.measurement is not None:
        others.append(Coordinates(draws=1))
    return [other for other in others if other.name != method.name]

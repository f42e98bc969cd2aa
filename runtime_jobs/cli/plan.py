"""``qrnn plan``: the jobs, QPU seconds and price of a run on a QPU, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from runtime_jobs.cli.options import (
    Gradient,
    Patches,
    QpuName,
    QpuSequences,
    QpuShots,
    RunPath,
    Spacing,
    TrainSteps,
    open_trained_run,
)
from runtime_jobs.cli.plan_tables import print_others, print_plan, print_training
from runtime_jobs.cli.requests import read_request

if TYPE_CHECKING:
    from qrnn_qiskit.executors.gradient_methods import GradientMethod
    from runtime_jobs.plan.costs import Plan
    from runtime_jobs.plan.work import Work

__all__ = ["EXAMPLES", "plan"]

EXAMPLES = """\b
Examples:
  qrnn plan runs/a --on ibm:kingston --sequences 100 --shots 1000
  qrnn plan runs/a --on ibm:kingston --sequences 100 --shots 1000 --patches 20
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
    live: Annotated[
        bool,
        typer.Option("--live", help="Use today's calibration, from the account at IBM Quantum."),
    ] = False,
    usd_per_second: Annotated[
        float, typer.Option(metavar="PRICE", help="Price of a second of QPU time.")
    ] = 1.60,
    currency: Annotated[str, typer.Option(metavar="NAME", help="Currency of that price.")] = "USD",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of the tables.")
    ] = False,
) -> None:
    """Plan a run on a QPU: jobs, QPU seconds and price.

    Also prints circuits, executions and the duration of the longest circuit against T1 and T2.
    Sends nothing and needs no account: circuits are compiled for the calibration snapshot of the
    device on this machine, or with --live for today's calibration. A second table compares other
    numbers of patches, the other readout mode and, with --train-steps, other gradient methods. The
    line "cap" gives the --max-qpu-seconds that 'qrnn submit' needs.

    A run that was trained on the noise of this device keeps the qubits of its training while they
    work, and the plan says by how much their calibration has changed since.
    """
    request = read_request(on, shots, train_steps, gradient)
    if not usd_per_second >= 0:
        raise typer.BadParameter(f"expected --usd-per-second of at least 0, got {usd_per_second}")
    run = open_trained_run(folder)
    from runtime_jobs.hardware.calibration import find_trained_layout

    service = None
    if live:
        from runtime_jobs.ibm.service import Service

        service = Service()
    layout = find_trained_layout(run.provenance, request.qpu)
    _, work, calibration = request.find_work(run, sequences, patches, spacing, service, layout)

    def make(work: Work, method: GradientMethod | None = request.method) -> Plan:
        return work.plan(
            request.shots,
            train_steps=request.train_steps,
            gradient=method,
            price_per_second=usd_per_second,
            currency=currency,
        )

    made = make(work)
    others = _plan_others(work, request.method, make)
    target, qubits = work.packing.target, work.packing.patches[0]
    if as_json:
        instead = {name: other.to_dict() for name, other in others.items()}
        training = None if layout is None else layout.to_dict(target, qubits)
        content = made.to_dict() | {"instead": instead, "trained_on": training}
        typer.echo(json.dumps(content, allow_nan=False))
        return
    print_plan(made, calibration)
    if layout is not None:
        print_training(layout, target, made)
    print_others(others)


def _plan_others(
    work: Work, method: GradientMethod | None, make: Callable[..., Plan]
) -> dict[str, Plan]:
    """Plan the same work with other patches, readout mode and gradient method, by option."""
    patches = len(work.packing.patches)
    packed = make(work.pack_best(method) if patches == 1 else work.repack(1))
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

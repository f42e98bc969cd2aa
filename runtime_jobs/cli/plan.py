"""``qrnn plan``: the jobs, QPU seconds and price of a run on a QPU, before anything is sent."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime_jobs.cli.memo import digest_files, remember
from runtime_jobs.cli.options import (
    Gradient,
    Limits,
    Patches,
    QpuMitigation,
    QpuName,
    QpuSequences,
    QpuShots,
    RepDelay,
    RunPath,
    SerialBranches,
    Spacing,
    TrainSteps,
    print_shown,
)
from runtime_jobs.pricing.terms import read_terms
from runtime_jobs.runs.planning import open_quote
from runtime_jobs.runs.requests import read_request

__all__ = ["EXAMPLES", "plan"]

# The files of a run folder that its plan depends on.
_INPUTS = ("config.toml", "metrics.jsonl", "checkpoint.pt", "ansatz.*", "provenance.json")

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
    mitigation: QpuMitigation = None,
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

    A run that was trained on the noise of this device keeps the qubits of its training while they
    work, and the plan says by how much their calibration has changed since.
    """
    request = read_request(on, shots, train_steps, gradient, mitigation)
    terms = read_terms(limits, serial_branches=serial_branches)

    def compute() -> dict[str, Any]:
        typer.echo(f"planning {folder} on {request.qpu}: compiling its circuits ...", err=True)
        quote = open_quote(
            folder,
            request,
            sequences,
            patches,
            spacing,
            live,
            price=usd_per_second,
            currency=currency,
            rep_delay=rep_delay,
            terms=terms,
        )
        instead = {name: other.to_dict() for name, other in quote.make_others().items()}
        return quote.make().to_dict() | {"instead": instead}

    asked = (request.qpu, request.shots, request.train_steps, gradient, sequences, patches)
    assumed = (mitigation, spacing, usd_per_second, currency, rep_delay, asdict(terms))
    files = digest_files(folder, _INPUTS)
    keep = not live and not _is_extended(folder)  # whose file may have changed since
    found = remember("plans", [files, *asked, *assumed], compute, keep=keep)
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
        return
    from runtime_jobs.pricing.costs import Plan
    from runtime_jobs.pricing.description import describe_others

    print_shown(Plan.from_dict(found).describe())
    others = {name: Plan.from_dict(other) for name, other in found["instead"].items()}
    print_shown(describe_others(others))


def _is_extended(folder: Path) -> bool:
    """Return whether the task of a run is of another package or file."""
    try:
        provenance = json.loads((folder / "provenance.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False  # what is wrong is reported where it is needed
    return isinstance(provenance, dict) and "extension" in provenance

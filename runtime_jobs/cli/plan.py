"""``qrnn plan``: the jobs, QPU seconds and price of a run on a QPU, before anything is sent."""

from __future__ import annotations

import json
from typing import Annotated

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
    print_shown,
)
from runtime_jobs.runs.planning import PRICE, open_quote
from runtime_jobs.runs.requests import read_request

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
    ] = PRICE,
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
    """
    request = read_request(on, shots, train_steps, gradient)
    quote = open_quote(
        folder, request, sequences, patches, spacing, live, price=usd_per_second, currency=currency
    )
    made, others = quote.make(), quote.make_others()
    if as_json:
        instead = {name: other.to_dict() for name, other in others.items()}
        typer.echo(json.dumps(made.to_dict() | {"instead": instead}, allow_nan=False))
        return
    from runtime_jobs.plan.description import describe_others

    print_shown(made.describe())
    print_shown(describe_others(others))

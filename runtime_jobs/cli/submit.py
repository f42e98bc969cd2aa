"""``qrnn submit``: send a run to a QPU, within a cap on QPU time."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from runtime_jobs.cli.collect import print_result, print_sent
from runtime_jobs.cli.options import (
    Gradient,
    Limits,
    NewBudget,
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
from runtime_jobs.ledger.records import WorkloadMode
from runtime_jobs.runs.options import SendOptions
from runtime_jobs.runs.submitting import CapError, send

__all__ = ["EXAMPLES", "submit"]

EXAMPLES = """\b
Examples:
  qrnn submit runs/a --on ibm:kingston --sequences 100 --shots 1000 --max-qpu-seconds 950
  qrnn submit runs/a --on ibm:kingston --shots 500 --sequences 8 --train-steps 3 --gradient spsa \\
    --max-qpu-seconds 600
  qrnn jobs runs/a
  qrnn collect runs/a
"""


def submit(
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
    decouple: Annotated[
        str | None,
        typer.Option(
            metavar="xx",
            help="Put pairs of X into the long waits of dynamic circuits, which then take no "
            "longer; they help against slow noise, which no simulation here shows.",
        ),
    ] = None,
    max_qpu_seconds: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="Cap in seconds on the QPU time of all jobs of the run; without it, the cap "
            "that is needed is printed and nothing is sent.",
        ),
    ] = None,
    mode: Annotated[
        WorkloadMode,
        typer.Option(
            help="Grouping of the jobs: a batch is billed by QPU time; a session reserves the "
            "device and is billed by wall-clock time, and not every plan has sessions; job sends "
            "each job separately."
        ),
    ] = WorkloadMode.BATCH,
    session_seconds: Annotated[
        int | None,
        typer.Option(
            metavar="S", help="With --mode session: the seconds after which the session closes."
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Sample again even if the run already has the results.")
    ] = False,
    relayout: Annotated[
        bool,
        typer.Option(
            "--relayout",
            help="Choose qubits anew by today's calibration, and compute everything again.",
        ),
    ] = False,
    fast_measurements: Annotated[
        bool,
        typer.Option(
            "--fast-measurements",
            help="Use measure_2 and reset_2 for mid-circuit measurements and resets on qubits that "
            "have them.",
        ),
    ] = False,
    new_budget: NewBudget = False,
) -> None:
    """Send a trained run to a QPU, within a cap on QPU time.

    The run is sent for inference or, with --train-steps, for some training steps. Nothing is sent
    without a cap on QPU time, and nothing beyond it; 'qrnn plan' prints the cap that a run needs. A
    job whose result the run already has is not sent again.

    The command returns once the jobs that need no earlier results are sent and recorded. 'qrnn
    collect' fetches the results and sends the jobs that depend on them.
    """
    options = SendOptions(
        shots=shots,
        max_qpu_seconds=max_qpu_seconds,
        sequences=sequences,
        train_steps=train_steps,
        gradient=gradient,
        patches=patches,
        spacing=spacing,
        rep_delay=rep_delay,
        serial_branches=serial_branches,
        limits=limits,
        mitigation=mitigation,
        decouple=decouple,
        mode=mode,
        session_seconds=session_seconds,
        fresh=fresh,
        relayout=relayout,
        fast_measurements=fast_measurements,
        new_budget=new_budget,
    )
    try:
        progress = send(
            folder,
            on,
            options,
            say=partial(typer.echo, err=True),
            show=lambda plan: print_shown(plan.describe()),
        )
    except CapError as error:
        print_shown(error.plan.describe())
        raise
    if progress.pending is not None:
        print_sent(progress)
        typer.echo(f"{progress.pending}; fetch them with 'qrnn collect {progress.run.path}'")
    else:
        print_result(progress)

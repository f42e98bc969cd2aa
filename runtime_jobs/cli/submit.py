"""``qrnn submit``: send a run to a QPU, within a cap on QPU time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from runtime_jobs.cli.options import (
    Gradient,
    NewBudget,
    Patches,
    QpuName,
    QpuSequences,
    QpuShots,
    RunPath,
    Spacing,
    TrainSteps,
    open_trained_run,
)
from runtime_jobs.ledger.records import WorkloadMode

if TYPE_CHECKING:
    from runtime_jobs.ibm.submission import Submission
    from runtime_jobs.ledger import Ledger
    from runtime_jobs.plan.costs import Plan

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
            help="Use measure_2 for mid-circuit measurements on qubits that have it.",
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
    from runtime_jobs.cli.plan_tables import print_plan
    from runtime_jobs.cli.requests import read_request

    request = read_request(on, shots, train_steps, gradient)
    if max_qpu_seconds is not None and not 0 < max_qpu_seconds < float("inf"):
        raise typer.BadParameter(f"expected --max-qpu-seconds above 0, got {max_qpu_seconds}")
    run = open_trained_run(folder)
    from runtime_jobs.cli.collect import continue_run
    from runtime_jobs.hardware.calibration import find_trained_layout
    from runtime_jobs.ibm.service import Service
    from runtime_jobs.ibm.submission import (
        Submission,
        hash_weights,
        open_ledger,
        read_submission,
    )
    from runtime_jobs.ledger.identity import start_new_budget

    service = None if max_qpu_seconds is None else Service()
    layout = None if relayout else find_trained_layout(run.provenance, request.qpu)
    trained, work, calibration = request.find_work(
        run, sequences, patches, spacing, service, layout
    )
    plan = work.plan(request.shots, train_steps=request.train_steps, gradient=request.method)
    with open_ledger(run) as ledger:
        if new_budget and service is not None:
            typer.echo(start_new_budget(ledger, service.list_tagged), err=True)
        former = read_submission(ledger)
        submission = Submission(
            backend=f"ibm_{request.qpu}",
            shots=request.shots,
            sequences=sequences,
            cap=max_qpu_seconds or 0.0,
            train_steps=request.train_steps,
            gradient=gradient,
            mode=mode,
            session_seconds=session_seconds,
            repetition=_count_repetitions(former, fresh),
            patches=patches,
            spacing=spacing,
            fast_measurements=fast_measurements,
            planned_jobs=len(plan.jobs),
            weights=hash_weights(trained),
        )
        is_other = former is None or former.asks_for() != submission.asks_for()
        if service is None or is_other or relayout:
            _require_cap(plan, calibration, ledger, max_qpu_seconds, session_seconds)
        if is_other and former is not None and not former.is_finished:
            typer.echo(
                "the earlier submission of this run has not been collected completely; its jobs "
                "are kept, and its command continues it",
                err=True,
            )
        if relayout:
            print_plan(plan, calibration)
        continue_run(
            run,
            ledger,
            submission,
            wait=False,
            retry=False,
            relayout=relayout,
            service=service,
            trained=trained,
        )


def _count_repetitions(former: Submission | None, fresh: bool) -> int:
    """Return how often the work was done before; more only if ``fresh`` repeats finished work.

    An unfinished submission is continued, also if it is itself a repetition.
    """
    if former is None:
        return 0
    return former.repetition + (fresh and former.is_finished)


def _require_cap(
    plan: Plan,
    calibration: str,
    ledger: Ledger,
    cap: float | None,
    session_seconds: int | None,
) -> None:
    """Print the plan and raise BudgetError unless the cap admits all its jobs."""
    from runtime_jobs.cli.plan_tables import print_plan
    from runtime_jobs.ledger import BudgetError

    most = plan.reserved_seconds
    if session_seconds is not None:
        most = session_seconds + max(job.max_execution_time for job in plan.jobs)
    committed = ledger.committed_seconds()
    needed = math.ceil(most + committed)
    if cap is not None and needed <= cap:
        return
    print_plan(plan, calibration)
    given = "no cap" if cap is None else f"a cap of {cap:g} s"
    raise BudgetError(
        f"{given} was given, but all jobs together may take {most} s of QPU time, in addition to "
        f"{committed:.0f} s that the run has used or holds; nothing was sent. Allow it with "
        f"--max-qpu-seconds {needed}"
    )

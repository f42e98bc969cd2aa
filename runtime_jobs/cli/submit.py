"""``qrnn submit``: a run sent to a QPU, within a cap."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_jobs.cli.options import (
    Gradient,
    QpuName,
    QpuSequences,
    QpuShots,
    RunPath,
    TrainSteps,
    open_trained_run,
)

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
    max_qpu_seconds: Annotated[
        float | None,
        typer.Option(metavar="S", help="Cap on the QPU time of the run, all its jobs together."),
    ] = None,
) -> None:
    """Send a trained run to a QPU, for inference or for some steps of training.

    Returns when the jobs are recorded that can be sent now.

    Nothing is sent without a cap, and nothing beyond it. What is known already is not sent again.
    'qrnn collect' fetches the results and sends what depends on them.
    """
    from runtime_jobs.cli.plan import print_plan, read_request
    from runtime_jobs.ledger import BudgetError

    device, method = read_request(on, shots, train_steps, gradient)
    if max_qpu_seconds is not None and not 0 < max_qpu_seconds < float("inf"):
        raise typer.BadParameter(f"--max-qpu-seconds is {max_qpu_seconds}; above 0 is required")
    run = open_trained_run(folder)
    from qrnn_qiskit.loading import load
    from runtime_jobs.cli.collect import go_on
    from runtime_jobs.ibm.submission import Submission, open_ledger
    from runtime_jobs.local_devices import open_target
    from runtime_jobs.plan.work import find_work

    assert device.target is not None
    assert device.shots is not None
    target = open_target(device.target)
    work = find_work(load(run.path), device.target, target, sequences, method is not None)
    plan = work.plan(device.shots, train_steps=train_steps or 0, gradient=method)
    with open_ledger(run) as ledger:
        needed = plan.reserved_seconds + (0 if max_qpu_seconds else ledger.committed_seconds())
        if max_qpu_seconds is None or (not ledger.list_jobs() and needed > max_qpu_seconds):
            print_plan(plan)
            given = "no cap" if max_qpu_seconds is None else f"a cap of {max_qpu_seconds:g} s"
            raise BudgetError(
                f"{given} was given, and the jobs may take {plan.reserved_seconds} s of QPU time "
                f"together; nothing was sent. Allow it by --max-qpu-seconds {needed:.0f}"
            )
        submission = Submission(
            backend=f"ibm_{device.target}",
            shots=device.shots,
            sequences=sequences,
            cap=max_qpu_seconds,
            train_steps=train_steps or 0,
            gradient=gradient,
            planned_jobs=len(plan.jobs),
        )
        go_on(run, ledger, submission, wait=False, retry=False, is_new=True)

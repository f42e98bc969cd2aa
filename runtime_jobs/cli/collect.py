"""``qrnn collect``: fetch results, and send the jobs that depend on them."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from runtime_jobs.cli.options import find_folder

if TYPE_CHECKING:
    from runtime_jobs.runs.submitting import Progress

__all__ = ["EXAMPLES", "Place", "collect", "print_result", "print_sent", "run_submission"]

EXAMPLES = "\b\nExamples:\n  qrnn collect runs/a\n  qrnn collect runs/a --wait --json"

Place = Annotated[
    str,
    typer.Argument(
        metavar="ID|DIR",
        parser=lambda text: str(find_folder(text)),
        help="The folder of a run, or the id of one of its jobs.",
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until all results have arrived.")]


def collect(
    place: Place,
    wait: Wait = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of the table.")
    ] = False,
) -> None:
    """Fetch results, and send the jobs that need them.

    Each step of a replay needs the results of the step before; --wait carries on to the last one.
    Without --wait the exit code is 4 while results are outstanding. When all results have arrived,
    the run is evaluated and its metrics are printed.
    """
    run_submission(place, wait=wait, retry=False, as_json=as_json)


def run_submission(
    place: str, *, wait: bool, retry: bool, as_json: bool, new_budget: bool = False
) -> None:
    """Continue the submission of a run, and print its result.

    Args:
        place: The folder of the run, or the id of one of its jobs.
        wait: Whether to wait until all results have arrived.
        retry: Whether to send again the jobs that ended without a result.
        as_json: Whether to print one JSON object instead of the table.
        new_budget: Whether a copy gets a separate budget first.

    Raises:
        InvalidValueError: Nothing was submitted for the run.
        JobsPendingError: Results are outstanding.
    """
    from runtime_jobs.ledger import JobsPendingError
    from runtime_jobs.ledger.find_runs import find_run
    from runtime_jobs.runs import submitting

    progress = submitting.collect(
        find_run(place),
        wait=wait,
        retry=retry,
        new_budget=new_budget,
        say=partial(typer.echo, err=True),
    )
    if progress.pending is not None:
        print_sent(progress)
        raise JobsPendingError(
            f"{progress.pending}; fetch them with 'qrnn collect {progress.run.path}'"
        ) from progress.pending
    print_result(progress, as_json=as_json)


def print_sent(progress: Progress) -> None:
    """Print the jobs that were sent to standard error."""
    for job in progress.sent:
        typer.echo(f"sent {job.job_id}: {job.round}, {job.circuits} circuits", err=True)


def print_result(progress: Progress, *, as_json: bool = False) -> None:
    """Print the evaluation, or the losses of the training steps."""
    from rich.console import Console

    from qrnn_qiskit.training.evaluation import Evaluation

    result, run = progress.result, progress.run
    assert result is not None
    if not isinstance(result, Evaluation):
        losses = " ".join(f"{loss:.4f}" for loss in result.losses)
        typer.echo(f"{len(result.losses)} steps, loss {losses}; weights: {run.tuned_file}")
    elif as_json:
        typer.echo(json.dumps(result.to_dict(), allow_nan=False))
    else:
        Console().print(result.describe().make_table())
        typer.echo(
            f"on {result.device}: {result.jobs} jobs, {result.qpu_seconds:.1f} QPU s; "
            f"details: {run.evaluations}"
        )

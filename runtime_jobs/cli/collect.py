"""``qrnn collect``: results fetched, and what depends on them sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from circuits.errors import InvalidValueError
from runtime_jobs.cli.options import find_folder

if TYPE_CHECKING:
    from qrnn_qiskit.training.evaluation import Evaluation
    from qrnn_qiskit.training.loading import TrainedModel
    from qrnn_qiskit.training.run_folder import RunFolder
    from runtime_jobs.ibm.service import Service
    from runtime_jobs.ibm.submission import Submission
    from runtime_jobs.ledger import Ledger

__all__ = ["EXAMPLES", "Place", "collect", "go_on"]

EXAMPLES = "\b\nExamples:\n  qrnn collect runs/a\n  qrnn collect runs/a --wait --json"

Place = Annotated[
    str,
    typer.Argument(
        metavar="ID|DIR",
        parser=lambda text: str(find_folder(text)),
        help="The folder of a run, or the id of one of its jobs.",
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until all results are there.")]


def collect(
    place: Place,
    wait: Wait = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of the table.")
    ] = False,
) -> None:
    """Fetch results, send what depends on them, and evaluate when all are there.

    Steps of a replay need the steps before; --wait goes on to the last one. Without it the exit
    code is 4 while results are still to come.
    """
    run_submission(place, wait=wait, retry=False, as_json=as_json)


def run_submission(place: str, *, wait: bool, retry: bool, as_json: bool) -> None:
    """Go on with what was submitted for a run; ValueError where nothing was."""
    from runtime_jobs.ledger.find_runs import find_run

    folder = find_run(place)
    from qrnn_qiskit.training.run_folder import RunFolder
    from runtime_jobs.ibm.submission import open_ledger, read_submission

    run = RunFolder.open(folder)
    with open_ledger(run) as ledger:
        submission = read_submission(ledger)
        if submission is None:
            raise InvalidValueError(
                f"nothing was submitted for {folder}; 'qrnn submit {folder} --on ibm:NAME' does"
            )
        go_on(run, ledger, submission, wait=wait, retry=retry, as_json=as_json)


def go_on(
    run: RunFolder,
    ledger: Ledger,
    submission: Submission,
    *,
    wait: bool,
    retry: bool,
    relayout: bool = False,
    service: Service | None = None,
    trained: TrainedModel | None = None,
    as_json: bool = False,
) -> None:
    """Go on with a submission and print what it has come to.

    ``service`` is the account where a new submission has opened it already.

    Raises:
        JobsPendingError: results are still to come; a new submission is told instead.
    """
    from qrnn_qiskit.training.evaluation import Evaluation
    from runtime_jobs.cli.waiting_bar import WaitingBar
    from runtime_jobs.ibm.service import Service
    from runtime_jobs.ibm.submission import continue_submission
    from runtime_jobs.ledger import JobsPendingError

    before = len(ledger.list_jobs())
    try:
        with WaitingBar(submission.planned_jobs, submission.cap) as bar:
            result = continue_submission(
                run,
                ledger,
                submission,
                wait=wait,
                retry=retry,
                relayout=relayout,
                open_service=Service if service is None else lambda: service,
                watch=bar.watch,
                trained=trained,
            )
    except JobsPendingError as error:
        sent = ledger.list_jobs()[before:]
        for job in sent:
            typer.echo(f"sent {job.job_id}: {job.round}, {job.circuits} circuits", err=True)
        following = f"'qrnn collect {run.path}' goes on"
        if service is None:
            raise JobsPendingError(f"{error}; {following}") from error
        typer.echo(f"{error}; {following}")
        return
    if isinstance(result, Evaluation):
        _print(run, result, as_json)
        return
    losses = " ".join(f"{loss:.4f}" for loss in result.losses)
    typer.echo(f"{len(result.losses)} steps, loss {losses}; weights: {run.tuned_file}")


def _print(run: RunFolder, evaluation: Evaluation, as_json: bool) -> None:
    from rich.console import Console

    from runtime_jobs.cli.console import tabulate_evaluation

    if as_json:
        typer.echo(json.dumps(evaluation.to_dict(), allow_nan=False))
        return
    Console().print(tabulate_evaluation(evaluation))
    typer.echo(
        f"on {evaluation.device}: {evaluation.jobs} jobs, {evaluation.qpu_seconds:.1f} QPU s; "
        f"details: {run.evaluations}"
    )

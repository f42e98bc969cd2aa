"""``qrnn collect``: fetch results, and send the jobs that depend on them."""

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

__all__ = ["EXAMPLES", "Place", "collect", "continue_run"]

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
    """Continue the submission of a run.

    Args:
        place: The folder of the run, or the id of one of its jobs.
        wait: Whether to wait until all results have arrived.
        retry: Whether to send again the jobs that ended without a result.
        as_json: Whether to print one JSON object instead of the table.
        new_budget: Whether a copy gets a separate budget first.

    Raises:
        InvalidValueError: Nothing was submitted for the run.
    """
    from runtime_jobs.ledger.find_runs import find_run

    folder = find_run(place)
    from qrnn_qiskit.training.run_folder import RunFolder
    from runtime_jobs.ibm.service import Service
    from runtime_jobs.ibm.submission import open_ledger, read_submission
    from runtime_jobs.ledger.identity import explain_loss, start_new_budget

    run = RunFolder.open(folder)
    with open_ledger(run) as ledger:
        submission = read_submission(ledger)
        if submission is None:
            raise InvalidValueError(
                f"nothing was submitted for {folder}{explain_loss(ledger)}; submit it with "
                f"'qrnn submit {folder} --on ibm:NAME'"
            )
        if new_budget:
            typer.echo(start_new_budget(ledger, Service().list_tagged), err=True)
        continue_run(run, ledger, submission, wait=wait, retry=retry, as_json=as_json)


def continue_run(
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
    """Continue a submission, and print its result or, for a new one, that its jobs were sent.

    Args:
        run: The run.
        ledger: Its open ledger.
        submission: The work that was requested.
        wait: Whether to wait until all results have arrived.
        retry: Whether to send again the jobs that ended without a result.
        relayout: Whether to choose qubits anew.
        service: The account, if a new submission has opened it already.
        trained: The trained model of the run, if it is loaded already.
        as_json: Whether to print one JSON object instead of the table.

    Raises:
        JobsPendingError: Results of an earlier submission are outstanding.
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
        following = f"fetch them with 'qrnn collect {run.path}'"
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

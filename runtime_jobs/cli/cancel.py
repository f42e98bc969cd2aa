"""``qrnn cancel``: cancel open jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from circuits.errors import OperationError
from runtime_jobs.cli.collect import Place

if TYPE_CHECKING:
    from runtime_jobs.ledger import JobRecord, Ledger

__all__ = ["EXAMPLES", "cancel"]

EXAMPLES = "\b\nExamples:\n  qrnn cancel runs/a\n  qrnn cancel d2f7k3s5nhqc73b8hm4g"


def cancel(place: Place) -> None:
    """Cancel the open jobs of a run, or one job by its id.

    Cancelling a run also closes its batch or session. Results that are done already are kept:
    'qrnn collect' fetches them. In a copy of a run folder only its own jobs are cancelled,
    those that it has sent with --new-budget.
    """
    from runtime_jobs.ledger import IdentityError, Ledger, hold_lock
    from runtime_jobs.ledger.find_runs import find_run
    from runtime_jobs.ledger.identity import find_original, list_own_jobs

    folder = find_run(place)
    with hold_lock(folder), Ledger(folder) as ledger:
        if (original := find_original(ledger)) is not None:
            raise IdentityError(
                f"{folder} is a copy of {original}, whose jobs these are. Nothing was cancelled; "
                f"cancel them with 'qrnn cancel {original}'"
            )
        found = [job for job in list_own_jobs(ledger) if job.state.is_open]
        if place != str(folder):
            found = [job for job in found if job.job_id == place]
        closes = place == str(folder)
        is_open = any(workload.is_open for workload in ledger.list_workloads())
        failures = []
        if found or (closes and is_open):
            failures = _cancel(ledger, found, closes=closes)
    if not found:
        typer.echo(f"{folder} has no open job" + ("" if place == str(folder) else f" {place}"))
    if failures:
        raise CancelError(
            "not everything was cancelled, and what still runs may be charged: "
            f"{'; '.join(failures)}. Run the command again"
        )


class CancelError(OperationError):
    """Jobs or workloads could not be cancelled and go on."""


def _cancel(ledger: Ledger, jobs: list[JobRecord], *, closes: bool) -> list[str]:
    """Cancel jobs one by one and return the failures; ``closes`` also closes the workload."""
    from runtime_jobs.ibm.dispatch import Dispatcher
    from runtime_jobs.ibm.service import Service, ServiceError

    dispatcher = Dispatcher(ledger, Service, cap=0.0)
    failures = []
    for job in jobs:
        try:
            typer.echo(f"{job.job_id or job.tag}: {job.round} {dispatcher.cancel(job)}")
        except ServiceError as error:
            failures.append(str(error))
    if closes:
        try:
            dispatcher.close()
        except ServiceError as error:
            failures.append(str(error))
    return failures

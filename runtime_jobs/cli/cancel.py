"""``qrnn cancel``: open jobs cancelled."""

from __future__ import annotations

import typer

from runtime_jobs.cli.collect import Place

__all__ = ["EXAMPLES", "cancel"]

EXAMPLES = "\b\nExamples:\n  qrnn cancel runs/a\n  qrnn cancel d2f7k3s5nhqc73b8hm4g"


def cancel(place: Place) -> None:
    """Cancel the open jobs of a run, or the one of this id."""
    from runtime_jobs.ledger import Ledger, hold_lock
    from runtime_jobs.ledger.places import find_run

    folder = find_run(place)
    with hold_lock(folder), Ledger(folder) as ledger:
        found = [job for job in ledger.list_jobs() if job.state.is_open]
        if place != str(folder):
            found = [job for job in found if job.job_id == place]
        if found:
            from runtime_jobs.ibm.dispatch import Dispatcher
            from runtime_jobs.ibm.service import Service

            dispatcher = Dispatcher(ledger, Service, cap=0.0)
            for job in found:
                dispatcher.cancel(job)
                typer.echo(f"cancelled {job.job_id or job.tag}: {job.round}")
    if not found:
        typer.echo(f"{folder} has no open job" + ("" if place == str(folder) else f" {place}"))

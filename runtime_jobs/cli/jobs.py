"""``qrnn jobs``: what was sent, and where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runtime_jobs.cli.options import find_folder

__all__ = ["EXAMPLES", "jobs"]

EXAMPLES = "\b\nExamples:\n  qrnn jobs\n  qrnn jobs runs/a"


def jobs(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]", parser=find_folder, help="A run; all below runs/ unless given."
        ),
    ] = None,
) -> None:
    """List the jobs of a run as its ledger knows them. Asks no service; 'qrnn collect' does."""
    from rich.console import Console

    from runtime_jobs.cli.tables import make_table
    from runtime_jobs.ledger import Ledger
    from runtime_jobs.ledger.places import find_ledgers

    if folder is not None and not (folder / "ledger.sqlite").exists():
        raise ValueError(f"{folder} has no ledger: nothing was submitted for it")
    for place in find_ledgers() if folder is None else [folder]:
        with Ledger(place) as ledger:
            found, committed = ledger.list_jobs(), ledger.committed_seconds()
        table = make_table("", "job", "does", "circuits", "state", "QPU s", "at most")
        table.columns[1].no_wrap = True  # to be copied
        for job in found:
            table.add_row(
                str(job.number),
                job.job_id or "",
                job.round,
                f"{job.circuits:,}",
                job.state if job.reason is None else f"{job.state}: {job.reason}",
                "" if job.usage is None else f"{job.usage:.1f}",
                str(job.max_execution_time),
            )
        if found:
            Console().print(table)
        typer.echo(
            f"{place}: {len(found)} jobs, {committed:.1f} s of QPU time used or held by open jobs"
        )

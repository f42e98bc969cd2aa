"""``qrnn jobs``: the submitted jobs and their states."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circuits.errors import InvalidValueError
from runtime_jobs.cli.options import find_folder

if TYPE_CHECKING:
    from rich.table import Table

    from runtime_jobs.ibm.service import Service
    from runtime_jobs.ledger import JobRecord

__all__ = ["EXAMPLES", "jobs"]

EXAMPLES = "\b\nExamples:\n  qrnn jobs\n  qrnn jobs runs/a\n  qrnn jobs runs/a --watch"


def jobs(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            parser=find_folder,
            help="The folder of a run; by default all runs below runs/.",
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Poll the service until no job is open."),
    ] = False,
    every: Annotated[
        float,
        typer.Option(
            "--every", metavar="SECONDS", min=0.1, help="With --watch: the time between two polls."
        ),
    ] = 10.0,
) -> None:
    """List the submitted jobs and their states.

    The list, with QPU seconds used and allowed, comes from the ledger in the run folder, without
    asking the service. With --watch the service is polled for the states of open jobs. Nothing is
    changed: 'qrnn collect' fetches results.
    """
    from runtime_jobs.ledger.find_runs import find_ledgers

    if folder is not None and not (folder / "ledger.sqlite").exists():
        raise InvalidValueError(f"{folder} has no ledger: nothing was submitted for it")
    places = find_ledgers() if folder is None else [folder]
    if not places:
        typer.echo("nothing was submitted for a run below runs/", err=True)
    if watch:
        _watch(places, every)
        return
    from rich.console import Console

    for place in places:
        table, line = _tabulate(place, {})
        if table.row_count:
            Console().print(table)
        typer.echo(line)


def _watch(places: Sequence[Path], every: float) -> None:
    """Print the tables at each change until no job is open at the service."""
    from rich.console import Console, Group
    from rich.live import Live

    from runtime_jobs.ibm.service import Service

    service = Service()
    console = Console()
    shown: list[str] = []
    with Live(console=console, auto_refresh=False) as live:
        while True:
            states = {job.tag: _ask(service, job) for job in _list_open(places)}
            tables = [_tabulate(place, states) for place in places]
            if shown != (now := sorted(states.values())) or not shown:
                live.update(Group(*(part for pair in tables for part in pair)), refresh=True)
                shown = now
            if not any(_is_open(state) for state in states.values()):
                break
            time.sleep(every)
    typer.echo("no job is open at the service; 'qrnn collect DIR' fetches the results")


def _is_open(state: str) -> bool:
    return state.partition(" ")[0] not in ("done", "error", "cancelled", "not")


def _list_open(places: Sequence[Path]) -> list[JobRecord]:
    from runtime_jobs.ledger import Ledger

    found: list[JobRecord] = []
    for place in places:
        with Ledger(place) as ledger:
            found.extend(job for job in ledger.list_jobs() if job.state.is_open)
    return found


def _ask(service: Service, job: JobRecord) -> str:
    """Return the state of an open job at the service, in words."""
    job_id = job.job_id or next(iter(service.find_tag(job.tag)), None)
    if job_id is None:
        return "not sent"
    status = service.poll(job_id, job.tag).status.lower()
    position = service.find_position(job_id) if status == "queued" else None
    return status if position is None else f"{status} at position {position}"


def _tabulate(place: Path, states: Mapping[str, str]) -> tuple[Table, str]:
    """Tabulate the jobs of a run and sum up their QPU time; ``states`` override by tag."""
    from runtime_jobs.runs.jobs import describe_jobs

    shown = describe_jobs(place, states)
    table = shown.make_table()
    table.columns[1].no_wrap = True  # to be copied
    return table, shown.notes[0]

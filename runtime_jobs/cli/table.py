"""``qrnn table``: many runs from one file, and what they say together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime_jobs.cli.failures import RunInterrupted
from runtime_jobs.cli.options import parse_count

if TYPE_CHECKING:
    from qrnn_qiskit.tables.cells import CellResult
    from qrnn_qiskit.tables.spec import Cell, Pair, Table

__all__ = ["EXAMPLES", "table"]

EXAMPLES = """\b
Examples:
  qrnn table benchmarks/tables/peers.toml --plan          hours and commands, runs nothing
  qrnn table benchmarks/tables/peers.toml --workers 2
  qrnn table benchmarks/tables/peers.toml --only digits/LSTM
  qrnn table benchmarks/tables/peers.toml --only '*/scoRNN'
  qrnn table benchmarks/tables/peers.toml --scheduler tcp://host:8786
Stopped or killed at any point, the same command goes on. Every cell is a run folder below
DIR/runs, for 'qrnn show' and 'qrnn evaluate'.
"""


def table(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The TOML file of the table.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the results, tables/NAME by default."),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            metavar="N", parser=parse_count, help="Runs at the same time, each on one core."
        ),
    ] = 1,
    only: Annotated[
        str | None,
        typer.Option(metavar="TASK/MODEL", help="Only these cells; * stands for all."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run on the workers of this Dask scheduler, which see the same folders.",
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the estimate and the commands, and stop.")
    ] = False,
) -> None:
    """Train every model on every task with every seed, and tabulate the results.

    First the data is loaded and every model is built, so that no mistake of the file waits for its
    turn, and a few steps of each are timed for an estimate of the hours. Then every model gets
    the same search over learning rates, chosen by validation, and the best one is trained with all
    seeds. Ends with means, 95 % intervals over seeds, and whether each model is non-inferior to the
    best baseline by the margin that the file fixes: as text, Markdown, CSV and a picture.
    """
    if workers < 1:
        raise typer.BadParameter(f"--workers is {workers}; at least 1 is required")
    from qrnn_qiskit.tables.checks import check_open, check_report
    from qrnn_qiskit.tables.runner import estimate, open_workers, run_table
    from qrnn_qiskit.tables.spec import read_table_file

    read = read_table_file(file)
    pairs = read.pairs(only)
    folder = (out or Path("tables") / file.stem).absolute()
    check_report(folder, read.pairs())
    try:
        with open_workers(workers, scheduler) as pool:
            check_open(folder, pairs, pool)
            seconds = estimate(folder, pairs, pool)
            _print_estimate(folder, pairs, seconds, workers)
            if plan:
                _print_commands(pairs)
            else:
                run_table(folder, pairs, pool, _note, workers)
    except KeyboardInterrupt as error:
        raise RunInterrupted("stopped; the same command goes on") from error
    _print_table(folder, read)


def _print_estimate(
    folder: Path, pairs: list[Pair], seconds: dict[str, float], workers: int
) -> None:
    from qrnn_qiskit.tables.runner import count_open

    left = {pair.name: count_open(folder, pair) for pair in pairs}
    total = sum(left[name] * seconds[name] for name in left)
    slowest = max(left, key=lambda name: left[name] * seconds[name])
    typer.echo(
        f"{sum(left.values())} runs left, about {total / 3600:.2f} core hours, "
        f"{total / workers / 3600:.2f} hours with {workers} worker(s); most of it for "
        f"{slowest}: {left[slowest]} runs of {seconds[slowest]:.0f} s",
        err=True,
    )


def _print_commands(pairs: list[Pair]) -> None:
    typer.echo("The runs of the search; other seeds differ in seed and learning rate:")
    for pair in pairs:
        for cell in pair.search_cells():
            typer.echo(cell.command())


def _note(cell: Cell, result: CellResult, left: int) -> None:
    value = "diverged"
    if result.diverged is None:
        value = f"{cell.pair.headline} {result.test[cell.pair.headline]:.4f}"
    typer.echo(
        f"{cell.pair.name} rate {cell.learning_rate:g} seed {cell.seed}: {value}, "
        f"{result.epochs} epochs of {result.seconds_per_epoch:.2f} s; {left} runs left",
        err=True,
    )


def _print_table(folder: Path, read: Table) -> None:
    from qrnn_qiskit.tables.curves import draw_curves
    from qrnn_qiskit.tables.report import HEADER, INTERVALS, tabulate_rows, write_report
    from qrnn_qiskit.tables.statistics import summarize
    from runtime_jobs.cli.console import make_table, open_console

    pairs = read.pairs()
    curves = draw_curves(folder, pairs)
    if curves is not None:
        curves.savefig(folder / "curves.png", dpi=150)
        typer.echo(f"written: {folder / 'curves.png'}")
    rows = summarize(folder, pairs)
    if not rows:
        typer.echo("no row is finished yet")
        return
    shown = make_table(*HEADER)
    for line in tabulate_rows(rows):
        shown.add_row(*line)
    open_console().print(shown)
    typer.echo(INTERVALS)
    for path in write_report(folder, read.title, read.note, rows):
        typer.echo(f"written: {path}")
    first = rows[0].pair.seed_cells(rows[0].rate)[0]
    typer.echo(f"{first.pair.name}, seed {first.seed}, again: {first.command()}")

"""``qrnn table``: train many models, tasks and seeds from one file, and compare them."""

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
  qrnn table benchmarks/tables/peers.toml --plan          only estimate the hours
  qrnn table benchmarks/tables/peers.toml --workers 2
  qrnn table benchmarks/tables/peers.toml --only digits/LSTM
  qrnn table benchmarks/tables/peers.toml --only '*/scoRNN'
  qrnn table benchmarks/tables/peers.toml --scheduler tcp://host:8786
After an interruption, the same command continues. Every cell is a run folder below DIR/runs that
'qrnn show' and 'qrnn evaluate' accept.
"""


def table(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The TOML file of the table.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the results; tables/NAME by default."),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            metavar="N", parser=parse_count, help="Number of simultaneous runs, each on one core."
        ),
    ] = 1,
    only: Annotated[
        str | None,
        typer.Option(metavar="TASK/MODEL", help="Run only these cells; * matches any name."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run on the workers of this Dask scheduler, which must see the same folders.",
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the estimate and the commands, and stop.")
    ] = False,
) -> None:
    """Train many models, tasks and seeds, and compare them.

    First all data is loaded and every model is built, so that a mistake in FILE is found at once,
    and a few steps of each are timed to estimate the hours. Then every model gets the same search
    for a learning rate, and for a variant where FILE lists some, by validation; the best choice is
    trained with all seeds. The command ends with means, 95 % intervals over seeds, and a test of
    each model for non-inferiority to the best baseline by the margin in FILE: as text, Markdown,
    CSV and a picture.
    """
    if workers < 1:
        raise typer.BadParameter(f"expected --workers of at least 1, got {workers}")
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
        raise RunInterrupted("stopped; the same command continues the table") from error
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
        f"{total / workers / 3600:.2f} hours with {workers} worker(s); most of them for "
        f"{slowest}: {left[slowest]} runs of {seconds[slowest]:.0f} s",
        err=True,
    )


def _print_commands(pairs: list[Pair]) -> None:
    typer.echo("Commands of the search; the other seeds repeat the best of each model:")
    for pair in pairs:
        for cell in pair.search_cells():
            typer.echo(cell.command())


def _note(cell: Cell, result: CellResult, left: int) -> None:
    value = "diverged"
    if result.diverged is None:
        value = f"{cell.pair.headline} {result.test[cell.pair.headline]:.4f}"
    typer.echo(
        f"{cell.pair.name} rate {cell.choice} seed {cell.seed}: {value}, "
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
        typer.echo("no row of the table is finished yet")
        return
    shown = make_table(*HEADER)
    for line in tabulate_rows(rows):
        shown.add_row(*line)
    open_console().print(shown)
    typer.echo(INTERVALS)
    for path in write_report(folder, read.title, read.note, rows):
        typer.echo(f"written: {path}")
    first = rows[0].pair.seed_cells(rows[0].choice)[0]
    typer.echo(f"to repeat {first.pair.name}, seed {first.seed}: {first.command()}")

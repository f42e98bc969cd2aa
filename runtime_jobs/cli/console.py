"""Tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from runtime_jobs.formatting import format_estimate

if TYPE_CHECKING:
    from qrnn_qiskit.training.evaluation import Evaluation

__all__ = ["make_table", "open_console", "tabulate_evaluation"]


class LiteralTable(Table):
    """A table that shows strings literally: brackets are no markup and :names: no emoji."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row; see :meth:`rich.table.Table.add_row`."""
        literal = [Text(cell) if isinstance(cell, str) else cell for cell in cells]
        super().add_row(*literal, **options)


def make_table(*columns: str) -> Table:
    """Make an empty table that shows its cells literally: no markup, nothing cut off."""
    table = LiteralTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    return table


def open_console() -> Console:
    """Open a console as wide as the terminal, or of 200 columns without a terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def tabulate_evaluation(evaluation: Evaluation) -> Table:
    """Tabulate the metrics of an evaluation, one per line."""
    table = make_table(evaluation.task, f"test ({evaluation.sequences} sequences)")
    for name, estimate in evaluation.metrics.items():
        table.add_row(name, format_estimate(estimate))
    return table

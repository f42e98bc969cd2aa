"""Results as tables: on a terminal, in a notebook, and as a DataFrame."""

from __future__ import annotations

import html
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from circuits.errors import OperationError

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Presented", "Shown", "format_estimate", "make_table"]


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


def format_estimate(estimate: Mapping[str, Any]) -> str:
    """Format ``value ± standard_error``, or a proportion with its interval of 95 %.

    A single sequence has no standard error, so that only its value is shown.
    """
    value, error = estimate["value"], estimate["standard_error"]
    if estimate.get("interval") is not None:
        low, high = estimate["interval"]
        return f"{value:.4f} (95 %: {low:.4f} to {high:.4f})"
    return f"{value:.4f}" if error is None else f"{value:.4f} ± {error:.4f}"


@dataclass(frozen=True)
class Shown:
    """A result as text: a table and the lines below it."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def make_table(self) -> Table:
        """Make the table for a terminal, without the notes."""
        table = make_table(*self.header)
        for row in self.rows:
            table.add_row(*row)
        return table

    def make_html(self) -> str:
        """Make a table in HTML with the notes below."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        notes = "".join(f"<div>{html.escape(note)}</div>" for note in self.notes)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"


class Presented(ABC):
    """A result that shows itself: ``print(result)``, as the last line of a cell, and to pandas."""

    @abstractmethod
    def describe(self) -> Shown:
        """Return the result as text."""

    @abstractmethod
    def to_records(self) -> list[dict[str, Any]]:
        """Return the numbers as plain values, one dictionary for each row."""

    def to_pandas(self) -> DataFrame:
        """Return the records as a DataFrame.

        Raises:
            OperationError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise OperationError(
                "pandas is not installed; install it with pip install pandas, or use to_records()"
            ) from error
        return pandas.DataFrame(self.to_records())

    def _repr_html_(self) -> str:
        return self.describe().make_html()

    def __rich__(self) -> RenderableType:
        shown = self.describe()
        return Group(shown.make_table(), *(Text(note) for note in shown.notes))

    def __str__(self) -> str:
        text = io.StringIO()
        Console(file=text, width=200).print(self.__rich__())
        lines = [line.rstrip() for line in text.getvalue().splitlines()]
        return "\n".join(line for line in lines if line)

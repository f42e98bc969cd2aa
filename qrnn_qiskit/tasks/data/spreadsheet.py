"""Tables of predictions that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from qrnn_qiskit.tasks.data.tables import is_number

__all__ = ["escape_cell", "write_csv"]

# Excel, LibreOffice and Google Sheets take a text that begins with one of these for a formula, or
# drop it and look at the next character; the last four are the full-width forms.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def escape_cell(cell: str | float) -> str | float:
    """Put an apostrophe before a text that a spreadsheet would run; numbers stay as they are."""
    if isinstance(cell, str) and cell.startswith(FORMULA) and not is_number(cell):
        return "'" + cell
    return cell


def write_csv(
    file: TextIO, header: Sequence[str], rows: Iterable[Sequence[Any]], line_end: str = "\r\n"
) -> None:
    """Write a table as CSV with all cells escaped."""
    writer = csv.writer(file, lineterminator=line_end)
    writer.writerows([escape_cell(cell) for cell in row] for row in [header, *rows])

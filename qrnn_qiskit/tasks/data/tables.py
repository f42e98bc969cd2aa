"""Reading of CSV files; every error message names the file and the row.

Rows count the records of data from 1, without the header; the line in brackets is the line of
the file as an editor shows it.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks.data.data_error import NOTES, DataError, quote
from qrnn_qiskit.tasks.data.decoding import decode
from qrnn_qiskit.tasks.data.files import read_bytes
from qrnn_qiskit.tasks.data.records import split_records

__all__ = ["Row", "Table", "is_number", "parse_number", "read_table"]

INDEX = "Unnamed: 0"  # the name that pandas gives to the index that it wrote without one
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")
NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
LISTED = 20  # rows or columns named in a message


@dataclass(frozen=True)
class Row:
    """A record: its number (from 1), the line where it starts, and its fields."""

    number: int
    line: int
    fields: list[str]


@dataclass(frozen=True)
class Table:
    """A CSV file as text.

    Attributes:
        path: The file.
        columns: Names in the header, or "1", "2", ... without a header.
        rows: The records.
        sha256: SHA-256 of the file.
        separator: The separator of the fields. Numbers may have decimal commas unless it is one.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[Row]
    sha256: str
    separator: str = ","

    def locate(self, row: Row) -> str:
        """Describe the place of a row for an error message."""
        return f"{self.path}, row {row.number} (line {row.line})"

    def find_column(self, name: str) -> int:
        """Return the position of a column; its name is compared in Unicode form NFC.

        Raises:
            DataError: It is missing; the message lists the columns found.
        """
        name = unicodedata.normalize("NFC", name)
        if name in self.columns:
            return self.columns.index(name)
        nearest = get_close_matches(name, self.columns, n=1)
        hint = f"; did you mean {quote(nearest[0])}?" if nearest else ""
        raise DataError(
            f"{self.path}: column {quote(name)} is missing; columns found: {_list(self.columns)}"
            f"{hint}"
        )

    def read_text(self, name: str) -> list[str]:
        """Read a column as text, without surrounding white space.

        Raises:
            DataError: A field is empty; the message names the first one.
        """
        position = self.find_column(name)
        values = []
        for row in self.rows:
            value = row.fields[position].strip()
            if not value:
                raise DataError(f"{self.locate(row)}: {name} is empty")
            values.append(value)
        return values

    def read_filled(self, name: str) -> tuple[list[str], list[int]]:
        """Read the fields of a column that are not empty, with the numbers of their rows.

        A warning names the rows whose field is empty.

        Raises:
            DataError: All fields are empty.
        """
        position = self.find_column(name)
        values = {row.number: row.fields[position].strip() for row in self.rows}
        filled = {number: value for number, value in values.items() if value}
        if not filled:
            raise DataError(f"{self.path}: {name} is empty in all {len(values)} rows")
        empty = [row.number for row in self.rows if row.number not in filled]
        if empty:
            NOTES.warning(
                "%s: %s is empty in rows that are left out: %s",
                self.path,
                name,
                _list(empty, str),
            )
        return list(filled.values()), list(filled)

    def read_numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Read the named columns as finite numbers, (rows, columns) float64.

        In a file whose separator is not the comma, numbers have decimal commas where one of these
        columns has any.

        Raises:
            DataError: A field is empty, not a number, NaN or infinite; the message names the first
                one.
        """
        positions = [self.find_column(name) for name in names]
        decimal = self._find_decimal(positions)
        numbers = np.empty((len(self.rows), len(names)))
        for index, row in enumerate(self.rows):
            for column, position in enumerate(positions):
                try:
                    numbers[index, column] = parse_number(row.fields[position], decimal)
                except ValueError as error:
                    raise DataError(
                        f"{self.locate(row)}, column {names[column]!r}: {error}"
                    ) from error
        return numbers

    def _find_decimal(self, positions: Sequence[int]) -> str:
        """Find the decimal sign of the numbers in the columns at these positions."""
        if self.separator == ",":
            return "."
        for row in self.rows:
            for position in positions:
                field = row.fields[position].strip()
                if DECIMAL_COMMA.fullmatch(field):
                    NOTES.info("%s: commas are decimal commas, as in %s", self.path, quote(field))
                    return ","
        return "."


def is_number(text: str) -> bool:
    """Return whether a text is a number as :func:`parse_number` expects it."""
    return NUMBER.fullmatch(text) is not None


def parse_number(field: str, decimal: str = ".") -> float:
    """Parse a finite number in ASCII digits, without separators between them.

    Raises:
        ValueError: The field holds something else, which the message quotes.
    """
    text = field.strip()
    plain = text
    if decimal == ",":
        plain = text.replace(",", ".") if "." not in text else ""
    if NUMBER.fullmatch(plain):
        number = float(plain)
        if math.isfinite(number):
            return number
    if not text:
        raise InvalidValueError("expected a number, got an empty field")
    if NUMBER.fullmatch(plain) or NOT_FINITE.fullmatch(text):
        raise InvalidValueError(f"expected a finite number, got {quote(text)}")
    raise InvalidValueError(
        f"expected a number (decimal sign {decimal!r}, no other sign between digits), got "
        f"{quote(text)}"
    )


def read_table(path: Path, *, header: bool = True, encoding: str | None = None) -> Table:
    """Read a CSV file, with or without a header, skipping blank lines.

    The separator is found as described in :mod:`qrnn_qiskit.tasks.data.records`. A first column
    without a name is an index; other columns without a name must be empty and are dropped, and so
    are empty rows at the end.

    Args:
        path: The file.
        header: Whether the first record has the names of the columns.
        encoding: The setting ``data.encoding`` of the task; UTF-8 for a task without it.

    Raises:
        DataError: The file is missing, empty, in another encoding or not CSV, has repeated or
            unnamed columns, rows of unequal width or no data, or a blank line between the rows of
            a single column.
    """
    content = read_bytes(path)
    records, separator = split_records(decode(content, path, encoding), path)
    while records and len(records[-1][1]) > 1 and not any(map(str.strip, records[-1][1])):
        records.pop()
    if not records:
        raise DataError(f"{path} is empty")
    names = records.pop(0)[1] if header else [str(n + 1) for n in range(len(records[0][1]))]
    if not records:
        raise DataError(f"{path} has a header but no row of data")
    rows = [Row(number, *record) for number, record in enumerate(records, start=1)]
    _check_rows(rows, len(names), path)
    columns, rows = _name_columns(names, rows, path)
    return Table(path, columns, rows, hashlib.sha256(content).hexdigest(), separator)


def _list(items: Sequence[Any], show: Callable[[Any], str] = quote) -> str:
    """List the first items for a message, and the number of the others."""
    more = f" and {len(items) - LISTED} more" if len(items) > LISTED else ""
    return ", ".join(map(show, items[:LISTED])) + more


def _name_columns(
    names: Sequence[str], rows: list[Row], path: Path
) -> tuple[tuple[str, ...], list[Row]]:
    """Check the names of the header; drop empty columns without a name."""
    stripped = [unicodedata.normalize("NFC", name.strip()) for name in names]
    kept = [
        position
        for position, name in enumerate(stripped)
        if name or any(row.fields[position].strip() for row in rows)
    ]
    if not kept:
        raise DataError(f"{path}: the header has no name; the first line must name the columns")
    columns = [stripped[position] for position in kept]
    if not columns[0] and len(columns) > 1 and kept[0] == 0:
        columns[0] = INDEX
    for position, name in enumerate(columns):
        if not name:
            raise DataError(f"{path}: column {kept[position] + 1} of the header has no name")
        if name in columns[:position]:
            raise DataError(f"{path}: the header has column {quote(name)} twice; names must differ")
    if len(kept) < len(names):
        rows = [Row(row.number, row.line, [row.fields[p] for p in kept]) for row in rows]
    return tuple(columns), rows


def _check_rows(rows: Sequence[Row], width: int, path: Path) -> None:
    for row in rows:
        if len(row.fields) != width:
            raise DataError(
                f"{path}, row {row.number} (line {row.line}): expected {width} fields, as "
                f"in the first line, got {len(row.fields)}"
            )
    if width == 1:
        # A blank line in a file of one column may be a missing value: never drop it silently.
        for row, following in pairwise(rows):
            gap = row.line + 1 + "".join(row.fields).count("\n")
            if following.line != gap:
                raise DataError(
                    f"{path}, line {gap}: is blank; fill in the value or remove the line"
                )

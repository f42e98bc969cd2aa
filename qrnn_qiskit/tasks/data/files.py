"""Reading of user files; every error message names the file and the row.

Rows count the records of data from 1, without the header; the line in brackets is the line of
the file as an editor shows it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from circuits.errors import InvalidValueError

__all__ = [
    "DataError",
    "DataFile",
    "Row",
    "Table",
    "read_array",
    "read_bytes",
    "read_lines",
    "read_table",
]

# A path in the settings, made absolute so that a run can be resumed from any folder.
DataFile = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


class DataError(InvalidValueError):
    """Data that cannot be used; the message names the place, and what was expected and found."""


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
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[Row]
    sha256: str

    def locate(self, row: Row) -> str:
        """Describe the place of a row for an error message."""
        return f"{self.path}, row {row.number} (line {row.line})"

    def find_column(self, name: str) -> int:
        """Return the position of a column.

        Raises:
            DataError: It is missing; the message lists the columns found.
        """
        if name in self.columns:
            return self.columns.index(name)
        nearest = get_close_matches(name, self.columns, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise DataError(
            f"{self.path}: column {name!r} is missing; columns found: "
            f"{', '.join(map(repr, self.columns))}{hint}"
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

    def read_numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Read the named columns as finite numbers, (rows, columns) float64.

        Raises:
            DataError: A field is empty, not a number, NaN or infinite; the message names the first
                one.
        """
        positions = [self.find_column(name) for name in names]
        numbers = np.empty((len(self.rows), len(names)))
        for index, row in enumerate(self.rows):
            for column, position in enumerate(positions):
                try:
                    numbers[index, column] = parse_number(row.fields[position])
                except ValueError as error:
                    raise DataError(
                        f"{self.locate(row)}, column {names[column]!r}: {error}"
                    ) from error
        return numbers


def parse_number(field: str) -> float:
    """Parse a finite number.

    Raises:
        ValueError: The field holds something else, which the message quotes.
    """
    text = field.strip()
    if not text:
        raise InvalidValueError("expected a number, got an empty field")
    try:
        number = float(text)
    except ValueError as error:
        raise InvalidValueError(f"expected a number (decimal point: '.'), got {text!r}") from error
    if not math.isfinite(number):
        raise InvalidValueError(f"expected a finite number, got {text!r}")
    return number


def read_bytes(path: Path) -> bytes:
    """Read the content of a file.

    Raises:
        DataError: The file is missing, a folder, unreadable or empty.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; expected a file")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(
            f"{path} does not exist (looked in {path.absolute().parent}); give the path of a file"
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if not content.strip():
        raise DataError(f"{path} is empty")
    return content


def read_table(path: Path, *, header: bool = True) -> Table:
    """Read a comma-separated file in UTF-8, with or without a header, skipping blank lines.

    Raises:
        DataError: The file is missing, empty, not UTF-8 or not CSV, has repeated or unnamed
            columns, rows of unequal width or no data, or a blank line between the rows of a single
            column.
    """
    content = read_bytes(path)
    text = _decode(content, path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for fields in reader:
            if fields:
                records.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}, record starting on line {line}: not valid CSV ({error}); "
            "fields are separated by commas, and a field with a comma, a quote or a line break "
            'must be enclosed in "double quotes"'
        ) from error
    if not records:
        raise DataError(f"{path} is empty")
    if header:
        columns = _check_header(records.pop(0)[1], path)
    else:
        columns = tuple(str(number) for number in range(1, len(records[0][1]) + 1))
    rows = [Row(number, *record) for number, record in enumerate(records, start=1)]
    if not rows:
        raise DataError(f"{path} has a header but no row of data")
    _check_rows(rows, columns, path)
    return Table(path, columns, rows, hashlib.sha256(content).hexdigest())


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file in UTF-8 that are not blank.

    Raises:
        DataError: The file cannot be read, or is not UTF-8.
    """
    lines = _decode(read_bytes(path), path).splitlines()
    return [line.strip() for line in lines if line.strip()]


def read_array(path: Path) -> NDArray[Any]:
    """Read the array of a .npy file; pickled objects are refused.

    Raises:
        DataError: The file cannot be read, or is not a .npy file of plain numbers.
    """
    content = read_bytes(path)
    try:
        array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (
        ValueError,
        EOFError,
        MemoryError,
        OverflowError,
    ) as error:  # the header may claim any size
        raise DataError(f"{path} is not a .npy file of plain numbers: {error}") from error
    return array


def _decode(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8; "
            "save the file in UTF-8"
        ) from error


def _check_header(fields: list[str], path: Path) -> tuple[str, ...]:
    columns = tuple(field.strip() for field in fields)
    for position, name in enumerate(columns):
        if not name:
            raise DataError(f"{path}: column {position + 1} of the header has no name")
        if name in columns[:position]:
            raise DataError(f"{path}: the header has column {name!r} twice; names must differ")
    return columns


def _check_rows(rows: list[Row], columns: tuple[str, ...], path: Path) -> None:
    for row in rows:
        if len(row.fields) != len(columns):
            raise DataError(
                f"{path}, row {row.number} (line {row.line}): expected {len(columns)} fields, as "
                f"in the first line, got {len(row.fields)}"
            )
    if len(columns) == 1:
        # A blank line in a file of one column may be a missing value: never drop it silently.
        for row, following in pairwise(rows):
            gap = row.line + 1 + "".join(row.fields).count("\n")
            if following.line != gap:
                raise DataError(
                    f"{path}, line {gap}: is blank; fill in the value or remove the line"
                )

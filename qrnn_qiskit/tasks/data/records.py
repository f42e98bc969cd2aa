"""The records of a CSV file with any of the usual separators.

The separator is that of a first line ``sep=;`` (Excel), otherwise the first of comma, semicolon,
tab and bar with which the first records have the same number of fields, more than one. Where there
is none, it is the one with which the header has the most fields.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from qrnn_qiskit.tasks.data.data_error import NOTES, DataError

__all__ = ["SEPARATORS", "Record", "split_records"]

Record = tuple[int, list[str]]  # the line where a record starts, and its fields
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
FIRST_LINE = re.compile(r'"?sep=([^\w\s"]|\t)"?[ ]*(?:\r\n|\r|\n)', re.IGNORECASE)
LONGEST = 2**31 - 1  # characters of a field; the csv module allows 131,072 unless it is set
SAMPLE = 100  # records by which the separator is found


def split_records(text: str, path: Path) -> tuple[list[Record], str]:
    """Split a text into the records that are not blank; return them with the separator.

    Raises:
        DataError: The text is not valid CSV.
    """
    line, separator = 1, None
    marked = FIRST_LINE.match(text)
    if marked:
        line, separator, text = 2, marked[1], text[marked.end() :]
    with _allow_long_fields():
        separator = separator or _find_separator(text)
        records = _split(text, separator, line, path)
    if separator != ",":
        name = SEPARATORS.get(separator, repr(separator))
        NOTES.info("%s: fields are separated by %s", path, name)
    return records, separator


def _split(text: str, separator: str, line: int, path: Path) -> list[Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records: list[Record] = []
    start, offset = line, line - 1
    try:
        for fields in reader:
            if fields:
                records.append((start, fields))
            start = reader.line_num + 1 + offset
    except csv.Error as error:
        name = SEPARATORS.get(separator, repr(separator))
        raise DataError(
            f"{path}, record starting on line {start}: not valid CSV ({error}); "
            f"fields are separated by {name}, and a field with a separator, a quote or a line "
            'break must be enclosed in "double quotes"'
        ) from error
    return records


def _find_separator(text: str) -> str:
    first: dict[str, int] = {}
    for separator in SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        widths = [len(fields) for fields in islice(reader, SAMPLE) if fields]
        if len(set(widths)) == 1 and widths[0] > 1:
            return separator
        first[separator] = widths[0] if widths else 0
    return max(first, key=first.__getitem__)  # the first of those with equally many fields


@contextmanager
def _allow_long_fields() -> Iterator[None]:
    """Lift the limit of the csv module, which is global, while a file is read."""
    before = csv.field_size_limit(LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)

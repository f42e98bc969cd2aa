"""Files of the UCR and UEA archives of time series (.ts), as aeon and sktime write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.tasks.data.data_error import DataError, quote
from qrnn_qiskit.tasks.data.files import read_lines
from qrnn_qiskit.tasks.data.tables import parse_number

__all__ = ["TsFile", "read_ts"]


@dataclass
class TsFile:
    """The content of a .ts file.

    Attributes:
        sequences: N arrays (T_i, E) float64.
        labels: N labels as texts; empty where the file has none.
        classes: The classes of the header; empty for values and without labels.
    """

    sequences: list[NDArray[np.float64]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    classes: tuple[str, ...] = ()


def read_ts(path: Path) -> TsFile:
    """Read a .ts file: a header of @ lines, @data, and one series a line.

    The dimensions of a series are separated by colons, its numbers by commas, and its label is the
    last part. Source: the format of https://www.timeseriesclassification.com.

    Raises:
        DataError: The file has another format, missing values or time stamps; the message names
            the line.
    """
    lines = [line for line in read_lines(path) if not line.startswith("#")]
    starts = [number for number, line in enumerate(lines) if line.lower() == "@data"]
    if not starts:
        raise DataError(f"{path} is not a .ts file: expected a line @data after the header")
    header = dict(_split_header(line) for line in lines[: starts[0]])
    if header.get("timestamps", "false").lower().startswith("true"):
        raise DataError(
            f"{path} has time stamps (@timestamps true); expected plain values: convert it with "
            "aeon, or write x and y to a .npz file"
        )
    words = header.get("classlabel", "false").split()
    has_classes = words[:1] == ["true"]
    has_values = header.get("targetlabel", "false").lower().startswith("true")
    found = TsFile(classes=tuple(words[1:]) if has_classes else ())
    for number, line in enumerate(lines[starts[0] + 1 :], start=1):
        place = f"{path}, series {number}"
        parts = line.split(":")
        if has_classes or has_values:
            found.labels.append(parts.pop().strip())
        found.sequences.append(_read_series(parts, place))
    if not found.sequences:
        raise DataError(f"{path} has no series after @data")
    return found


def _split_header(line: str) -> tuple[str, str]:
    """Split a header line into its key in lower case, without @, and its value."""
    key, _, value = line.partition(" ")
    return key.lstrip("@").lower(), value.strip()


def _read_series(dimensions: list[str], place: str) -> NDArray[np.float64]:
    """Read the dimensions of a series as an array (T, E)."""
    columns = []
    for number, text in enumerate(dimensions, start=1):
        try:
            columns.append([parse_number(value) for value in text.split(",")])
        except ValueError as error:
            gap = "; fill its missing values first" if "?" in text else ""
            raise DataError(f"{place}, dimension {number}: {error}{gap}") from error
    if not columns or len({len(column) for column in columns}) > 1:
        lengths = [len(column) for column in columns]
        raise DataError(
            f"{place}: expected dimensions of equal length, got {lengths} in "
            f"{quote(':'.join(dimensions))}"
        )
    return np.array(columns).T

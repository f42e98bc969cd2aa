"""Files of sequences with targets: .npz, long CSV tables, and .ts files of the UCR/UEA archives."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.tasks.data.arrays import join_sequences, to_array
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.dataset import Dataset
from qrnn_qiskit.tasks.data.files import read_bytes
from qrnn_qiskit.tasks.data.tables import Row, Table, is_number, read_table
from qrnn_qiskit.tasks.data.targets import find_goal
from qrnn_qiskit.tasks.data.time_order import check_order
from qrnn_qiskit.tasks.data.ts_files import read_ts

__all__ = ["Columns", "find_file_goal", "read_dataset", "read_inputs"]

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


class Columns(NamedTuple):
    """Names of the columns of a long CSV table; all others are the values of a step.

    Attributes:
        series: Which series a row belongs to.
        time: The order of the rows of a series; a table may have none.
        label: The target of the series, or of its step.
        encoding: Encoding of the file.
    """

    series: str = "series"
    time: str = "time"
    label: str = "label"
    encoding: str = "utf-8"


def read_dataset(
    path: Path, columns: Columns, test: Path | None = None, goal: str | None = None
) -> Dataset:
    """Read sequences with targets; ``test`` is a second file, of the test split.

    Args:
        path: A .npz file with the arrays x and y, and optionally lengths, classes, split and goal
            (see :class:`~qrnn_qiskit.tasks.data.dataset.Dataset`); a .ts file; or a CSV table with
            a row for each step.
        columns: Columns of a CSV table.
        test: A file of the same kind.
        goal: "classes" or "values"; unless given, texts and integers are classes.

    Raises:
        DataError: A file cannot be used; the message names it and the place.
    """
    arrays = _read(path, columns)
    if goal is not None:
        arrays["goal"] = goal
    if test is None:
        return Dataset.of_arrays(arrays, str(path))
    others = _read(test, columns)
    for name, part in ((path, arrays), (test, others)):
        if "y" not in part or "split" in part:
            raise DataError(f"{name}: expected targets, and no array split beside data.test_file")
    try:
        return Dataset.of_splits(
            (_list(arrays), arrays["y"]),
            test=(_list(others), others["y"]),
            classes=arrays.get("classes"),
            goal=arrays.get("goal"),
        )
    except DataError as error:
        raise DataError(f"{path} with {test}: {error}") from error


def find_file_goal(path: Path, columns: Columns) -> str | None:
    """Find whether the targets of a file are "classes" or "values"; None where it has none.

    Raises:
        DataError: The file cannot be used.
    """
    arrays = _read(path, columns)
    if "goal" in arrays:
        return str(arrays["goal"])
    y = arrays.get("y")
    if y is None:
        return None
    return find_goal(y[0] if isinstance(y, list) else to_array(y))


def read_inputs(
    path: Path, columns: Columns, width: int
) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Read new sequences of ``width`` features; their targets are not read.

    Returns:
        As :func:`~qrnn_qiskit.tasks.data.arrays.join_sequences`.

    Raises:
        DataError: The file cannot be used.
    """
    arrays = _read(path, columns)
    try:
        return join_sequences(arrays["x"], arrays.get("lengths"), width)
    except (DataError, KeyError) as error:
        missing = "the array x is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}: {missing}") from error


def _list(arrays: dict[str, Any]) -> list[NDArray[Any]]:
    """List the sequences of arrays without their padding."""
    x, lengths = join_sequences(arrays["x"], arrays.get("lengths"))
    if lengths is None:
        return list(x)
    return [row[:end] for row, end in zip(x, lengths.tolist(), strict=True)]


def _read(path: Path, columns: Columns) -> dict[str, Any]:
    """Read the arguments of a dataset from a file, without y where it has no targets."""
    if path.suffix == ".npz":
        return _read_npz(path)
    if path.suffix == ".ts":
        found = read_ts(path)
        arrays: dict[str, Any] = {"x": found.sequences}
        if found.classes:
            arrays |= {"y": np.array(found.labels), "classes": found.classes}
        elif found.labels:
            arrays["y"] = _parse_labels(found.labels)
        return arrays
    return _read_csv(path, columns)


def _read_npz(path: Path) -> dict[str, Any]:
    content = read_bytes(path)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is not a .npz file of plain arrays ({error}); write one with "
            "numpy.savez(file, x=x, y=y)"
        ) from error


def _read_csv(path: Path, columns: Columns) -> dict[str, Any]:
    """Read a table with a row for each step."""
    table = read_table(path, encoding=columns.encoding)
    names = table.read_text(columns.series)
    rows: dict[str, list[Row]] = {}
    for name, row in zip(names, table.rows, strict=True):
        rows.setdefault(name, []).append(row)
    has_time, has_label = columns.time in table.columns, columns.label in table.columns
    used = {columns.series, columns.time, columns.label}
    values = [name for name in table.columns if name not in used]
    if not values:
        raise DataError(
            f"{path}: expected columns of values besides {', '.join(sorted(used))}, got only "
            f"{', '.join(table.columns)}"
        )
    sequences, labels = [], []
    for part in rows.values():
        series = Table(path, table.columns, part, table.sha256, table.separator)
        if has_time:
            check_order(series, columns.time, required=True)
        sequences.append(series.read_numbers(values))
        if has_label:
            labels.append(series.read_text(columns.label))
    if not has_label:
        return {"x": sequences}
    flat = _parse_labels([label for part in labels for label in part])
    parts = np.split(flat, np.cumsum([len(part) for part in labels])[:-1])
    if all((part == part[0]).all() for part in parts):
        return {"x": sequences, "y": np.array([part[0] for part in parts])}
    return {"x": sequences, "y": parts}


def _parse_labels(labels: list[str]) -> NDArray[Any]:
    """Return labels as integers if all are, as numbers if all are, or as texts."""
    if all(_WHOLE.fullmatch(label) for label in labels):
        return np.array([int(label) for label in labels])
    if all(is_number(label) for label in labels):
        return np.array([float(label) for label in labels])
    return to_array(labels)

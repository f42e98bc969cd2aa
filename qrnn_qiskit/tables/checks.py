"""Checks of a table before its first run."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from qrnn_qiskit.tables.cells import inspect_cell
from qrnn_qiskit.tables.runner import count_open
from qrnn_qiskit.tables.spec import Pair
from qrnn_qiskit.tables.statistics import measure_others, summarize

__all__ = ["check_open", "check_report"]


def check_report(out: Path, pairs: list[Pair]) -> None:
    """Check that the report can be written, for all finished rows of the table.

    Raises:
        ConfigError: A metric that the task does not have.
        RunFolderError: A run, finished or not, was started with another configuration.
    """
    for row in summarize(out, pairs):
        measure_others(row)


def check_open(out: Path, pairs: Sequence[Pair], pool: Executor) -> None:
    """Check that the remaining runs, and the report after them, can be completed.

    The data of each remaining pair is loaded and its model built in the pool, as before the first
    step of a run; see :func:`~qrnn_qiskit.tables.cells.inspect_cell`. Nothing is written.

    Raises:
        ConfigError: Data that is missing or cannot be used, a model that cannot be built, or a
            metric that the task does not have; the message names the cell.
        RunFolderError: A run was started with another configuration.
    """
    left = [pair for pair in pairs if count_open(out, pair)]
    found = [(pair, pool.submit(inspect_cell, pair.search_cells()[0])) for pair in left]
    try:
        for pair, future in found:
            with pair.name_errors():
                metrics = future.result()
            pair.task.check_metrics(metrics)
    except BaseException:
        for _, future in found:
            future.cancel()
        raise

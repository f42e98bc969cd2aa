"""What can be known of a table before its first run is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qrnn_qiskit.tables.runner import count_open
from qrnn_qiskit.tables.spec import Pair
from qrnn_qiskit.tables.statistics import measure_others, summarize
from qrnn_qiskit.training.evaluation import list_metrics
from qrnn_qiskit.training.experiment import prepare

__all__ = ["check_open", "check_report"]


def check_report(out: Path, pairs: list[Pair]) -> None:
    """Refuse what the report could not be written with: of all finished rows of the table.

    Raises:
        ConfigError: A metric that the task does not have.
        RunFolderError: A result of another configuration.
    """
    for row in summarize(out, pairs):
        measure_others(row)


def check_open(out: Path, pairs: Sequence[Pair]) -> None:
    """Refuse what would stop one of the runs that are left, or the report after them.

    The data of each pair is loaded and its model built, as a run does before its first step, and
    for the names of the metrics the untrained model reads one test sequence of each task. Nothing
    is written.

    Raises:
        ConfigError: Data that is missing or cannot be used, a model that cannot be built, or a
            metric that the task does not have; names the cell.
        RunFolderError: A run has begun with another configuration.
    """
    named: set[str] = set()
    for pair in pairs:
        if not count_open(out, pair):
            continue
        config = pair.search_cells()[0].resolve()
        with pair.name_errors():
            experiment = prepare(config)
        if pair.task.metrics and pair.task.name not in named:
            pair.task.check_metrics(list_metrics(experiment))
            named.add(pair.task.name)

"""Means with intervals over seeds, and non-inferiority to the best baseline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from qrnn_qiskit.tables.cells import CellResult, read_result
from qrnn_qiskit.tables.runner import choose
from qrnn_qiskit.tables.spec import Choice, Pair
from qrnn_qiskit.tasks.copying_memory import CopyingMemory
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.schema import ConfigError

__all__ = [
    "Row",
    "Spread",
    "compare",
    "find_baseline",
    "find_reached",
    "find_solved",
    "measure_others",
    "summarize",
]


@dataclass(frozen=True)
class Spread:
    """A mean over seeds; ``half_width`` of its 95 % interval by Student's t, None for one seed."""

    mean: float
    half_width: float | None

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Compute the spread of at least one value."""
        mean = float(np.mean(values))
        if len(values) < 2:
            return cls(mean, None)
        error = float(np.std(values, ddof=1)) / len(values) ** 0.5
        return cls(mean, float(student.ppf(0.975, len(values) - 1)) * error)

    def cut(self, limits: tuple[float, float]) -> tuple[float, float]:
        """Return both ends of the interval, cut at the ``limits`` of the metric.

        The true mean lies within the limits, so cutting keeps the coverage of the interval. For one
        seed both ends are the mean.
        """
        half = self.half_width or 0.0
        # A mean may exceed a limit by rounding.
        low, high = min(limits[0], self.mean), max(limits[1], self.mean)
        return max(self.mean - half, low), min(self.mean + half, high)


@dataclass(frozen=True)
class Row:
    """A finished row of the table: a model on a task.

    Attributes:
        pair: The task and the model.
        choice: The learning rate and the variant that the search chose.
        results: Results of all seeds, in the order of the table.
        test, validation: Spread of the headline metric; None where any seed diverged.
        values: The headline metric of every seed on the test sequences.
    """

    pair: Pair
    choice: Choice
    results: list[CellResult]
    test: Spread | None
    validation: Spread | None
    values: list[float]


def summarize(out: Path, pairs: list[Pair]) -> list[Row]:
    """Collect the finished rows, in the order of the pairs."""
    rows = []
    for pair in pairs:
        choice = choose(out, pair)
        if choice is None:
            continue
        found = [read_result(out, cell) for cell in pair.seed_cells(choice)]
        results = [result for result in found if result is not None]
        if len(results) < len(found):
            continue
        test = validation = None
        values: list[float] = []
        if not any(result.diverged for result in results):
            values = [result.test[pair.headline] for result in results]
            test = Spread.of(values)
            validation = Spread.of([result.validation[pair.headline] for result in results])
        rows.append(Row(pair, choice, results, test, validation, values))
    return rows


def find_baseline(rows: list[Row], task: str) -> Row | None:
    """Find the baseline of a task that is best by validation, which does not use the test split."""
    candidates = [
        row
        for row in rows
        if row.pair.task.name == task and row.pair.model.role == "baseline" and row.validation
    ]

    def score(row: Row) -> float:
        assert row.validation is not None
        return row.validation.mean if row.pair.higher_is_better else -row.validation.mean

    return max(candidates, key=score, default=None)


def compare(row: Row, baseline: Row) -> str:
    """Compare a model with a baseline by the margin of the task.

    The verdict follows from Welch's 95 % interval of the difference of the means on the test
    sequences, positive where the model is better: "better" if the interval lies above 0,
    "non-inferior" if above -margin, "inferior" if below -margin, otherwise "undecided". It is
    "diverged" if any seed of the model diverged, and "one run" without two runs of each.
    """
    if not row.values:
        return "diverged"
    if len(row.values) < 2 or len(baseline.values) < 2:
        return "one run"
    sign = 1 if row.pair.higher_is_better else -1
    model, other = np.array(row.values), np.array(baseline.values)
    difference = sign * float(model.mean() - other.mean())
    parts = np.array([model.var(ddof=1) / len(model), other.var(ddof=1) / len(other)])
    half = 0.0
    if parts.sum() > 0:
        degrees = parts.sum() ** 2 / (parts**2 / [len(model) - 1, len(other) - 1]).sum()
        half = float(student.ppf(0.975, degrees)) * float(parts.sum()) ** 0.5
    margin = row.pair.task.margin
    if difference - half > 0:
        return "better"
    if difference - half > -margin:
        return "non-inferior"
    return "inferior" if difference + half < -margin else "undecided"


def measure_others(row: Row) -> dict[str, Spread]:
    """Compute the further metrics of the test sequences that the task of the table names.

    Empty where a run diverged.

    Raises:
        ConfigError: The task does not have such a metric.
    """
    if row.test is None:
        return {}
    row.pair.task.check_metrics(row.results[0].test)
    return {
        name: Spread.of([result.test[name] for result in row.results])
        for name in row.pair.task.metrics
    }


def find_solved(rows: list[Row]) -> dict[str, tuple[int, int]]:
    """Find the largest delay of copying memory that each model solved, with every and any seed.

    It is 0 where none was solved. A run that diverged has solved nothing. The result is empty
    without finished rows of copying memory.
    """
    delays: dict[str, list[tuple[int, int]]] = {}
    for row in rows:
        if row.pair.task.task == CopyingMemory.name:
            solved = [int(result.test.get("solved_delay", 0)) for result in row.results]
            delays.setdefault(row.pair.model.name, []).append((min(solved), max(solved)))
    return {
        model: (max(every for every, _ in found), max(some for _, some in found))
        for model, found in delays.items()
    }


def find_reached(out: Path, row: Row) -> tuple[list[int | None], int]:
    """Find the training sequences after which each seed first reached the target of its task.

    They are counted at the ends of epochs, by the metric of the validation sequences; None where
    the target was not reached.

    Returns:
        The counts, and the sequences of a whole run.

    Raises:
        ConfigError: The task of the table has no target.
    """
    pair, reached, total = row.pair, [], 0
    if pair.task.target is None:
        raise ConfigError(f"task {pair.task.name!r} of the table has no target; set target=VALUE")
    sign = 1 if pair.higher_is_better else -1
    for cell in pair.seed_cells(row.choice):
        run = RunFolder(out / cell.path, cell.resolve())
        first = None
        for line in run.read_metrics():
            total = line["step"] * run.config.train.batch_size
            distance = sign * (line[f"validation_{pair.headline}"] - pair.task.target)
            if first is None and distance >= 0:
                first = total
        reached.append(first)
    return reached, total

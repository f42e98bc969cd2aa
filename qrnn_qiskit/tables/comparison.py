"""Runs side by side: the settings that differ, their results, and their curves in one picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from circuits.errors import InvalidTypeError, InvalidValueError
from qrnn_qiskit.tables.curves import draw_panel
from qrnn_qiskit.tables.panels import make_panels
from qrnn_qiskit.training.evaluation import find_evaluation
from qrnn_qiskit.training.presentation import Presented, Shown, format_estimate
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.schema import flatten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from qrnn_qiskit.training.loading import TrainedModel

__all__ = ["Comparison", "compare"]


class Comparison(Presented):
    """Runs side by side: a table, :meth:`draw` for the curves, ``to_pandas()`` for the numbers.

    Attributes:
        runs: The runs.
        differing: The settings in which they differ, by dotted key.
    """

    def __init__(self, runs: Sequence[RunFolder]) -> None:
        self.runs = list(runs)
        settings = [flatten(run.config.model_dump(mode="json")) for run in self.runs]
        self.differing = {
            key: [each.get(key) for each in settings]
            for key in dict.fromkeys(key for each in settings for key in each)
            if any(each.get(key) != settings[0].get(key) for each in settings)
        }
        self._headlines = [run.make_task().headline for run in self.runs]
        self._curves = [
            [row[f"validation_{headline}"] for row in run.read_metrics()]
            for run, headline in zip(self.runs, self._headlines, strict=True)
        ]
        self._tests = [
            find_evaluation(run, "simulator") if run.checkpoint_file.exists() else None
            for run in self.runs
        ]

    def to_records(self) -> list[dict[str, Any]]:
        """Return a record for each run: its settings that differ, size, best validation, and test.

        The test metrics are those of its evaluation on the simulator; without one they are None.
        """
        return [
            {"run": str(run.path)}
            | {key: values[number] for key, values in self.differing.items()}
            | {
                "parameters": run.provenance.get("model", {}).get("parameters"),
                "epochs": len(self._curves[number]),
                f"validation_{self._headlines[number]}": self._find_best(number),
            }
            | {name: value["value"] for name, value in self._read_test(number).items()}
            for number, run in enumerate(self.runs)
        ]

    def describe(self) -> Shown:
        """Return a row for each run."""
        validation = list(dict.fromkeys(f"validation_{name}" for name in self._headlines))
        tests = [self._read_test(number) for number in range(len(self.runs))]
        metrics = list(dict.fromkeys(name for test in tests for name in test))
        rows = []
        for record, test in zip(self.to_records(), tests, strict=True):
            best = [record.get(name) for name in validation]
            rows.append(
                [
                    record["run"],
                    *(_format(record[key]) for key in self.differing),
                    _format(record["parameters"]),
                    str(record["epochs"]),
                    *("" if value is None else f"{value:.4f}" for value in best),
                    *(format_estimate(test[name]) if name in test else "" for name in metrics),
                ]
            )
        results = [name.replace("_", " ") for name in [*validation, *metrics]]
        note = "validation: the best epoch; the other metrics: the test sequences on the simulator"
        return Shown(["run", *self.differing, "parameters", "epochs", *results], rows, [note])

    def draw(self) -> Figure:
        """Draw the headline metric on the validation split by epoch, one panel for each metric.

        Raises:
            InvalidValueError: No run has finished an epoch.
        """
        panels: dict[str, list[int]] = {}
        for number, (headline, curve) in enumerate(zip(self._headlines, self._curves, strict=True)):
            if curve:
                panels.setdefault(headline, []).append(number)
        if not panels:
            raise InvalidValueError("no epoch of these runs has been finished yet; train them")
        figure, grid = make_panels(len(panels), 4.2)
        for axes, (headline, numbers) in zip(grid, panels.items(), strict=True):
            curves = [(str(self.runs[n].path), [self._curves[n]]) for n in numbers]
            higher = self.runs[numbers[0]].make_task().higher_is_better
            draw_panel(axes, curves, headline, higher)
        return figure

    def _find_best(self, number: int) -> float | None:
        values = self._curves[number]
        higher = self.runs[number].make_task().higher_is_better
        return None if not values else max(values) if higher else min(values)

    def _read_test(self, number: int) -> dict[str, dict[str, Any]]:
        test = self._tests[number]
        return {} if test is None else test.metrics


def compare(runs: Sequence[TrainedModel | RunFolder | str | os.PathLike[str]]) -> Comparison:
    """Compare runs, as ``qrnn compare`` does.

    Args:
        runs: Results of :func:`qrnn_qiskit.fit` or ``load``, or folders of runs.

    Raises:
        RunFolderError: A folder holds no run.
        InvalidValueError: There is no run.
    """
    if isinstance(runs, str | os.PathLike) or not isinstance(runs, Sequence):
        raise InvalidTypeError(
            f"expected a list of runs to compare, got a {type(runs).__name__}; give compare([...])"
        )
    if not runs:
        raise InvalidValueError("expected at least one run to compare, got none")
    folders = [run if isinstance(run, str | os.PathLike) else run.path for run in runs]
    return Comparison([RunFolder.open(Path(folder)) for folder in folders])


def _format(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)

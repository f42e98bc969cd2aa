"""Evaluations of a run on several devices, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from qrnn_qiskit.pictures import draw_evaluations
from qrnn_qiskit.training.evaluation import Evaluation
from qrnn_qiskit.training.presentation import Presented, Shown, format_estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Evaluations"]


class Evaluations(Presented, Sequence[Evaluation]):
    """Evaluations in the order of the devices: a sequence, a table, and a picture."""

    def __init__(self, evaluations: Sequence[Evaluation]) -> None:
        self._evaluations = list(evaluations)

    @overload
    def __getitem__(self, index: int) -> Evaluation: ...

    @overload
    def __getitem__(self, index: slice) -> list[Evaluation]: ...

    def __getitem__(self, index: int | slice) -> Evaluation | list[Evaluation]:
        return self._evaluations[index]

    def __len__(self) -> int:
        return len(self._evaluations)

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics that all evaluations have."""
        first, *others = self._evaluations
        return [name for name in first.metrics if all(name in each.metrics for each in others)]

    def describe(self) -> Shown:
        """Return a row for each device."""
        rows = [
            [
                each.device,
                str(each.sequences),
                "exact" if each.shots is None else f"{each.shots:,}",
                *(format_estimate(each.metrics[name]) for name in self.metrics),
            ]
            for each in self._evaluations
        ]
        return Shown(["device", "sequences", "shots", *self.metrics], rows)

    def to_records(self) -> list[dict[str, Any]]:
        """Return the records of all evaluations: a row for each device and metric."""
        return [record for each in self._evaluations for record in each.to_records()]

    def draw(self) -> Figure:
        """Draw the metrics of the devices side by side, with their errors."""
        devices = [each.device for each in self._evaluations]
        estimates = {
            name: [each.metrics[name] for each in self._evaluations] for name in self.metrics
        }
        return draw_evaluations(devices, estimates)

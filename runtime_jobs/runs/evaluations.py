"""Evaluations of a run on several devices, side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from qrnn_qiskit.pictures import draw_evaluations
from qrnn_qiskit.training.evaluation import Evaluation
from qrnn_qiskit.training.presentation import Presented, Shown, format_estimate
from runtime_jobs.report.sweep import Sweep, find_noise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Evaluations"]

_DOTS_PER_INCH = 80  # of the picture in a notebook, 40 kB


class Evaluations(Presented, Sequence[Evaluation]):
    """Evaluations in the order of the devices: a sequence, a table, and a picture.

    With several noise factors a notebook shows the picture below the table.
    """

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
        """Return the records of all evaluations: a row for each device and metric.

        Beside those of an evaluation they have "noise", the factor on the calibrated noise of the
        device: 0 without noise, None on devices where it is no multiple of a calibration.
        """
        return [
            record | {"noise": find_noise(each.device)}
            for each in self._evaluations
            for record in each.to_records()
        ]

    def draw(self) -> Figure:
        """Draw the metrics against the noise; of devices at one noise each, side by side."""
        if self._sweep is not None:
            return self._sweep.draw().figure
        devices = [each.device for each in self._evaluations]
        estimates = {
            name: [each.metrics[name] for each in self._evaluations] for name in self.metrics
        }
        return draw_evaluations(devices, estimates)

    @cached_property
    def _sweep(self) -> Sweep | None:
        """The evaluations against noise, where a device has several factors."""
        found = Sweep.collect(each.to_dict() for each in self._evaluations)
        return found if found is not None and found.has_curves else None

    def _repr_html_(self) -> str:
        table = super()._repr_html_()
        if self._sweep is None:
            return table
        picture = io.BytesIO()
        self.draw().savefig(picture, format="png", dpi=_DOTS_PER_INCH)
        encoded = base64.b64encode(picture.getvalue()).decode()
        return f'{table}<img alt="results against noise" src="data:image/png;base64,{encoded}">'

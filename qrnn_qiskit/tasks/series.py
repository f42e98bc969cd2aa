"""A user's time series: forecast the next values of a column of a CSV file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from qrnn_qiskit import metrics
from qrnn_qiskit.heads import LastStateHead
from qrnn_qiskit.tasks.base import Sequences, Splits, Task, TaskModel, number_rows
from qrnn_qiskit.tasks.files import DataError, DataFile, read_table
from qrnn_qiskit.tasks.registry import register
from qrnn_qiskit.tasks.splitting import SplitSettings

if TYPE_CHECKING:
    from qrnn_qiskit.model import QRNN

__all__ = ["Series", "SeriesSettings"]


class SeriesSettings(SplitSettings):
    """A CSV file with a header and one row per time step, oldest first."""

    split_seed: Literal[0] = Field(default=0, description="the split is by time: nothing is drawn")
    file: DataFile = Field(description="CSV file with a header, one row per time step")
    target: str = Field(min_length=1, description="column to forecast")
    inputs: tuple[str, ...] = Field(default=(), description="further columns to read")
    window: int = Field(default=16, ge=1, description="rows that the model reads")
    horizon: int = Field(default=1, ge=1, description="rows that it forecasts")

    @field_validator("target")
    @classmethod
    def _strip(cls, name: str) -> str:
        return name.strip()

    @model_validator(mode="after")
    def _refuse_repeated_columns(self) -> SeriesSettings:
        for position, name in enumerate(self.columns):
            if name in self.columns[:position]:
                raise ValueError(
                    f"column {name!r} is named twice in target and inputs; the target is always "
                    "an input and is not listed again"
                )
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a step, the target first."""
        return (self.target, *self.inputs)


@register
class Series(Task):
    """Windows (N, window, columns), target column first, and the next values (N, horizon).

    Columns are standardized with the mean and deviation of the training rows. Rows are divided
    by time. Every forecast row of a window lies in its split; the rows it reads may lie before.
    """

    name = "series"
    summary = "forecast a column of your own time series (data.file, data.target)"
    source = "your CSV file with a header, one row per time step, split by time"
    Settings = SeriesSettings
    settings: SeriesSettings
    defaults: ClassVar[dict[str, Any]] = {
        "model.num_qubits": 4,
        "model.num_layers": 2,
        "model.controller_hidden": 32,
        "train.epochs": 50,
        "train.batch_size": 32,
        "train.learning_rate": 0.01,
    }
    headline = "nmse"
    higher_is_better = False

    def __init__(self, settings: SeriesSettings) -> None:
        super().__init__(settings)
        self._mean: NDArray[np.float64] | None = None
        self._deviation: NDArray[np.float64] | None = None
        self._sha256: str | None = None

    def load(self) -> Splits:
        """Read data.file, fit the scale on the training rows, cut the windows."""
        settings = self.settings
        table = read_table(settings.file)
        values = table.read_numbers(settings.columns)
        sizes = settings.divide(len(values))
        required = (settings.window + settings.horizon, settings.horizon, settings.horizon)
        names = ("training", "validation", "test")
        for size, need, name in zip(sizes, required, names, strict=True):
            if size < need:
                raise DataError(
                    f"{settings.file} has {len(values)} rows, which leaves {size} for {name}; "
                    f"window {settings.window} and horizon {settings.horizon} require at least "
                    f"{need}: give more rows or change data.window, data.horizon or the fractions"
                )
        training = values[: sizes[0]]
        deviation = training.std(axis=0)
        if np.ptp(training[:, 0]) == 0:
            raise DataError(
                f"{settings.file}: column {settings.target!r} has the same value in all "
                f"{sizes[0]} training rows; there is nothing to learn"
            )
        deviation[np.ptp(training, axis=0) == 0] = 1.0  # a constant input is only centred
        self._mean, self._deviation, self._sha256 = training.mean(axis=0), deviation, table.sha256
        scaled = self._scale(values)
        ends = np.cumsum(sizes)
        starts = (settings.window, ends[0], ends[1])
        train, validation, test = (
            self._cut(scaled, start, end) for start, end in zip(starts, ends, strict=True)
        )
        return Splits(train, validation, test)

    def build(self, qrnn_factory: Callable[[int], QRNN]) -> TaskModel:
        """A head on the last state: the values of the horizon, scaled."""
        qrnn = qrnn_factory(len(self.settings.columns))
        return TaskModel(qrnn, LastStateHead(qrnn, self.settings.horizon))

    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Mean squared error of the scaled values, which is the NMSE."""
        return metrics.normalized_squared_error(
            prediction, batch.targets.to(prediction.dtype)
        ).mean()

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """NMSE of the model, NMSE of persistence, and absolute error in the units of the file.

        Both NMSE divide by the variance of the training rows, 1 after scaling. Persistence
        repeats the last value that the model saw.
        """
        targets = batch.targets.to(prediction.dtype)
        persistence = batch.inputs[:, -1:, 0].to(prediction.dtype).expand_as(targets)
        _, deviation = self._fitted()
        return {
            "nmse": metrics.normalized_squared_error(prediction, targets),
            "persistence_nmse": metrics.normalized_squared_error(persistence, targets),
            "absolute_error": (prediction - targets).abs().mean(dim=1) * float(deviation[0]),
        }

    def read(self, path: Path) -> Sequences:
        """Every window of a CSV file with the same columns; the last one ends with its last row."""
        values = read_table(path).read_numbers(self.settings.columns)
        window = self.settings.window
        if len(values) < window:
            raise DataError(
                f"{path} has {len(values)} rows; at least {window} are required (data.window)"
            )
        inputs = _slide(self._scale(values), window)
        return Sequences(
            torch.from_numpy(inputs),
            targets=torch.empty(len(inputs), 0),
            rows=torch.arange(window, len(values) + 1),
        )

    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Last row read and the forecasts of the rows after it, in the units of the file."""
        steps = range(1, self.settings.horizon + 1)
        header = ["row", *(f"{self.settings.target}+{step} predicted" for step in steps)]
        forecasts = self._unscale(prediction)
        rows: list[list[str | float | int]] = [
            [row, *forecast] for row, forecast in zip(number_rows(batch), forecasts, strict=True)
        ]
        if batch.has_targets:
            header += [f"{self.settings.target}+{step} actual" for step in steps]
            for row, actual in zip(rows, self._unscale(batch.targets), strict=True):
                row.extend(actual)
        return header, rows

    def remember(self) -> dict[str, Any]:
        """The scale of each column, and the hash of the data."""
        mean, deviation = self._fitted()
        return {
            "mean": mean.tolist(),
            "deviation": deviation.tolist(),
            "sha256": self._sha256,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take the scale back without reading the file."""
        self._mean = np.array(state["mean"])
        self._deviation = np.array(state["deviation"])
        self._sha256 = state["sha256"]

    def fingerprint(self) -> str:
        """SHA-256 of the file's bytes; after load() or restore()."""
        if self._sha256 is None:
            raise RuntimeError("task 'series' has read no data yet; call load() or restore() first")
        return self._sha256

    def _fitted(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self._mean is None or self._deviation is None:
            raise RuntimeError("task 'series' has no scale yet; call load() or restore() first")
        return self._mean, self._deviation

    def _scale(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        mean, deviation = self._fitted()
        return (values - mean) / deviation

    def _unscale(self, values: Tensor) -> list[list[float]]:
        mean, deviation = self._fitted()
        restored: list[list[float]] = (values.double() * deviation[0] + mean[0]).tolist()
        return restored

    def _cut(self, scaled: NDArray[np.float64], start: int, end: int) -> Sequences:
        """The windows whose forecast rows are all in [start, end)."""
        window, horizon = self.settings.window, self.settings.horizon
        first = start - window
        inputs = _slide(scaled[first : end - horizon], window)
        targets = _slide(scaled[start:end, :1], horizon)[:, :, 0]
        rows = torch.arange(start, end - horizon + 1)
        return Sequences(torch.from_numpy(inputs), torch.from_numpy(targets.copy()), rows=rows)


def _slide(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """All windows of consecutive rows, (rows - length + 1, length, columns)."""
    windows = np.lib.stride_tricks.sliding_window_view(values, length, axis=0)
    return np.ascontiguousarray(windows.transpose(0, 2, 1))

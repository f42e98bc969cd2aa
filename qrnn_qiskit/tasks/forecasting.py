"""The common base of tasks that forecast the next values of a time series."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from circuits.limits import MOST_DATA
from qrnn_qiskit import metrics
from qrnn_qiskit.heads import LastStateHead
from qrnn_qiskit.tasks.base import Sequences, Splits, Task, TaskModel, number_rows
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.scales import fit_scale, standardize
from qrnn_qiskit.tasks.data.splitting import SplitSettings
from qrnn_qiskit.tasks.data.tables import Table, read_table

if TYPE_CHECKING:
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["FixedSeriesSettings", "Forecasting", "SeriesData", "WindowSettings"]


class WindowSettings(SplitSettings):
    """How a series is cut into windows; its rows are split by time."""

    window: int = Field(default=16, ge=1, description="rows that the model reads")
    horizon: int = Field(default=1, ge=1, description="rows that the model forecasts")


class FixedSeriesSettings(WindowSettings):
    """Settings of a series that involves no random numbers."""

    split_seed: Literal[0] = Field(default=0, description="unused: the split is by time")


class SeriesData(NamedTuple):
    """A series: ``values`` (rows, columns), the target first, and the SHA-256 of its source."""

    values: NDArray[np.float64]
    sha256: str


class Fitted(NamedTuple):
    """The preprocessing fitted on the training rows.

    Attributes:
        mean: Mean of each column, (columns,).
        deviation: Standard deviation of each column, (columns,).
        linear: The linear autoregression from a scaled window to the scaled forecast,
            (window * inputs + 1, horizon), its constant last.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    linear: NDArray[np.float64]


class Forecasting(Task):
    """Forecast (N, horizon) values from windows (N, window, columns), target column first.

    Columns are standardized with the mean and the standard deviation of the training rows. Rows are
    split by time. All forecast rows of a window lie in its split; the rows it reads may lie before.
    Where ``reads_target`` is False the windows contain only the other columns.
    """

    settings: WindowSettings
    reads_target: ClassVar[bool] = True
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
    ranges: ClassVar[dict[str, tuple[float, float]]] = dict.fromkeys(
        ("nmse", "absolute_error"), metrics.NON_NEGATIVE
    )

    def __init__(self, settings: WindowSettings) -> None:
        super().__init__(settings)
        self._fit: Fitted | None = None
        self._sha256: str | None = None

    @property
    @abstractmethod
    def columns(self) -> Sequence[str]:
        """Names of the columns, the target first."""

    @abstractmethod
    def read_series(self) -> SeriesData:
        """Read the whole series, oldest row first."""

    @property
    def place(self) -> str:
        """Where the series comes from, for error messages."""
        return f"the series of task {self.name!r}"

    @property
    def input_columns(self) -> Sequence[str]:
        """Names of the columns that the model reads."""
        return self.columns[self._first :]

    @property
    def _first(self) -> int:
        return 0 if self.reads_target else 1

    def load(self) -> Splits:
        """Read the series, fit the scale on the training rows, and cut the windows."""
        settings = self.settings
        values, self._sha256 = self.read_series()
        sizes = settings.divide(len(values))
        required = (settings.window + settings.horizon, settings.horizon, settings.horizon)
        names = ("training", "validation", "test")
        for size, need, name in zip(sizes, required, names, strict=True):
            if size < need:
                raise DataError(
                    f"{self.place} has {len(values)} rows, which leaves {size} for {name}; "
                    f"window {settings.window} and horizon {settings.horizon} require at least "
                    f"{need}: give more rows or change data.window, data.horizon or the fractions"
                )
        read = settings.window * (values.shape[1] - self._first)
        numbers = len(values) * (read + settings.horizon)
        if numbers > MOST_DATA:
            raise DataError(
                f"{self.place} has {len(values)} rows, whose windows of data.window="
                f"{settings.window} and data.horizon={settings.horizon} have {numbers} numbers, "
                f"more than {MOST_DATA}; reduce the window, the horizon or the rows"
            )
        mean, deviation = fit_scale(values[: sizes[0]], self.columns, self.place)
        scaled = standardize(values, mean, deviation, self.columns, self.place)
        ends = np.cumsum(sizes)
        starts = (settings.window, ends[0], ends[1])
        train, validation, test = (
            self._cut(scaled, start, end) for start, end in zip(starts, ends, strict=True)
        )
        design = _add_constant(train.inputs).numpy()
        linear = np.linalg.lstsq(design, train.targets.numpy(), rcond=None)[0]
        self._fit = Fitted(mean, deviation, linear)
        return Splits(train, validation, test)

    def build(self, qrnn_factory: Callable[[int], RecurrentModel]) -> TaskModel:
        """Build a head on the last state for the scaled values of the horizon."""
        qrnn = qrnn_factory(len(self.input_columns))
        return TaskModel(qrnn, LastStateHead(qrnn, self.settings.horizon))

    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Compute the mean squared error of the scaled values, which is the NMSE."""
        return metrics.normalized_squared_error(
            prediction, batch.targets.to(prediction.dtype)
        ).mean()

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute the NMSE of the model and of two floors, and the absolute error in data units.

        Each NMSE is divided by the variance of the training rows, 1 after scaling. Persistence
        repeats the last value that the model reads; it is omitted where the model does not read the
        target. Linear is the least-squares autoregression on the same windows.
        """
        _, deviation, linear = self.require_loaded(self._fit)
        inputs, targets = batch.inputs.to(prediction.dtype), batch.targets.to(prediction.dtype)
        floors = {"linear": _add_constant(inputs) @ torch.from_numpy(linear).to(inputs)}
        if self.reads_target:
            floors["persistence"] = inputs[:, -1:, 0].expand_as(targets)
        return {
            "nmse": metrics.normalized_squared_error(prediction, targets),
            **{
                f"{name}_nmse": metrics.normalized_squared_error(floor, targets)
                for name, floor in floors.items()
            },
            "absolute_error": (prediction - targets).abs().mean(dim=1) * float(deviation[0]),
        }

    def read(self, path: Path) -> Sequences:
        """Read every window of a CSV file with the same columns, up to the last row."""
        values = self.read_file(path).read_numbers(self.input_columns)
        window = self.settings.window
        if len(values) < window:
            raise DataError(
                f"{path}: expected at least {window} rows (data.window), got {len(values)}"
            )
        mean, deviation, _ = self.require_loaded(self._fit)
        first = self._first
        scaled = standardize(values, mean[first:], deviation[first:], self.input_columns, str(path))
        inputs = _slide(scaled, window)
        return Sequences(
            torch.from_numpy(inputs),
            targets=torch.empty(len(inputs), 0),
            rows=torch.arange(window, len(values) + 1),
        )

    def read_file(self, path: Path) -> Table:
        """Read a CSV file with the columns of the series."""
        return read_table(path)

    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Tabulate the last row read and the forecasts of the following rows, in data units."""
        steps = range(1, self.settings.horizon + 1)
        header = ["row", *(f"{self.columns[0]}+{step} predicted" for step in steps)]
        forecasts = self._unscale(prediction)
        rows: list[list[str | float | int]] = [
            [row, *forecast] for row, forecast in zip(number_rows(batch), forecasts, strict=True)
        ]
        if batch.has_targets:
            header += [f"{self.columns[0]}+{step} actual" for step in steps]
            for row, actual in zip(rows, self._unscale(batch.targets), strict=True):
                row.extend(actual)
        return header, rows

    def remember(self) -> dict[str, Any]:
        """Return the scale of each column, the linear floor, and the hash of the data."""
        fitted = self.require_loaded(self._fit)._asdict()
        return {name: array.tolist() for name, array in fitted.items()} | {"sha256": self._sha256}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the scale without reading the series."""
        self._fit = Fitted(*(np.array(state[name]) for name in Fitted._fields))
        self._sha256 = state["sha256"]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the data; after load() or restore()."""
        return self.require_loaded(self._sha256)

    def _unscale(self, values: Tensor) -> list[list[float]]:
        mean, deviation, _ = self.require_loaded(self._fit)
        restored: list[list[float]] = (values.double() * deviation[0] + mean[0]).tolist()
        return restored

    def _cut(self, scaled: NDArray[np.float64], start: int, end: int) -> Sequences:
        """Cut the windows whose forecast rows all lie in [start, end)."""
        window, horizon = self.settings.window, self.settings.horizon
        first = start - window
        inputs = _slide(scaled[first : end - horizon, self._first :], window)
        targets = _slide(scaled[start:end, :1], horizon)[:, :, 0]
        rows = torch.arange(start, end - horizon + 1)
        return Sequences(torch.from_numpy(inputs), torch.from_numpy(targets.copy()), rows=rows)


def _slide(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Cut all windows of consecutive rows, (rows - length + 1, length, columns)."""
    windows = np.lib.stride_tricks.sliding_window_view(values, length, axis=0)
    return windows.transpose(0, 2, 1).copy(order="C")  # a view of a single window is read-only


def _add_constant(inputs: Tensor) -> Tensor:
    """Flatten windows (N, window, columns) to rows (N, window * columns + 1) of a linear model."""
    return torch.cat((inputs.flatten(1), inputs.new_ones(len(inputs), 1)), dim=1)

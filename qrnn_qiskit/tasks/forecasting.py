"""What tasks that forecast the next values of a time series share."""

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

from circuits.errors import OperationError
from qrnn_qiskit import metrics
from qrnn_qiskit.heads import LastStateHead
from qrnn_qiskit.tasks.base import Sequences, Splits, Task, TaskModel, number_rows
from qrnn_qiskit.tasks.data.files import DataError, read_table
from qrnn_qiskit.tasks.data.splitting import SplitSettings

if TYPE_CHECKING:
    from qrnn_qiskit.model import QRNN

__all__ = ["FixedSeriesSettings", "Forecasting", "SeriesData", "WindowSettings"]


class WindowSettings(SplitSettings):
    """How a series is cut. Its rows are divided by time."""

    window: int = Field(default=16, ge=1, description="rows that the model reads")
    horizon: int = Field(default=1, ge=1, description="rows that it forecasts")


class FixedSeriesSettings(WindowSettings):
    """Of a series in which nothing is drawn at random."""

    split_seed: Literal[0] = Field(default=0, description="the split is by time: nothing is drawn")


class SeriesData(NamedTuple):
    """A series: ``values`` (rows, columns), the target first, and the SHA-256 of its source."""

    values: NDArray[np.float64]
    sha256: str


class Fitted(NamedTuple):
    """What is taken from the training rows.

    ``mean`` and ``deviation`` (columns,); ``linear`` (window * inputs + 1, horizon), the linear
    autoregression from a scaled window to the scaled forecast, its constant last.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    linear: NDArray[np.float64]


class Forecasting(Task):
    """Windows (N, window, columns), target column first, and the next values (N, horizon).

    Columns are standardized with the mean and deviation of the training rows. Rows are divided
    by time. Every forecast row of a window lies in its split; the rows it reads may lie before.
    Where ``reads_target`` is False the windows have the other columns alone.
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
        """The whole series, oldest row first."""

    @property
    def place(self) -> str:
        """Where the series comes from, for complaints."""
        return f"the series of task {self.name!r}"

    @property
    def input_columns(self) -> Sequence[str]:
        """Names of the columns that the model reads."""
        return self.columns[self._first :]

    @property
    def _first(self) -> int:
        return 0 if self.reads_target else 1

    def load(self) -> Splits:
        """Read the series, fit the scale on the training rows, cut the windows."""
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
        training = values[: sizes[0]]
        deviation = training.std(axis=0)
        if np.ptp(training[:, 0]) == 0:
            raise DataError(
                f"{self.place}: column {self.columns[0]!r} has the same value in all "
                f"{sizes[0]} training rows; there is nothing to learn"
            )
        deviation[np.ptp(training, axis=0) == 0] = 1.0  # a constant input is only centred
        mean = training.mean(axis=0)
        scaled = (values - mean) / deviation
        ends = np.cumsum(sizes)
        starts = (settings.window, ends[0], ends[1])
        train, validation, test = (
            self._cut(scaled, start, end) for start, end in zip(starts, ends, strict=True)
        )
        design = _add_constant(train.inputs).numpy()
        linear = np.linalg.lstsq(design, train.targets.numpy(), rcond=None)[0]
        self._fit = Fitted(mean, deviation, linear)
        return Splits(train, validation, test)

    def build(self, qrnn_factory: Callable[[int], QRNN]) -> TaskModel:
        """A head on the last state: the values of the horizon, scaled."""
        qrnn = qrnn_factory(len(self.input_columns))
        return TaskModel(qrnn, LastStateHead(qrnn, self.settings.horizon))

    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Mean squared error of the scaled values, which is the NMSE."""
        return metrics.normalized_squared_error(
            prediction, batch.targets.to(prediction.dtype)
        ).mean()

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """NMSE of the model and of two floors, and absolute error in the units of the data.

        All NMSE divide by the variance of the training rows, 1 after scaling. Persistence repeats
        the last value that the model saw; it is left out where the model does not see the target.
        Linear is the least-squares autoregression on the same windows.
        """
        _, deviation, linear = self._fitted()
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
        """Every window of a CSV file with the same columns; the last one ends with its last row."""
        values = read_table(path).read_numbers(self.input_columns)
        window = self.settings.window
        if len(values) < window:
            raise DataError(
                f"{path} has {len(values)} rows; at least {window} are required (data.window)"
            )
        mean, deviation, _ = self._fitted()
        inputs = _slide((values - mean[self._first :]) / deviation[self._first :], window)
        return Sequences(
            torch.from_numpy(inputs),
            targets=torch.empty(len(inputs), 0),
            rows=torch.arange(window, len(values) + 1),
        )

    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Last row read and the forecasts of the rows after it, in the units of the data."""
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
        """The scale of each column, the linear floor, and the hash of the data."""
        fitted = self._fitted()._asdict()
        return {name: array.tolist() for name, array in fitted.items()} | {"sha256": self._sha256}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the scale back without reading the series."""
        self._fit = Fitted(*(np.array(state[name]) for name in Fitted._fields))
        self._sha256 = state["sha256"]

    def fingerprint(self) -> str:
        """SHA-256 of the data; after load() or restore()."""
        if self._sha256 is None:
            raise OperationError(
                f"task {self.name!r} has read no data yet; call load() or restore() first"
            )
        return self._sha256

    def _fitted(self) -> Fitted:
        if self._fit is None:
            raise OperationError(
                f"task {self.name!r} has no scale yet; call load() or restore() first"
            )
        return self._fit

    def _unscale(self, values: Tensor) -> list[list[float]]:
        mean, deviation, _ = self._fitted()
        restored: list[list[float]] = (values.double() * deviation[0] + mean[0]).tolist()
        return restored

    def _cut(self, scaled: NDArray[np.float64], start: int, end: int) -> Sequences:
        """The windows whose forecast rows are all in [start, end)."""
        window, horizon = self.settings.window, self.settings.horizon
        first = start - window
        inputs = _slide(scaled[first : end - horizon, self._first :], window)
        targets = _slide(scaled[start:end, :1], horizon)[:, :, 0]
        rows = torch.arange(start, end - horizon + 1)
        return Sequences(torch.from_numpy(inputs), torch.from_numpy(targets.copy()), rows=rows)


def _slide(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """All windows of consecutive rows, (rows - length + 1, length, columns)."""
    windows = np.lib.stride_tricks.sliding_window_view(values, length, axis=0)
    return np.ascontiguousarray(windows.transpose(0, 2, 1))


def _add_constant(inputs: Tensor) -> Tensor:
    """Windows (N, window, columns) as rows of a linear model, (N, window * columns + 1)."""
    return torch.cat((inputs.flatten(1), inputs.new_ones(len(inputs), 1)), dim=1)

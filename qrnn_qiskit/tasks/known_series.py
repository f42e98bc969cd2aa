"""Benchmark time series of the field, measured and generated."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks.data.files import read_array
from qrnn_qiskit.tasks.data.packages import find_package_file
from qrnn_qiskit.tasks.data.tables import read_table
from qrnn_qiskit.tasks.forecasting import (
    FixedSeriesSettings,
    Forecasting,
    SeriesData,
    WindowSettings,
)
from qrnn_qiskit.tasks.registry import register

__all__ = ["MackeyGlass", "Narma10", "SantaFe", "Sunspots"]

_LONGEST_TIME = 300_000.0  # units of time of Mackey and Glass, integrated in 5 seconds
# Measured on the laser: at 0.01 for many epochs the feedback loop turns chaotic and stays so.
CALM = Forecasting.defaults | {"train.learning_rate": 0.005}


class SantaFeSettings(FixedSeriesSettings):
    """Settings of the measured laser intensities."""

    window: int = Field(default=24, ge=1, description="rows that the model reads")


@register
class SantaFe(Forecasting):
    """Intensity of a far-infrared laser in a chaotic state (set A of the Santa Fe competition)."""

    name = "santa-fe"
    summary = "forecast the intensity of a chaotic laser (Santa Fe competition, set A)"
    source = "PyPI reservoirpy (MIT): 10,093 values, split by time 70 / 15 / 15"
    Settings = SantaFeSettings
    settings: SantaFeSettings
    columns = ("intensity",)
    defaults: ClassVar[dict[str, Any]] = CALM | {"train.epochs": 10}

    def read_series(self) -> SeriesData:
        """Read the values of the package's file."""
        path = find_package_file("reservoirpy", "reservoirpy/datasets/santafe_laser.npy")
        return _hash(read_array(path).astype(np.float64).reshape(-1, 1))


class SunspotsSettings(FixedSeriesSettings):
    """Settings of the yearly numbers from 1700 to 2008."""

    window: int = Field(default=12, ge=1, description="rows that the model reads")


@register
class Sunspots(Forecasting):
    """Yearly sunspot numbers, the shortest of the series, with a cycle of about 11 years."""

    name = "sunspots"
    summary = "forecast the yearly number of sunspots"
    source = "PyPI statsmodels (public domain): 309 years from 1700, split by time 70 / 15 / 15"
    Settings = SunspotsSettings
    settings: SunspotsSettings
    columns = ("SUNACTIVITY",)
    defaults: ClassVar[dict[str, Any]] = CALM | {"train.epochs": 50}

    def read_series(self) -> SeriesData:
        """Read the column of the package's file."""
        path = find_package_file("statsmodels", "statsmodels/datasets/sunspots/sunspots.csv")
        return _hash(read_table(path).read_numbers(self.columns))


class MackeyGlassSettings(FixedSeriesSettings):
    """Settings of the equation and its sampling."""

    length: int = Field(default=3000, ge=10, le=100_000, description="values generated")
    delay: float = Field(
        default=17.0, ge=0.1, le=_LONGEST_TIME, description="tau; chaotic from about 16.8"
    )
    spacing: float = Field(
        default=6.0, ge=0.1, le=_LONGEST_TIME, description="time between consecutive values"
    )

    @model_validator(mode="after")
    def _integrate_in_seconds(self) -> MackeyGlassSettings:
        time = self.length * self.spacing + self.delay
        if time > _LONGEST_TIME:
            raise InvalidValueError(
                f"expected length * spacing + delay, the time of the integration, to be at most "
                f"{_LONGEST_TIME:g}, got {time:g}; reduce length or spacing"
            )
        return self


@register
class MackeyGlass(Forecasting):
    """dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x, from a constant past of 1.2."""

    name = "mackey-glass"
    summary = "forecast the chaotic equation of Mackey and Glass (Science 197, 287, 1977)"
    source = "generated: 3,000 values, delay 17, spacing 6, split by time 70 / 15 / 15"
    Settings = MackeyGlassSettings
    settings: MackeyGlassSettings
    columns = ("x",)
    defaults: ClassVar[dict[str, Any]] = CALM | {"train.epochs": 20}

    def read_series(self) -> SeriesData:
        """Generate the values after the first 1,000 units of time."""
        settings = self.settings
        return _hash(integrate_mackey_glass(settings.length, settings.delay, settings.spacing))


class NarmaSettings(WindowSettings):
    """Settings of the system; ``split_seed`` seeds the inputs."""

    # Longer series nearly always diverge, and their inputs would be redrawn without end.
    length: int = Field(default=4000, ge=10, le=100_000, description="values generated")
    window: int = Field(default=20, ge=1, description="rows that the model reads")


@register
class Narma10(Forecasting):
    """Forecast y from inputs u only, as in Atiya and Parlos (IEEE Trans. Neural Netw. 11, 697).

    y(t+1) = 0.3 y(t) + 0.05 y(t) [y(t) + ... + y(t-9)] + 1.5 u(t-9) u(t) + 0.1, with u uniform in
    [0, 0.5]. The model reads u up to t and forecasts y(t+1); it never reads y.
    """

    name = "narma10"
    summary = "identify the nonlinear system NARMA-10 from its random inputs"
    source = "generated: 4,000 values, split by time 70 / 15 / 15"
    Settings = NarmaSettings
    settings: NarmaSettings
    columns = ("y", "u")
    reads_target = False
    defaults: ClassVar[dict[str, Any]] = CALM | {"train.epochs": 20}

    def read_series(self) -> SeriesData:
        """Generate outputs and inputs, after the first 100 steps."""
        return _hash(generate_narma(self.settings.length, self.settings.split_seed))


def integrate_mackey_glass(
    length: int, delay: float, spacing: float, step: float = 0.1
) -> NDArray[np.float64]:
    """Integrate values (length, 1) by 4th-order Runge-Kutta; a step holds the delayed value."""
    lag, every, skipped = round(delay / step), round(spacing / step), round(1000 / step)
    values = np.full(lag + 1 + skipped + length * every, 1.2)

    def slope(x: float, delayed: float) -> float:
        return 0.2 * delayed / (1 + delayed**10) - 0.1 * x

    for index in range(lag, len(values) - 1):
        x, delayed = float(values[index]), float(values[index - lag])
        first = slope(x, delayed)
        second = slope(x + step / 2 * first, delayed)
        third = slope(x + step / 2 * second, delayed)
        fourth = slope(x + step * third, delayed)
        values[index + 1] = x + step / 6 * (first + 2 * second + 2 * third + fourth)
    return values[lag + 1 + skipped :: every, None]


def generate_narma(length: int, seed: int) -> NDArray[np.float64]:
    """Generate outputs and inputs (length, 2); inputs for which the system diverges are redrawn."""
    skipped, attempt, outputs = 100, 0, None
    while outputs is None:
        inputs = np.random.default_rng([seed, attempt]).uniform(0, 0.5, skipped + length)
        outputs = _run_narma(inputs)
        attempt += 1
    return np.stack((outputs, inputs), axis=1)[skipped:]


def _run_narma(inputs: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Run the system from 0; return its outputs, or None if they exceed 1."""
    outputs = np.zeros(len(inputs))
    for t in range(9, len(outputs) - 1):
        memory = outputs[t - 9 : t + 1].sum()
        product = 1.5 * inputs[t - 9] * inputs[t]
        outputs[t + 1] = 0.3 * outputs[t] + 0.05 * outputs[t] * memory + product + 0.1
        if outputs[t + 1] > 1:
            return None
    return outputs


def _hash(values: NDArray[np.float64]) -> SeriesData:
    return SeriesData(values, hashlib.sha256(values.tobytes()).hexdigest())

"""A custom time series: forecast the next values of a column of a CSV file."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks.data.files import DataFile, read_table
from qrnn_qiskit.tasks.forecasting import FixedSeriesSettings, Forecasting, SeriesData
from qrnn_qiskit.tasks.registry import register

__all__ = ["Series", "SeriesSettings"]


class SeriesSettings(FixedSeriesSettings):
    """Settings of a CSV file with a header and one row per time step, oldest first."""

    file: DataFile = Field(description="CSV file with a header, one row per time step")
    target: str = Field(min_length=1, description="column to forecast")
    inputs: tuple[str, ...] = Field(default=(), description="further input columns")

    @field_validator("target")
    @classmethod
    def _strip(cls, name: str) -> str:
        return name.strip()

    @model_validator(mode="after")
    def _refuse_repeated_columns(self) -> SeriesSettings:
        for position, name in enumerate(self.columns):
            if name in self.columns[:position]:
                raise InvalidValueError(
                    f"column {name!r} is named twice in target and inputs; the target is always "
                    "an input: do not list it again"
                )
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a step, the target first."""
        return (self.target, *self.inputs)


@register
class Series(Forecasting):
    """Forecast the target column of a CSV file; columns are chosen by the settings."""

    name = "series"
    summary = "forecast a column of a custom time series (data.file, data.target)"
    source = "a CSV file with a header, one row per time step, split by time"
    Settings = SeriesSettings
    settings: SeriesSettings

    @property
    def columns(self) -> tuple[str, ...]:
        """The target, then the further input columns."""
        return self.settings.columns

    @property
    def place(self) -> str:
        """The path of the file."""
        return str(self.settings.file)

    def read_series(self) -> SeriesData:
        """Read the columns from data.file."""
        table = read_table(self.settings.file)
        return SeriesData(table.read_numbers(self.columns), table.sha256)

"""A custom time series: forecast the next values of a column of a CSV file."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks.data.decoding import UTF_8, Encoding
from qrnn_qiskit.tasks.data.files import DataFile
from qrnn_qiskit.tasks.data.tables import Table, read_table
from qrnn_qiskit.tasks.data.time_order import check_order, find_time
from qrnn_qiskit.tasks.forecasting import FixedSeriesSettings, Forecasting, SeriesData
from qrnn_qiskit.tasks.registry import register

__all__ = ["Series", "SeriesSettings"]


class SeriesSettings(FixedSeriesSettings):
    """Settings of a CSV file with a header and one row per time step, oldest first."""

    file: DataFile = Field(description="CSV file with a header, one row per time step")
    target: str = Field(min_length=1, description="column to forecast")
    inputs: tuple[str, ...] = Field(default=(), description="further input columns")
    time: str | None = Field(
        default=None,
        description="column of numbers or dates by which the rows must be in order; none: a "
        "column named time, date, datetime or timestamp, if there is one",
    )
    encoding: Encoding = Field(default=UTF_8, description="encoding of the file, such as cp1252")

    @field_validator("target", "time")
    @classmethod
    def _strip(cls, name: str | None) -> str | None:
        return name if name is None else name.strip()

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
        table = self.read_file(self.settings.file)
        return SeriesData(table.read_numbers(self.columns), table.sha256)

    def read_file(self, path: Path) -> Table:
        """Read a CSV file, and check the order of its rows."""
        settings = self.settings
        table = read_table(path, encoding=settings.encoding)
        column = settings.time or find_time(table, self.columns)
        if column is not None:
            check_order(table, column, required=settings.time is not None)
        return table

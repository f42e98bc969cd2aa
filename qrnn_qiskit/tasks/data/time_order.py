"""The order of the rows of a series by their times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from qrnn_qiskit.tasks.data.data_error import NOTES, DataError, quote
from qrnn_qiskit.tasks.data.tables import Table, parse_number

__all__ = ["check_order", "find_time"]

NAMES = ("time", "date", "datetime", "timestamp")
FORMATS = (
    *("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"),
    *("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S"),
    *("%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"),
)


def find_time(table: Table, used: Sequence[str]) -> str | None:
    """Find a column named time, date, datetime or timestamp that is not among those ``used``."""
    return next(
        (name for name in table.columns if name.lower() in NAMES and name not in used), None
    )


def check_order(table: Table, column: str, *, required: bool) -> None:
    """Check that the rows are in the order of a column of numbers or dates.

    Dates are in ISO 8601, or one of day.month.year, month/day/year and day/month/year, with or
    without the time of day. Equal times get a warning.

    Args:
        table: The table.
        column: The column of the times.
        required: Whether times that cannot be read are an error rather than a warning.

    Raises:
        DataError: A row is earlier than the one before; the message names it.
    """
    if required:
        texts = table.read_text(column)
    else:
        position = table.find_column(column)
        texts = [row.fields[position].strip() for row in table.rows]
    readings = [reading for parse in _parsers() if (reading := _read(texts, parse))]
    if not readings:
        message = (
            f"{table.path}: column {column!r} has times that cannot be read, such as "
            f"{quote(min(texts, key=len))} (expected numbers, or dates such as 2026-11-29 23:59)"
        )
        if required:
            raise DataError(f"{message}; name another column by data.time")
        NOTES.warning("%s; the order of the rows is not checked", message)
        return
    times = next((each for each in readings if _find_decrease(each) is None), readings[0])
    later = _find_decrease(times)
    if later is not None:
        row = table.rows[later]
        order = "; the latest row comes first" if _is_descending(times) else ""
        other = "" if required else "; rename the column if it is not the order"
        raise DataError(
            f"{table.locate(row)}, column {column!r}: {texts[later]} is earlier than "
            f"{texts[later - 1]} in the row before; sort the rows, oldest first{order}{other}"
        )
    for index, (time, following) in enumerate(pairwise(times), start=1):
        if time == following:
            NOTES.warning(
                "%s, column %r: %s is also the time of the row before; expected one row for each "
                "time step",
                table.locate(table.rows[index]),
                column,
                texts[index],
            )
            return


def _parsers() -> list[Callable[[str], float]]:
    return [
        parse_number,
        lambda text: parse_number(text, ","),
        lambda text: _count_seconds(datetime.fromisoformat(text)),
        *(
            lambda text, form=form: _count_seconds(datetime.strptime(text, form))
            for form in FORMATS
        ),
    ]


def _count_seconds(moment: datetime) -> float:
    """Return the seconds since 1970; a moment without a time zone is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def _read(texts: Sequence[str], parse: Callable[[str], float]) -> list[float]:
    """Parse all times; an empty list where one of them has another format."""
    try:
        return [parse(text) for text in texts]
    except (ValueError, OverflowError):
        return []


def _find_decrease(times: Sequence[float]) -> int | None:
    pairs = enumerate(pairwise(times), start=1)
    return next((index for index, (time, following) in pairs if following < time), None)


def _is_descending(times: Sequence[float]) -> bool:
    return all(following <= time for time, following in pairwise(times))

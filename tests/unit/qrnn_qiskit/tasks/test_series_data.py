"""Scales that cannot be used, and the order of the rows of a series."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qrnn_qiskit.tasks.data.data_error import NOTES, DataError
from qrnn_qiskit.tasks.series import Series, SeriesSettings

Write = Callable[..., Path]
COUNT = 40


@pytest.fixture
def notes(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", NOTES.name)
    return caplog


def make_task(path: Path, **settings: Any) -> Series:
    return Series(SeriesSettings(file=path, **({"target": "y", "window": 4} | settings)))


def format_columns(**columns: Callable[[int], object]) -> str:
    lines = (",".join(str(column(t)) for column in columns.values()) for t in range(COUNT))
    return ",".join(columns) + "\n" + "\n".join(lines) + "\n"


def seven(t: int) -> float:
    return float(t % 7)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (lambda t: 0.1 * 3 if t % 2 else 0.3, r"same value in all 28.*but for rounding"),
        (lambda t: 1e200 * seven(t), r"values up to 6e\+200.*another unit"),
        (lambda t: 1e-200 * seven(t), "differ by only 6e-200.*another unit"),
        (lambda t: 1e-300 * seven(t), "differ by only 6e-300.*another unit"),
        (lambda t: 1e31 if t == 3 else seven(t), r"values up to 1e\+31"),
        (lambda t: 1e300 if t == 35 else 1e-25 * seven(t), r"row 36, column 'y': 1e\+300 is inf"),
        (lambda t: 1e200 if t == 35 else seven(t), r"row 36, column 'y': 1e\+200 is .* standard"),
    ],
)
def test_a_scale_that_cannot_be_used_is_refused_by_name(
    write: Write, column: Callable[[int], float], message: str
) -> None:
    with pytest.raises(DataError, match=rf"data\.csv.*{message}") as caught:
        make_task(write(format_columns(y=column))).load()
    assert "'y'" in str(caught.value)


@pytest.mark.parametrize(
    "column", [lambda t: 1.1 * 3 if t % 2 else 3.3, lambda t: 5.0, lambda t: 5.0 + (t > 30)]
)
def test_an_input_that_is_constant_in_training_is_only_centred_and_named(
    write: Write, notes: pytest.LogCaptureFixture, column: Callable[[int], float]
) -> None:
    splits = make_task(write(format_columns(y=seven, c=column)), inputs=("c",)).load()
    parts = (splits.train, splits.validation, splits.test)
    assert max(part.inputs[:, :, 1].abs().max() for part in parts) <= 1 + 1e-9
    assert splits.train.inputs[:, :, 1].abs().max() < 1e-12
    assert "column 'c' has the same value in all 28 training rows" in notes.text


def test_a_value_far_from_the_training_rows_is_named(
    write: Write, notes: pytest.LogCaptureFixture
) -> None:
    make_task(write(format_columns(y=lambda t: 1e5 if t == 35 else seven(t)))).load()
    assert "row 36, column 'y': 100000 is 5" in notes.text


def test_a_new_value_out_of_all_proportion_is_refused(write: Write) -> None:
    task = make_task(write(format_columns(y=seven)))
    task.load()
    with pytest.raises(DataError, match=r"new\.csv, row 5, column 'y': 1e\+25"):
        task.read(write("y\n1\n2\n3\n4\n1e25\n", "new.csv"))


def date(t: int, form: str) -> str:
    return (datetime(2026, 1, 27) + timedelta(hours=7 * t)).strftime(form)  # into February


FORMS = [
    *("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y%m%dT%H%M", "%d.%m.%Y %H:%M"),
    *("%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S"),
]


@pytest.mark.parametrize("name", ["time", "Date", "TIMESTAMP"])
@pytest.mark.parametrize("form", FORMS)
def test_ascending_times_pass_and_others_are_refused_with_the_row(
    write: Write, notes: pytest.LogCaptureFixture, name: str, form: str
) -> None:
    content = format_columns(**{name: lambda t: date(t, form), "y": seven})
    make_task(write(content)).load()
    assert notes.text == ""
    header, *lines = content.splitlines()
    lines[9], lines[10] = lines[10], lines[9]
    with pytest.raises(DataError, match=rf"row 11 \(line 12\), column '{name}': .* is earlier"):
        make_task(write("\n".join([header, *lines]))).load()
    with pytest.raises(DataError, match=r"row 2 .*sort the rows, oldest first; the latest row"):
        make_task(write("\n".join([header, *content.splitlines()[:0:-1]]))).load()


def test_numbers_are_times_as_well_and_the_setting_names_the_column(write: Write) -> None:
    path = write(format_columns(step=lambda t: 9 if t == 20 else t, y=seven))
    make_task(path).load()
    with pytest.raises(DataError, match=r"row 21 \(line 22\), column 'step': 9 is earlier than 19"):
        make_task(path, time="step").load()
    with pytest.raises(DataError, match="column 'when' is missing"):
        make_task(path, time="when").load()


def test_equal_times_are_named(write: Write, notes: pytest.LogCaptureFixture) -> None:
    make_task(write(format_columns(time=lambda t: t // 2, y=seven))).load()
    assert "row 2 (line 3), column 'time': 0 is also the time of the row before" in notes.text


def test_times_that_cannot_be_read_are_named(write: Write, notes: pytest.LogCaptureFixture) -> None:
    path = write(format_columns(time=lambda t: f"Q{t}", y=seven))
    make_task(path).load()
    assert "such as 'Q0'" in notes.text
    assert "order of the rows is not checked" in notes.text
    with pytest.raises(DataError, match="such as 'Q0'"):
        make_task(path, time="time").load()
    path = write(format_columns(time=lambda t: "" if t == 7 else t, y=seven))
    make_task(path).load()
    assert "such as ''" in notes.text
    with pytest.raises(DataError, match=r"row 8 \(line 9\): time is empty"):
        make_task(path, time="time").load()


def test_a_time_that_the_model_reads_is_not_an_order(write: Write) -> None:
    make_task(write(format_columns(time=lambda t: -seven(t), y=seven)), inputs=("time",)).load()


def test_the_order_of_new_rows_is_checked(write: Write) -> None:
    task = make_task(write(format_columns(time=int, y=seven)))
    task.load()
    with pytest.raises(DataError, match=r"row 3 .*2 is earlier than 5"):
        task.read(write("time,y\n1,1\n5,2\n2,3\n7,4\n", "new.csv"))
    assert len(task.read(write("y\n1\n2\n3\n4\n", "new.csv"))) == 1


def test_a_series_of_excel_in_europe_is_read(write: Write) -> None:
    values = [f"{3 + np.sin(t):.3f}".replace(".", ",") for t in range(COUNT)]
    lines = [f"{date(t, '%d.%m.%Y %H:%M')};{value}" for t, value in enumerate(values)]
    path = write(("sep=;\r\nDate;Größe\r\n" + "\r\n".join(lines)).encode("cp1252"))
    task = make_task(path, target="Größe", encoding="CP1252")
    train = task.load().train
    restored = train.inputs[0, :, 0] * task.remember()["deviation"][0] + task.remember()["mean"][0]
    assert np.allclose(restored, 3 + np.sin(np.arange(4)), atol=1e-3)

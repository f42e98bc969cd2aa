from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from qrnn_qiskit.tasks import DataError
from qrnn_qiskit.tasks.series import Series, SeriesSettings

Write = Callable[..., Path]


def make_task(path: Path, **settings: Any) -> Series:
    settings = {"target": "y", "window": 4} | settings
    return Series(SeriesSettings(file=path, **settings))


def format_table(count: int, column: Callable[[int], float] = float) -> str:
    """Columns t, y, x of ``count`` rows; y is column(t), x is 100 - t."""
    lines = (f"{t},{column(t)},{100 - t}" for t in range(count))
    return "t,y,x\n" + "\n".join(lines) + "\n"


def test_windows_and_horizons_are_cut_by_time(write: Write) -> None:
    task = make_task(write(format_table(40)), inputs=("x",), horizon=3)
    splits = task.load()
    starts = {"train": 4, "validation": 28, "test": 34}  # first forecast row, from 0
    ends = {"train": 28, "validation": 34, "test": 40}
    scale = task.remember()
    for name, start in starts.items():
        part = getattr(splits, name)
        times = np.arange(start, ends[name] - 2)
        inputs = part.inputs.numpy() * scale["deviation"] + scale["mean"]
        targets = part.targets.numpy() * scale["deviation"][0] + scale["mean"][0]
        assert np.allclose(inputs[:, :, 0], times[:, None] + np.arange(-4, 0))
        assert np.allclose(inputs[:, :, 1], 100 - inputs[:, :, 0])
        assert np.allclose(targets, times[:, None] + np.arange(3))
        assert part.rows.tolist() == times.tolist()  # last row read, counted from 1


def test_scale_is_fitted_on_the_training_rows_alone(write: Write) -> None:
    plain = make_task(write(format_table(100, lambda t: t % 7), "plain.csv"))
    shifted = make_task(
        write(format_table(100, lambda t: t % 7 + (1000 if t >= 70 else 0)), "shifted.csv")
    )
    splits, after_shift = plain.load(), shifted.load()
    training = np.arange(70) % 7
    assert plain.remember()["mean"] == pytest.approx([training.mean()])
    assert plain.remember()["deviation"] == pytest.approx([training.std()])
    assert shifted.remember()["mean"] == plain.remember()["mean"]
    assert torch.equal(splits.train.inputs, after_shift.train.inputs)
    assert after_shift.test.targets.min() > 100


def test_metrics_compare_with_persistence_in_units_of_the_training_variance(write: Write) -> None:
    values = np.random.default_rng(0).normal(5, 3, size=200)
    task = make_task(write(format_table(200, lambda t: float(values[t]))), horizon=2)
    test = task.load().test
    variance = values[:140].var()
    last = values[169:198]
    future = np.stack([values[170:199], values[171:200]], axis=1)
    measured = task.measure(test.targets + 0.5, test)
    expected = ((future - last[:, None]) ** 2).mean(axis=1) / variance
    assert measured["persistence_nmse"].numpy() == pytest.approx(expected)
    assert measured["nmse"].tolist() == pytest.approx([0.25] * len(test))
    assert measured["absolute_error"].tolist() == pytest.approx(
        [0.5 * np.sqrt(variance)] * len(test)
    )
    assert task.loss(test.targets + 0.5, test).item() == pytest.approx(0.25)


def test_new_windows_end_with_the_last_row_and_forecast_in_file_units(write: Write) -> None:
    task = make_task(write(format_table(40)))
    task.load()
    batch = task.read(write("y\n7\n8\n9\n10\n11\n", "new.csv"))
    scale = task.remember()
    inputs = batch.inputs.numpy() * scale["deviation"] + scale["mean"]
    assert np.allclose(inputs[:, :, 0], [[7, 8, 9, 10], [8, 9, 10, 11]])
    mean_prediction = torch.zeros(2, 1)
    header, rows = task.tabulate(mean_prediction, batch)
    assert header == ["row", "y+1 predicted"]
    assert rows == [[4, pytest.approx(13.5)], [5, pytest.approx(13.5)]]


def test_table_of_known_targets_gives_them_back(write: Write) -> None:
    task = make_task(write(format_table(40)), horizon=2)
    test = task.load().test
    header, rows = task.tabulate(test.targets.float(), test)
    assert header == ["row", "y+1 predicted", "y+2 predicted", "y+1 actual", "y+2 actual"]
    assert rows[0] == [34, *(pytest.approx(value, abs=1e-5) for value in (34, 35, 34, 35))]


def test_restored_task_reads_as_the_loaded_one(write: Write) -> None:
    path = write(format_table(40))
    loaded, restored = make_task(path, inputs=("x",)), make_task(path, inputs=("x",))
    loaded.load()
    path.unlink()
    restored.restore(loaded.remember())
    new = write(format_table(9), "new.csv")
    assert torch.equal(loaded.read(new).inputs, restored.read(new).inputs)
    assert restored.fingerprint() == loaded.fingerprint()


def test_constant_input_column_is_only_centred(write: Write) -> None:
    lines = "\n".join(f"{t % 5},0.1" for t in range(40))
    train = make_task(write("y,c\n" + lines), inputs=("c",)).load().train
    assert train.inputs[:, :, 1].abs().max() < 1e-12


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (format_table(40), {"target": "z"}, "column 'z' is missing; columns found: 't', 'y', 'x'"),
        (format_table(40), {"inputs": ("w",)}, "column 'w' is missing"),
        (format_table(6), {}, "has 6 rows, which leaves 4 for training; window 4 and horizon 1"),
        (format_table(20), {"horizon": 4}, "leaves 3 for validation.* require at least 4"),
        (format_table(40, lambda t: 0.1), {}, "column 'y' has the same value in all 28 training"),
        (format_table(40).replace("\n16,16.0", "\n16,nan"), {}, r"row 17 \(line 18\), column 'y'"),
        (format_table(40).replace("\n16,16.0", "\n16,"), {}, r"row 17 \(line 18\).*empty field"),
    ],
)
def test_unusable_file_is_refused(
    write: Write, content: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=rf"data\.csv.*{message}"):
        make_task(write(content), **settings).load()


def test_new_file_shorter_than_the_window_is_refused(write: Write) -> None:
    task = make_task(write(format_table(40)))
    task.load()
    with pytest.raises(DataError, match=r"at least 4 rows .*got 3"):
        task.read(write(format_table(3), "short.csv"))


def test_scale_is_asked_for_before_it_exists(write: Write) -> None:
    task = make_task(write(format_table(40)))
    with pytest.raises(RuntimeError, match=r"call load\(\) or restore\(\) first"):
        task.read(task.settings.file)
    with pytest.raises(RuntimeError, match=r"call load\(\) or restore\(\) first"):
        task.fingerprint()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": ("y",)}, "column 'y' is named twice"),
        ({"inputs": ("x", "x")}, "column 'x' is named twice"),
        ({"window": 0}, "window"),
        ({"horizon": 0}, "horizon"),
        ({"split_seed": 1}, "split_seed"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_task(Path("data.csv"), **settings)


def test_path_of_the_file_becomes_absolute() -> None:
    settings = SeriesSettings(file=Path("data.csv"), target=" y ")
    assert settings.file == Path.cwd() / "data.csv"
    assert settings.columns == ("y",)

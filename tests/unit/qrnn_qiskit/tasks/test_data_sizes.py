"""Sizes of generated and windowed data: refused in a sentence before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from circuits.errors import UserError
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.experiment import prepare

HUGE = {
    "copying-memory": ("train_size", "validation_size", "test_size", "delay"),
    "mackey-glass": ("length", "delay", "spacing", "window", "horizon"),
    "narma10": ("length", "window", "horizon"),
    "santa-fe": ("window", "horizon"),
    "square": ("steps",),
    "stabilizer": ("steps", "num_qubits"),
    "sentiment": ("embedding_size",),
    "language": ("embedding_size",),
    "translation": ("embedding_size", "attention_size", "beam_width", "max_length"),
}


@pytest.mark.parametrize("size", [10**6, 10**9, 10**18])
@pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task, names in HUGE.items() for name in names]
)
def test_a_huge_size_is_refused_by_its_name(task: str, name: str, size: int) -> None:
    with pytest.raises(UserError, match=name):
        prepare(resolve_config(task, {f"data.{name}": size}))


def test_sizes_that_are_huge_together_are_refused() -> None:
    for settings in ({"delay": 10_000, "train_size": 10_000}, {"delay": 10**6, "test_size": 100}):
        with pytest.raises(UserError, match=r"times the \d+ steps.*20000000"):
            resolve_config("copying-memory", {f"data.{k}": v for k, v in settings.items()})
    with pytest.raises(UserError, match="reduce test_size or steps"):
        resolve_config("process", {"data.test_size": 10_000, "data.steps": 2001})
    with pytest.raises(UserError, match="time of the integration"):
        resolve_config("mackey-glass", {"data.length": 90_000, "data.spacing": 50.0})


def test_windows_that_multiply_a_long_series_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text("y\n" + "\n".join(str(k % 7) for k in range(30_000)))
    settings = {"data.file": str(file), "data.target": "y", "data.window": 2000}
    with pytest.raises(UserError, match=r"30000 rows.*data.window=2000.*20000000"):
        prepare(resolve_config("series", settings))

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qrnn_qiskit.tasks import Task, get_task
from qrnn_qiskit.tasks.known_series import generate_narma, integrate_mackey_glass


def make_task(name: str, **settings: Any) -> Task:
    task = get_task(name)
    return task(task.Settings.model_validate(settings))


@pytest.mark.parametrize(
    ("name", "sizes", "persistence", "linear"),
    [
        ("santa-fe", [7041, 1514, 1514], 0.788, 0.181),
        ("mackey-glass", [2084, 450, 450], 0.673, 0.098),
        ("narma10", [2780, 600, 600], None, 0.146),
        ("sunspots", [205, 46, 46], 0.737, 0.289),
    ],
)
def test_sizes_and_floors(
    name: str, sizes: list[int], persistence: float | None, linear: float
) -> None:
    task = make_task(name)
    splits = task.load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == sizes
    targets = splits.test.targets
    measured = task.measure(targets, splits.test)
    assert measured["nmse"].abs().max() == 0
    assert measured["linear_nmse"].mean().item() == pytest.approx(linear, abs=1e-3)
    assert ("persistence_nmse" in measured) == (persistence is not None)
    if persistence is not None:
        assert measured["persistence_nmse"].mean().item() == pytest.approx(persistence, abs=1e-3)


def test_narma_follows_its_equation_and_windows_end_with_the_input_that_it_needs() -> None:
    values = generate_narma(300, 3)
    y, u = values[:, 0], values[:, 1]
    for t in range(9, 299):
        memory = y[t - 9 : t + 1].sum()
        assert y[t + 1] == pytest.approx(
            0.3 * y[t] + 0.05 * y[t] * memory + 1.5 * u[t - 9] * u[t] + 0.1
        )
    assert u.min() >= 0
    assert u.max() <= 0.5
    assert not np.array_equal(values, generate_narma(300, 4))
    splits = make_task("narma10", length=300, split_seed=3).load()
    inputs, targets = splits.train.inputs, splits.train.targets
    rows = splits.train.rows
    assert rows is not None
    scaled_u, scaled_y = (values[:210].T[[1, 0]] - values[:210].mean(0)[[1, 0], None]) / (
        values[:210].std(0)[[1, 0], None]
    )
    for window, target, row in zip(inputs, targets, rows.tolist(), strict=True):
        assert window[:, 0].numpy() == pytest.approx(scaled_u[row - 20 : row])
        assert target.item() == pytest.approx(scaled_y[row])


def test_mackey_glass_follows_its_equation() -> None:
    x = integrate_mackey_glass(3000, 17.0, 0.1)[:, 0]
    delayed = x[:-171]
    slope = 0.2 * delayed / (1 + delayed**10) - 0.1 * x[170:-1]
    assert np.abs((x[171:] - x[170:-1]) / 0.1 - slope).max() < 2e-3
    assert np.allclose(integrate_mackey_glass(50, 17.0, 6.0)[:, 0], x[::60])
    assert x.min() > 0.2
    assert x.max() < 1.4


def test_the_linear_floor_is_exact_where_the_series_is_linear(
    write: Callable[..., Path],
) -> None:
    t = np.arange(120)
    path = write("y\n" + "\n".join(map(str, np.cos(0.3 * t) + 2)))
    task = make_task("series", file=path, target="y", window=4, horizon=2)
    test = task.load().test
    measured = task.measure(torch.zeros_like(test.targets), test)
    assert measured["linear_nmse"].max() < 1e-20
    restored = make_task("series", file=path, target="y", window=4, horizon=2)
    restored.restore(task.remember())
    again = restored.measure(torch.zeros_like(test.targets), test)
    assert torch.equal(again["linear_nmse"], measured["linear_nmse"])


def test_new_inputs_of_narma_have_no_output_column(write: Callable[..., Path]) -> None:
    task = make_task("narma10", length=300)
    task.load()
    inputs = "u\n" + "\n".join(str(0.02 * step) for step in range(22))
    assert task.read(write(inputs)).inputs.shape == (3, 20, 1)

"""Runs side by side: settings that differ, best validation, test metrics and curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qrnn_qiskit import Dataset, compare, fit
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.run_folder import RunFolder

X = np.random.default_rng(0).normal(size=(40, 3, 2))
TINY: dict[str, Any] = {"num_layers": 1, "controller_hidden": 4}


@pytest.mark.training
def test_runs_are_compared_by_what_differs(tmp_path: Path) -> None:
    data = Dataset(X, (X[:, :, 0].sum(axis=1) > 0).astype(int))
    first = fit(data, out=tmp_path / "a", num_qubits=2, epochs=2, **TINY)
    fit(data, out=tmp_path / "b", num_qubits=3, epochs=3, **TINY)
    values = fit(Dataset(X, X[:, 0]), out=tmp_path / "c", num_qubits=2, epochs=2, **TINY)
    measured = evaluate(RunFolder.open(first.path))
    found = compare([first, tmp_path / "b"])
    assert found.differing == {"model.num_qubits": [2, 3], "train.epochs": [2, 3]}
    one, other = found.to_records()
    rows = RunFolder.open(first.path).read_metrics()
    assert one["validation_accuracy"] == max(row["validation_accuracy"] for row in rows)
    assert one["accuracy"] == measured.metrics["accuracy"]["value"]
    assert "accuracy" not in other
    assert other["parameters"] > one["parameters"]
    (axes,) = found.draw().axes
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 3]
    mixed = compare([first, values])
    assert mixed.differing == {"data.goal": ["classes", "values"]}
    assert [axes.get_yscale() for axes in mixed.draw().axes] == ["linear", "log"]
    assert mixed.describe().header[-3:] == ["cross entropy", "accuracy", "majority accuracy"]


@pytest.mark.parametrize(
    ("runs", "message"),
    [([], "at least one run"), ("runs/a", r"a list of runs.*give compare\(\[\.\.\.\]\)")],
)
def test_bad_lists_are_refused(runs: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        compare(runs)

"""Training on data in memory: an ordinary run folder, which another process can use."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qrnn_qiskit import Dataset, fit, load
from qrnn_qiskit.tasks import DataError
from qrnn_qiskit.training.run_folder import RunFolder, RunFolderError
from qrnn_qiskit.training.trainer import resume

TINY: dict[str, Any] = {"num_qubits": 2, "num_layers": 1, "controller_hidden": 4, "epochs": 2}
X = np.random.default_rng(0).normal(size=(40, 3, 2))
CLASSES = np.where(X[:, :, 0].sum(axis=1) > 0, "up", "down")

pytestmark = pytest.mark.training


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fit(Dataset(X, CLASSES), out=tmp_path / "run", **TINY).path


def test_a_run_of_arrays_predicts_classes_and_probabilities(folder: Path) -> None:
    run = load(folder)
    assert run.task.classes == ["down", "up"]
    probabilities = run.predict_proba(X)
    assert probabilities.shape == (40, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    expected = np.array(["down", "up"])[probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(run.predict(X), expected)
    np.testing.assert_array_equal(run.predict(list(X)), expected)


def test_the_data_is_in_the_folder_and_moves_with_it(folder: Path, tmp_path: Path) -> None:
    moved = Path(shutil.move(folder, tmp_path / "moved"))
    trained = load(moved)
    assert len(trained.splits.test) == 6  # read from the folder, and of the same hash
    run = RunFolder.open(moved)
    assert resume(run).epochs == 2


@pytest.mark.process
def test_an_interrupted_run_continues_to_the_same_bits(tmp_path: Path) -> None:
    data = Dataset(X, CLASSES)
    whole = fit(data, out=tmp_path / "whole", seed=3, **TINY)

    class Stopped(Exception):
        pass

    def stop(row: dict[str, Any]) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        fit(data, out=tmp_path / "run", seed=3, on_epoch=stop, **TINY)
    script = (
        "import sys; from qrnn_qiskit.training.run_folder import RunFolder; "
        "from qrnn_qiskit.training.trainer import resume; resume(RunFolder.open(sys.argv[1]))"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "run")]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    again = load(tmp_path / "run")
    for name, tensor in whole.state_dict().items():
        if not name.endswith("_extra_state"):
            np.testing.assert_array_equal(tensor, again.state_dict()[name])


def test_steps_and_epochs_are_reported(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    run = fit(
        Dataset(X, X[:, 0, 0]),
        out=tmp_path / "run",
        batch_size=20,
        on_step=steps.append,
        on_epoch=rows.append,
        **TINY,
    )
    assert [(step["step"], step["epoch"]) for step in steps] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    assert rows == [json.loads(line) for line in lines]
    assert "validation_nmse" in rows[0]


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (X, {}, "Dataset or the name of a task, got a ndarray"),
        (Dataset(X, CLASSES), {"num_qbits": 2}, "the nearest key is 'model.num_qubits'"),
        (Dataset(X[:3], CLASSES[:3]), {}, "draw the splits"),
        (Dataset(X, CLASSES), {"num_qubits": 0}, "num_qubits"),
    ],
)
def test_bad_input_writes_nothing(
    tmp_path: Path, data: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        fit(data, out=tmp_path / "run", **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_taken_folder_is_refused(folder: Path) -> None:
    with pytest.raises(RunFolderError, match="already holds a run"):
        fit(Dataset(X, CLASSES), out=folder, **TINY)


def test_changed_or_lost_data_is_named(folder: Path) -> None:
    with (folder / "data.npz").open("wb") as file:
        Dataset(X + 1, CLASSES).save(file)
    with pytest.raises(ValueError, match="has changed since training"):
        load(folder).splits  # noqa: B018
    (folder / "data.npz").unlink()
    with pytest.raises(DataError, match=r"restore .*data\.npz"):
        load(folder).splits  # noqa: B018


def test_values_have_no_probabilities(tmp_path: Path) -> None:
    run = fit(Dataset(X, X[:, 0]), out=tmp_path / "run", **TINY)
    assert run.predict(X).shape == (40, 2)
    with pytest.raises(ValueError, match="does not predict classes"):
        run.predict_proba(X)

"""A run of measured mode from the command line: train, evaluate, draw, predict, load."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from qrnn_qiskit import load
from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode

pytestmark = pytest.mark.training

SETTINGS = ("readout=measured", "num_ancillas=2", "num_qubits=3", "num_layers=1", "epochs=1")


@pytest.fixture(scope="module", params=["exact", "trajectories"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    settings = list(SETTINGS)
    if request.param == "trajectories":
        settings += ["num_trajectories=2", "num_layers=1", "batch_size=512"]
    arguments = [part for setting in settings for part in ("--set", setting)]
    assert run(["train", "digits", *arguments, "--out", str(path)]) == ExitCode.DONE
    return path


def test_the_run_is_measured_drawn_and_predicts(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["evaluate", str(folder), "--sequences", "20", "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert 0 <= found["metrics"]["accuracy"]["value"] <= 1
    arrays = np.load(sorted((folder / "evaluations").glob("*.npz"))[-1])
    assert arrays["output"].shape == (20, 8, 2)
    assert arrays["output"].min() >= -1e-6
    assert arrays["output"].max() <= 1 + 1e-6
    assert arrays["readouts"].shape == (20, 9)
    assert (folder / "pictures" / "readouts.png").stat().st_size > 1000
    images = tmp_path / "images.npy"
    np.save(images, np.zeros((2, 8, 8)))
    assert run(["predict", str(folder), str(images)]) == ExitCode.DONE
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_loaded_model_has_the_weights_and_the_coupling(folder: Path) -> None:
    trained = load(folder)
    assert trained.config.model.coupling_strength == pytest.approx(np.pi / 2)
    output, state = trained.qrnn(torch.zeros(1, 2, 8))
    assert output.shape == (1, 2, 2)
    assert state.readouts.shape == (1, 9)

"""A quantum run that is killed at the worst moments ends as one that was left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import qrnn_qiskit
from qrnn_qiskit.training.checkpoint import read_checkpoint
from qrnn_qiskit.training.config import Config, resolve_config
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.trainer import resume, train

# Trains the run in argv[1] and dies by SIGKILL in its save number argv[2], half of which is
# written: save 1 comes before the first step, one follows each of an epoch's 18 steps, and one
# the validation, after the epoch's metrics were written.
KILLED = """
import os, signal, sys
from qrnn_qiskit.training import checkpoint, trainer
from qrnn_qiskit.training.run_folder import RunFolder
left = int(sys.argv[2])
save = checkpoint.torch.save
def save_or_die(content, file):
    global left
    left -= 1
    if left == 0:
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    save(content, file)
checkpoint.torch.save = save_or_die
trainer.train(RunFolder.open(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def config() -> Config:
    return resolve_config(
        "digits", {"epochs": 2, "model.dropout": 0.2, "checkpoint_every": 0, "num_layers": 1}
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, config: Config) -> RunFolder:
    """A run that was never interrupted."""
    run = create_run(tmp_path_factory.mktemp("runs") / "whole", config)
    train(run)
    return run


@pytest.mark.parametrize("save", [20, 30], ids=["end of epoch 1", "in epoch 2"])
def test_a_run_killed_by_sigkill_goes_on_to_the_last_bit(
    tmp_path: Path, config: Config, whole: RunFolder, save: int
) -> None:
    killed = create_run(tmp_path / "killed", config)
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(killed.path), str(save)],
        env=os.environ | {"PYTHONPATH": str(Path(qrnn_qiskit.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    position = read_checkpoint(killed.checkpoint_file, config).position
    assert position["step"] == {20: 18, 30: 27}[save]
    resume(RunFolder.open(killed.path))
    rows, expected = (
        [{key: row[key] for key in row if key != "seconds"} for row in run.read_metrics()]
        for run in (killed, whole)
    )
    assert rows == expected
    first, second = (read_checkpoint(run.checkpoint_file, config) for run in (killed, whole))
    assert first.best_weights is not None
    assert second.best_weights is not None
    for name, tensor in second.weights.items():
        assert torch.equal(first.weights[name], tensor), name
        assert torch.equal(first.best_weights[name], second.best_weights[name]), name

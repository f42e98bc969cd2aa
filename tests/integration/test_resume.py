"""A run that is killed at the worst moments ends like an uninterrupted one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import qrnn_qiskit
from qrnn_qiskit.executors import Executor
from qrnn_qiskit.training.checkpoint import read_checkpoint
from qrnn_qiskit.training.config import Config, resolve_config
from qrnn_qiskit.training.interruption import TrainingInterrupted
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.trainer import resume, train
from runtime_jobs.devices import open_device

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


@pytest.mark.process
@pytest.mark.parametrize("save", [20, 30], ids=["end of epoch 1", "in epoch 2"])
def test_a_run_killed_by_sigkill_continues_bit_for_bit(
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


class StopAtStep(TrainingProgress):
    """Interrupt the training after a number of steps."""

    def __init__(self, step: int) -> None:
        super().__init__(enabled=False)
        self.left = step

    def show_step(self, step: int, steps: int, epochs: int, loss: float) -> None:
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.noisy
def test_a_sampled_run_with_a_seed_continues_bit_for_bit(tmp_path: Path) -> None:
    settings = {"num_qubits": 2, "controller_hidden": 4, "epochs": 2, "batch_size": 4, "delay": 1}
    sizes = {"train_size": 8, "validation_size": 4, "test_size": 4}
    config = resolve_config("copying-memory", settings | sizes)

    def open_noisy() -> Executor:
        name = "aer?noise=readout:0.1&mitigation=readout&shots=20&seed=3"
        return open_device(name, gradient="spsa")

    whole, stopped = (create_run(tmp_path / name, config) for name in ("whole", "stopped"))
    train(whole, executor=open_noisy())
    with pytest.raises(TrainingInterrupted):
        train(stopped, executor=open_noisy(), progress=StopAtStep(3))
    resume(RunFolder.open(stopped.path), executor=open_noisy())
    first, second = (read_checkpoint(run.checkpoint_file, config) for run in (whole, stopped))
    for name, tensor in first.weights.items():
        assert torch.equal(second.weights[name], tensor), name

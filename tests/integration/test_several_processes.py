"""Training in several processes: same numbers and checkpoints as in one, and lost workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import qrnn_qiskit
from qrnn_qiskit.training.checkpoint import read_checkpoint
from qrnn_qiskit.training.config import Config, resolve_config
from qrnn_qiskit.training.interruption import TrainingInterrupted
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.trainer import resume, train

pytestmark = pytest.mark.process

# Continues the runs in argv, each up to a number of steps, or to the end for 0.
WORKER = """
import json, signal, sys
from qrnn_qiskit.training.interruption import TrainingInterrupted
from qrnn_qiskit.training.processes import join_processes
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.trainer import resume
class Stop(TrainingProgress):
    def __init__(self, step):
        super().__init__(enabled=False)
        self.last = step
    def show_step(self, step, steps, epochs, loss):
        if step == self.last:
            signal.raise_signal(signal.SIGINT)
with join_processes() as processes:
    for path, steps in json.loads(sys.argv[1]):
        progress = Stop(steps) if processes.is_first else None
        try:
            resume(RunFolder.open(path), progress=progress, processes=processes)
        except TrainingInterrupted:
            assert steps, "this run was interrupted without a request"
"""

# The program qrnn, whose second process executes {deed} in its third step.
BAD_WORKER = """
import os, signal, time
from datetime import timedelta
from qrnn_qiskit.training import processes
from qrnn_qiskit.training.loop import Trainer
from runtime_jobs.cli import main
step = Trainer.step
def do(self, batch, progress):
    if self.position.step == 2 and os.environ["RANK"] == "1":
        {deed}
    return step(self, batch, progress)
Trainer.step = do
processes.PATIENCE = timedelta(seconds={patience})
main()
"""

# In float32 AdamW makes steps of the rounding error of a gradient that is 0.
TINY: dict[str, Any] = {"model.num_qubits": 2, "num_layers": 1, "controller_hidden": 4}
TINY |= {"model.dtype": "float64"}
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    # The last batch of 1114 images has one, so that one process has none.
    "digits": ("digits", {"epochs": 1, "model.dropout": 0.3, "batch_size": 53}),
    "padded": (
        "translation",
        {"epochs": 2, "model.dropout": 0.3, "batch_size": 9, "min_count": 1, "embedding_size": 3},
    ),
    "carried": (
        "language",
        {"epochs": 2, "max_lines": 60, "window": 5, "batch_size": 7, "embedding_size": 3},
    ),
    "sampled": (
        "copying-memory",
        {"epochs": 1, "readout": "measured", "num_trajectories": 4, "delay": 2, "batch_size": 5}
        | {"train_size": 20, "validation_size": 5, "test_size": 4, "curriculum": 0},
    ),
}


class StopAtStep(TrainingProgress):
    def __init__(self, step: int) -> None:
        super().__init__(enabled=False)
        self.last = step

    def show_step(self, step: int, steps: int, epochs: int, loss: float) -> None:
        if step == self.last:
            signal.raise_signal(signal.SIGINT)


def environment() -> dict[str, str]:
    one = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    return os.environ | one | {"PYTHONPATH": str(Path(qrnn_qiskit.__file__).parents[1])}


def run_two(jobs: Sequence[tuple[Path, int]]) -> None:
    """Continue runs in two processes, each run up to the given number of steps."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    work = json.dumps([(str(path), steps) for path, steps in jobs])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, work],
            env=environment() | world | {"RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors


def run_torchrun(
    folder: Path, deed: str, *arguments: str, patience: int = 200
) -> subprocess.CompletedProcess[str]:
    """Run ``qrnn`` in two processes by torchrun; the second one executes ``deed``."""
    script = folder / "worker.py"
    script.write_text(BAD_WORKER.format(deed=deed, patience=patience))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*torchrun, "--nproc-per-node", "2", str(script), *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )


def configure(name: str, folder: Path) -> Config:
    task, settings = CONFIGS[name]
    if name == "padded":
        pairs = folder / "pairs.tsv"
        pairs.write_text("".join(f"{'so ' * n}gut\t{'very ' * n}good\n" for n in range(1, 25)))
        settings = settings | {"file": str(pairs), "max_length": 40}
    return resolve_config(task, TINY | {"patience": "none"} | settings)


def require_close(run: RunFolder, other: RunFolder) -> None:
    """Require that losses, metrics and weights of two finished runs agree to 1e-5."""
    rows, expected = (each.read_metrics() for each in (run, other))
    assert len(rows) == len(expected) == run.config.train.epochs
    for row, wanted in zip(rows, expected, strict=True):
        row["seconds"] = wanted["seconds"]
        assert row == pytest.approx(wanted, abs=1e-5, rel=1e-5)
    first, second = (read_checkpoint(each.checkpoint_file, run.config) for each in (run, other))
    for name, tensor in first.weights.items():
        torch.testing.assert_close(tensor, second.weights[name], atol=3e-5, rtol=1e-5, msg=name)
    assert torch.equal(first.random["torch"], second.random["torch"])


def test_two_processes_give_the_numbers_of_one_and_take_its_checkpoints(tmp_path: Path) -> None:
    configs = {name: configure(name, tmp_path) for name in CONFIGS}
    alone, shared = (
        {name: create_run(tmp_path / part / name, config) for name, config in configs.items()}
        for part in ("alone", "shared")
    )
    for run in alone.values():
        train(run)
    handed, taken = (create_run(tmp_path / part, configs["carried"]) for part in ("to", "from"))
    with pytest.raises(TrainingInterrupted):
        train(taken, progress=StopAtStep(5))
    run_two([*((run.path, 0) for run in (*shared.values(), taken)), (handed.path, 5)])
    assert read_checkpoint(handed.checkpoint_file, handed.config).position["step"] == 5
    resume(RunFolder.open(handed.path))
    for name, run in shared.items():
        require_close(run, alone[name])
    require_close(taken, alone["carried"])
    require_close(handed, alone["carried"])


DIGITS = ["train", "digits", "--set", "epochs=1", "--set", "num_qubits=2", "--set", "num_layers=1"]


def test_a_killed_worker_stops_the_run_which_continues_in_one_process(tmp_path: Path) -> None:
    path = tmp_path / "run"
    settings = [*DIGITS, "--set", "checkpoint_every=0", "--out", str(path)]
    done = run_torchrun(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)", *settings)
    assert done.returncode == 1, done.stderr
    assert "error: another process of this training has died or hangs" in done.stderr
    remedy = f"continue with 'qrnn resume {path}', by torchrun as before or as a single process"
    assert f"{remedy} (torch: " in done.stderr
    run = RunFolder.open(path)
    assert read_checkpoint(run.checkpoint_file, run.config).position["step"] == 2
    expected = create_run(tmp_path / "expected", run.config)
    train(expected)
    resume(run)
    require_close(run, expected)


def test_an_error_of_all_processes_is_printed_once(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text("")
    done = run_torchrun(tmp_path, "pass", *DIGITS, "--out", str(path))
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1, done.stderr
    assert f"error: {path} is a file; expected a folder" in done.stderr


@pytest.mark.slow
def test_a_worker_that_hangs_ends_the_training(tmp_path: Path) -> None:
    deed = "signal.signal(signal.SIGTERM, signal.SIG_DFL); time.sleep(600)"
    # Long enough for the kernels to be compiled.
    done = run_torchrun(tmp_path, deed, *DIGITS, "--out", str(tmp_path / "run"), patience=60)
    assert done.returncode == 1, done.stderr
    assert "has died or hangs" in done.stderr


@pytest.mark.slow
def test_an_interrupt_of_torchrun_keeps_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run"
    done = run_torchrun(
        tmp_path, "os.kill(os.getppid(), signal.SIGINT)", *DIGITS, "--out", str(path)
    )
    assert done.returncode != 0
    assert done.stderr.count("error: training stopped after epoch 0, step") == 1
    run = RunFolder.open(path)
    assert read_checkpoint(run.checkpoint_file, run.config).position["step"] >= 2
    resume(run)
    assert len(run.read_metrics()) == 1


# Two processes of a training by torch itself, whose loss is of the state.
WRAPPED = """
import sys, torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from qrnn_qiskit import QRNN
distributed.init_process_group("gloo")
torch.manual_seed(0)
model = QRNN(2, 2, dtype=torch.float64)
x = torch.randn(4, 3, 2, dtype=torch.float64)
model(x)[1].readouts.square().sum().div(2).backward()
expected = [each.grad.clone() for each in model.parameters()]
rank = distributed.get_rank()
for settings in ({"static_graph": True}, {}, {"find_unused_parameters": True}):
    wrapped = DistributedDataParallel(model, **settings)
    for _ in range(2):  # a static graph is recorded in the first step
        wrapped.zero_grad()
        wrapped(x[rank::2])[1].readouts.square().sum().backward()
        for each, gradient in zip(model.parameters(), expected, strict=True):
            torch.testing.assert_close(each.grad, gradient, rtol=0.0, atol=1e-12)
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_torch_exchanges_gradients_of_a_loss_of_the_state() -> None:
    """DistributedDataParallel finds the tensors of a HiddenState, also with a static graph."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WRAPPED],
            env=environment() | world | {"RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors

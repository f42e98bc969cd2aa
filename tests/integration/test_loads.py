"""A command loads the run that it works on once, whatever it does with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from localqpu.control_client import LocalqpuControl
from loopback import submit

from qrnn_qiskit.training import checkpoint, loading
from qrnn_qiskit.training.checkpoint import Checkpoint
from qrnn_qiskit.training.schema import Config
from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode

TRAINING = ("--train-steps", "1", "--gradient", "spsa")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The checkpoints that were loaded."""
    found: list[Path] = []

    def read(path: Path, config: Config) -> Checkpoint:
        found.append(path)
        return checkpoint.read_checkpoint(path, config)

    monkeypatch.setattr(loading, "read_checkpoint", read)
    return found


@pytest.mark.parametrize("options", [(), TRAINING])
def test_a_plan_loads_the_run_once(
    folder: Path, loads: list[Path], options: tuple[str, ...]
) -> None:
    words = ["plan", str(folder), "--on", "ibm:kingston?shots=200", "--sequences", "3"]
    assert run([*words, *options]) == ExitCode.DONE
    assert loads == [folder / "checkpoint.pt"]


@pytest.mark.parametrize("options", [(), TRAINING])
def test_submit_and_collect_load_the_run_once_each(
    folder: Path, service: LocalqpuControl, loads: list[Path], options: tuple[str, ...]
) -> None:
    assert submit(folder, *options) == ExitCode.DONE
    assert service.jobs()
    assert loads == [folder / "checkpoint.pt"]
    loads.clear()
    assert run(["collect", str(folder), "--wait"]) == ExitCode.DONE
    assert loads == [folder / "checkpoint.pt"]


def test_resume_loads_the_run_once_for_its_jobs(
    folder: Path, service: LocalqpuControl, loads: list[Path]
) -> None:
    assert submit(folder) == ExitCode.DONE
    loads.clear()
    assert run(["resume", str(folder), "--wait"]) == ExitCode.DONE
    assert loads == [folder / "checkpoint.pt"]

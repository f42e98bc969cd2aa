"""A disk that is full at any moment of a training, in place of which files have a largest size."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sampling import slow

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode

SETTINGS = ["num_qubits=2", "controller_hidden=4", "epochs=1", "delay=2"]
SETTINGS += ["train_size=8", "validation_size=4", "test_size=5"]


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file can grow beyond ``most`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# At 0 nothing can be written, at 1,000 config.toml, at 3,000 the checkpoint, at 30,000 a picture.
@pytest.mark.training
@pytest.mark.parametrize("most", [0, 3_000, *slow([1, 500, 1_000, 10_000, 30_000])])
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(
    tmp_path: Path, most: int, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    words = [word for setting in SETTINGS for word in ("--set", setting)]
    command = ["train", "copying-memory", *words, "--out", str(folder)]
    with full_disk(most):
        code = run(command)
    error = capsys.readouterr().err.rstrip().splitlines()[-1]
    assert code == ExitCode.FAILED
    assert error.startswith("error: ")
    assert "cannot be written (File too large)" in error
    assert str(folder) in error
    assert not list(folder.rglob("*.tmp"))
    if (folder / "config.toml").exists():
        command = ["resume", str(folder)]
    assert run(command) == ExitCode.DONE

"""A table from the command line, killed in the middle of a cell, continues where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

FILE = """
title = "Digits"
seeds = [0, 1]
[search]
learning_rates = [0.02]
[settings.train]
epochs = 4
checkpoint_every = 0
[[tasks]]
name = "digits"
task = "digits"
parameters = 400
margin = 0.05
[[models]]
name = "GRU"
role = "candidate"
settings = { "model.kind" = "gru" }
[[models]]
name = "LSTM"
role = "baseline"
settings = { "model.kind" = "lstm" }
"""


def start(file: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    code = "from runtime_jobs.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "table", str(file), "--out", str(out), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def count_epochs(folder: Path) -> int:
    file = folder / "metrics.jsonl"
    return file.read_text().count("\n") if file.exists() else 0


@pytest.mark.slow
def test_a_table_killed_in_a_cell_continues_and_reports_its_progress(tmp_path: Path) -> None:
    file, out = tmp_path / "table.toml", tmp_path / "out"
    file.write_text(FILE)
    first = out / "runs" / "digits" / "GRU" / "rate-0.02-seed-0"
    killed = start(file, out)
    deadline = time.monotonic() + 240
    while count_epochs(first) < 1 and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before = count_epochs(first)
    assert before >= 1

    done = start(file, out)
    text, notes = done.communicate(timeout=400)
    assert done.returncode == 0, notes
    assert "runs left, about" in notes
    assert "best baseline" in text
    assert count_epochs(first) == 4
    for model in ("GRU", "LSTM"):
        for seed in (0, 1):
            folder = out / "runs" / "digits" / model / f"rate-0.02-seed-{seed}"
            assert json.loads((folder / "result.json").read_text())["epochs"] == 4
    assert (out / "table.md").read_text().count("\n| digits") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "digits/none"), "known: digits/GRU, digits/LSTM"),
        (("--workers", "0"), "at least 1, got 0"),
    ],
)
def test_bad_input_is_reported(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    file = tmp_path / "table.toml"
    file.write_text(FILE)
    process = start(file, tmp_path / "out", *arguments)
    _, notes = process.communicate(timeout=200)
    assert process.returncode == 2
    assert message in notes
    assert not (tmp_path / "out").exists()

"""``qrnn train TASK --find-rates`` prints settings that ``qrnn train`` takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from qrnn_qiskit.training.config import resolve_config
from runtime_jobs.cli import run

SMALL = ("delay=5", "train_size=64", "validation_size=2", "test_size=2", "num_qubits=2")


def test_the_printed_settings_are_settings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word for setting in SMALL for word in ("--set", setting)]
    assert run(["train", "copying-memory", *words, "--find-rates"]) == 0
    *table, last = capsys.readouterr().out.splitlines()
    assert any("angle biases" in line for line in table)
    settings = dict(word.split("=") for word in last.split() if word != "--set")
    config = resolve_config("copying-memory", settings)
    assert config.train.learning_rate > 0.0
    rates = config.train.rates
    assert max(rates.head, rates.controller, rates.bias) == 1.0
    assert list(tmp_path.iterdir()) == []


def test_a_run_to_write_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "digits", "--find-rates", "--out", "somewhere"]) == 2
    assert "leave out --from, --out and --on" in " ".join(capsys.readouterr().err.split())

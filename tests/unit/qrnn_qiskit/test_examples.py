from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from qrnn_qiskit.examples import EXAMPLES, copy_example, find_example
from qrnn_qiskit.training.evaluation import select_test
from qrnn_qiskit.training.loading import load
from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode


def list_files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_shipped_run_is_small_and_trained(name: str) -> None:
    folder = find_example(f"example:{name}")
    assert folder is not None
    files = list_files(folder)
    assert set(files) == {"config.toml", "metrics.jsonl", "provenance.json", "checkpoint.pt"}
    assert sum(map(len, files.values())) < 200_000


def test_the_digits_are_recognized_from_its_weights_only() -> None:
    trained = load("example:digits")
    test = select_test(trained)
    with torch.no_grad():
        right = trained.predict(test).argmax(1) == test.targets
    assert right.double().mean().item() == pytest.approx(0.947, abs=0.004)


def test_commands_work_on_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = find_example("example:digits")
    assert shipped is not None
    before = list_files(shipped)
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):  # the same again would not be written
        count = str(4 + number)
        command = ["evaluate", "example:digits", "--sequences", count, "--json"]
        assert run(command) == ExitCode.DONE
        assert json.loads(capsys.readouterr().out)["sequences"] == 4 + number
        evaluations = Path("runs/example-digits/evaluations").glob("*.json")
        assert len(list(evaluations)) == number
    assert list_files(shipped) == before


@pytest.mark.parametrize("command", ["jobs", "collect", "cancel"])
def test_commands_about_jobs_know_the_copy(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    run([command, "example:digits"])
    shown = capsys.readouterr()
    assert "runs/example-digits" in shown.out + shown.err
    assert Path("runs/example-digits/config.toml").exists()


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "example:letters"]) == ExitCode.BAD_INPUT
    assert "'example:letters' is not shipped" in capsys.readouterr().err
    assert copy_example("runs/example") is None

"""The command line from training to pictures, in-process, with tiny settings."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode

TINY = ["num_qubits=2", "num_layers=1", "controller_hidden=4", "epochs=1"]
COPYING = [*TINY, "delay=2", "train_size=8", "validation_size=4", "test_size=5"]


def with_settings(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "copying"
    assert run(["train", "copying-memory", *with_settings(*COPYING), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


@pytest.mark.training
def test_train_prints_a_table_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "digits"
    assert run(["train", "digits", *with_settings(*TINY), "--out", str(folder)]) == ExitCode.DONE
    captured = capsys.readouterr()
    shown = captured.out
    assert "test (397 sequences)" in shown
    lines = [line.split() for line in shown.splitlines() if line.startswith(" ")]
    rows = {line[0]: line for line in lines if line}
    evaluation = json.loads(next((folder / "evaluations").glob("*.json")).read_text())
    accuracy = evaluation["metrics"]["accuracy"]
    low, high = accuracy["interval"]
    assert low < accuracy["value"] < high
    interval = f"{accuracy['value']:.4f} (95 %: {low:.4f} to {high:.4f})"
    assert " ".join(rows["accuracy"][2:]) == interval
    entropy = evaluation["metrics"]["cross_entropy"]
    error = [f"{entropy['value']:.4f}", "±", f"{entropy['standard_error']:.4f}"]
    assert rows["cross_entropy"][2:] == error
    assert rows["majority_accuracy"][1].startswith("0.10")  # of 397 digits
    assert "weights of epoch 1, the best by validation of 1 epochs" in shown
    pictures = [Path(line[9:]) for line in shown.splitlines() if line.startswith("picture: ")]
    assert pictures
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert str(folder) in captured.err


@pytest.mark.training
def test_train_and_resume_write_event_files_when_asked(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["train", "copying-memory", *with_settings(*COPYING), "--out", str(folder)]
    assert run([*words, "--tensorboard"]) == ExitCode.DONE
    assert list((folder / "tensorboard").glob("events.out.*"))
    shutil.rmtree(folder / "tensorboard")
    assert run(["resume", str(folder), "--tensorboard"]) == ExitCode.DONE  # nothing is left to do
    assert not (folder / "tensorboard").exists()


@pytest.mark.training
def test_resume_of_a_finished_run_shows_its_results_and_does_nothing(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "copying-memory", *with_settings(*COPYING), "--out", str(copy / "new")]
    assert run(words) == ExitCode.DONE
    trained = capsys.readouterr().out.replace(str(copy / "new"), str(copy))

    def fail(*args: object, **kwargs: object) -> None:
        raise AssertionError("the data was read again")

    monkeypatch.setattr("qrnn_qiskit.tasks.copying_memory.CopyingMemory.load", fail)
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    assert run(["resume", str(copy)]) == ExitCode.DONE
    captured = capsys.readouterr()
    assert captured.out.splitlines()[:-1] == trained[: trained.index("picture:")].splitlines()[:-1]
    assert f"{copy}: weights of epoch 1, the best by validation of 1 epochs" in captured.out
    assert f"{copy} is finished, nothing is left to train" in " ".join(captured.err.split())
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()} == before


@pytest.mark.training
def test_resume_evaluates_a_trained_run_whose_evaluation_was_interrupted(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(copy / "evaluations")
    assert run(["resume", str(copy)]) == ExitCode.DONE
    assert "test (5 sequences)" in capsys.readouterr().out
    assert len(list((copy / "evaluations").glob("*.json"))) == 1


@pytest.mark.training
def test_the_command_line_overrides_a_settings_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "small.toml"
    settings.write_text("seed = 3\n[model]\nnum_qubits = 2\n[train]\nepochs = 9\n")
    folder = tmp_path / "run"
    arguments = ["train", "copying-memory", "--config", str(settings), *with_settings(*COPYING)]
    assert run([*arguments, "--out", str(folder)]) == ExitCode.DONE
    config = (folder / "config.toml").read_text()
    assert "seed = 3\n" in config
    assert "epochs = 1\n" in config


def test_evaluate_prints_one_json_object_and_nothing_else(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", str(copy), "--sequences", "3", "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {
        "task",
        "device",
        "sequences",
        "shots",
        "seed",
        "metrics",
        "seconds",
        "jobs",
        "qpu_seconds",
    }
    assert (found["task"], found["device"], found["sequences"]) == (
        "copying-memory",
        "simulator",
        3,
    )
    for estimate in found["metrics"].values():
        assert set(estimate) == {"value", "standard_error"}


def test_evaluate_repeats_the_metrics_of_training(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = json.loads(next((copy / "evaluations").glob("*.json")).read_text())
    assert run(["evaluate", str(copy)]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert f"{first['metrics']['cross_entropy']['value']:.4f} ±" in shown
    assert "test (5 sequences)" in shown


def test_predict_prints_csv(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = copy.with_name("new.csv")
    new.write_text("1,2,3,4,5,6,7,0,1,2," + "8," * 11 + "9\n")
    assert run(["predict", str(copy), str(new)]) == ExitCode.DONE
    header, row = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["row", "predicted"]
    assert row[0] == "1"
    assert len(row[1].split()) == 10


@pytest.mark.training
def test_show_draws_again(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copy / "pictures")
    assert run(["show", str(copy)]) == ExitCode.DONE
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == f"report: {copy / 'report.html'}"
    assert (copy / "report.html").is_file()
    pictures = [Path(line.removeprefix("picture: ")) for line in lines]
    assert pictures
    assert all(picture.is_file() for picture in pictures)


@pytest.mark.process
def test_ctrl_c_stops_a_run_that_resume_finishes(tmp_path: Path) -> None:
    def settle(folder: Path) -> list[str]:
        settings = [setting for setting in COPYING if not setting.startswith("epochs")]
        return ["train", "copying-memory", *with_settings(*settings, "epochs=40"), "--out", folder]

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert run([str(word) for word in settle(whole)]) == ExitCode.DONE
    program = Path(sys.executable).with_name("qrnn")
    process = subprocess.Popen(
        [program, *settle(stopped)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    metrics = stopped / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED, err
    assert out == ""
    assert f"qrnn resume {stopped}" in " ".join(err.split())
    assert "Traceback" not in err
    epochs = len(metrics.read_text().splitlines())
    assert 0 < epochs < 40

    assert run(["resume", str(stopped)]) == ExitCode.DONE
    assert read_values(metrics) == read_values(whole / "metrics.jsonl")


def read_values(metrics: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "digitz"], ["unknown task 'digitz'", "digits"]),
        (["train", "digits", "--set", "epochs"], ["--set 'epochs'", "KEY=VALUE"]),
        (["train", "digits", "--set", "=3"], ["--set '=3'", "KEY=VALUE"]),
        (["train", "digits", "--set", "epoch=3"], ["'epoch'", "train.epochs"]),
        (["train", "digits", "--set", "epochs=many"], ["train.epochs", "many", "integer"]),
        (["train", "digits", "--set", "epochs=0"], ["train.epochs", "0", "greater than 0"]),
        (["train", "digits", "--set", "num_qubits=0"], ["num_qubits", "0", "1"]),
        (["train", "digits", "--set", "num_qubits=99"], ["num_qubits", "99", "GiB"]),
        (["train", "digits", "--set", "ansatz=lineer"], ["ansatz", "lineer", "linear"]),
        (["train", "digits", "--set", "readout=some"], ["readout", "some", "expectation"]),
        (["train", "digits", "--set", "activation=tan"], ["activation", "tan", "gelu"]),
        (["train", "digits", "--config", "no.toml"], ["no.toml", "TOML"]),
        (["train", "series"], ["data.file", "required"]),
        (["train", "digits", "--on", "gpu"], ["unknown device 'gpu'", "simulator"]),
        (["train", "digits", "--on", "ibm:kingston"], ["ibm:kingston", "qrnn submit"]),
        (
            ["train", "digits", "--on", "aer?shots=10", "--gradient", "coordinates"],
            ["coordinates", "measured", "spsa"],
        ),
        (["evaluate", "nowhere"], ["nowhere", "does not exist"]),
        (["evaluate", "nowhere", "--on", "ibm:fez"], ["ibm:fez", "qrnn submit"]),
        (["evaluate", "nowhere", "--shots", "100"], ["shots is 100", "exact"]),
        (["evaluate", "nowhere", "--shots", "few"], ["'few'", "--shots", "whole number"]),
        (["resume", "nowhere"], ["nowhere", "does not exist"]),
        (["show", "nowhere"], ["nowhere", "does not exist"]),
        (["predict", "nowhere", "new.csv"], ["nowhere", "does not exist"]),
        (["predict", "nowhere"], ["FILE"]),
    ],
)
def test_bad_input_is_reported_in_one_line_and_nothing_is_written(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == ExitCode.BAD_INPUT
    captured = capsys.readouterr()
    assert captured.out == ""
    *started, line = captured.err.splitlines()
    assert started == []
    assert line.startswith("error: ")
    for word in words:
        assert word in line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_a_run_is_refused(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(copy)
    arguments = ["train", "copying-memory", *with_settings(*COPYING), "--out", str(copy)]
    assert run(arguments) == ExitCode.BAD_INPUT
    assert f"{copy} already holds a run" in capsys.readouterr().err
    assert snapshot(copy) == before


def test_a_bad_data_file_is_reported_with_its_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "x.csv"
    data.write_text("y\n1\n2\nthree\n")
    out = tmp_path / "out"
    settings = with_settings(f"data.file={data}", "data.target=y")
    assert run(["train", "series", *settings, "--out", str(out)]) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert "row 3 (line 4)" in error
    assert "'three'" in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("number", "words"), [("0", "from 1 to 5"), ("6", "from 1 to 5"), ("-1", "from 1 to 5")]
)
def test_a_wrong_number_of_sequences_is_refused(
    number: str, words: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(copy)
    assert run(["evaluate", str(copy), "--sequences", number]) == ExitCode.BAD_INPUT
    assert words in capsys.readouterr().err
    assert snapshot(copy) == before


def test_a_truncated_checkpoint_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = copy / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    for command in ("evaluate", "resume", "show"):
        assert run([command, str(copy)]) == ExitCode.BAD_INPUT
        error = capsys.readouterr().err
        assert "checkpoint.pt" in error
        assert "Traceback" not in error


@pytest.mark.parametrize("command", ["evaluate", "show"])
def test_a_run_without_a_finished_epoch_is_not_ready(
    command: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "metrics.jsonl").write_text("")
    before = snapshot(copy)
    assert run([command, str(copy)]) == ExitCode.NOT_READY
    assert f"qrnn resume {copy}" in capsys.readouterr().err
    assert snapshot(copy) == before


def test_divergence_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = with_settings(*COPYING, "learning_rate=1e30", "clip_norm=none")
    arguments = ["train", "copying-memory", *settings, "--set", "epochs=9"]
    assert run([*arguments, "--out", str(tmp_path / "run")]) == ExitCode.FAILED
    assert "training diverged in epoch" in capsys.readouterr().err


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

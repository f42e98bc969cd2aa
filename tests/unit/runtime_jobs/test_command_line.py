"""What the command line answers without any training."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from runtime_jobs import cli
from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.cli.options import parse_count

COMMANDS = [
    *("tasks", "devices", "train", "evaluate", "predict", "resume", "show", "compare", "table"),
    *("search", "account", "plan", "submit", "jobs", "collect", "cancel"),
]
HEAVY = {"torch", "qiskit", "numba", "matplotlib", "sklearn", "qrnn_qiskit"}


@pytest.mark.process
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from runtime_jobs.cli import run\n"
        f"code = run({arguments!r}); print('loaded:', *sys.modules); sys.exit(code)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    loaded = set(answer.stdout.rpartition("loaded: ")[2].split())
    assert "runtime_jobs.cli" in loaded
    assert not loaded & HEAVY


@pytest.mark.process
def test_the_program_is_installed_and_its_exit_code_arrives() -> None:
    program = Path(sys.executable).with_name("qrnn")
    shown = subprocess.run([program, "--help"], capture_output=True, text=True)
    assert shown.returncode == 0
    assert all(f"\n  {command} " in shown.stdout for command in COMMANDS)
    refused = subprocess.run([program, "trian"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "Did you mean 'train'?" in refused.stderr


@pytest.mark.process
@pytest.mark.parametrize("words", [["collect", "absent"], ["compare", "absent"]])
def test_a_terminal_shows_a_line_before_anything_heavy_is_imported(words: list[str]) -> None:
    code = f"import sys; from runtime_jobs.cli import run; sys.exit(run({words!r}))"
    terminal, other = os.openpty()
    with subprocess.Popen([sys.executable, "-c", code], stderr=other, stdout=other) as process:
        os.close(other)
        first = os.read(terminal, 200).decode()
        # Processor time, which other programs do not change as they do the time of day.
        times = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        process.kill()
    os.close(terminal)
    assert first.startswith(f"qrnn {words[0]}: loading torch and Qiskit ...")
    assert sum(map(int, times)) / os.sysconf("SC_CLK_TCK") < 0.5


@pytest.mark.process
def test_a_shell_completes_commands() -> None:
    program = Path(sys.executable).with_name("qrnn")
    asked = {"_QRNN_COMPLETE": "complete_bash", "COMP_WORDS": "qrnn eval", "COMP_CWORD": "1"}
    answer = subprocess.run([program], env=os.environ | asked, capture_output=True, text=True)
    assert answer.stdout.split() == ["evaluate"]


def test_jobs_of_nobody_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["jobs"]) == ExitCode.DONE
    assert capsys.readouterr().err == "nothing was submitted for a run below runs/\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--help"]) == ExitCode.DONE
    assert f"  qrnn {command}" in capsys.readouterr().out


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == ExitCode.DONE
    with_option = capsys.readouterr().out
    assert run([]) == ExitCode.DONE
    assert capsys.readouterr().out == with_option
    shown = " ".join(with_option.split())
    assert (
        "0 done, 1 failed, 2 bad input, 3 refused for budget, 4 not ready yet, 130 interrupted"
    ) in shown


def test_version_names_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == ExitCode.DONE
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"qrnn-qiskit", "qiskit", "torch", "numpy", "numba", "python"} <= set(names)


def test_tasks_are_listed_with_their_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tasks"]) == ExitCode.DONE
    shown = " ".join(capsys.readouterr().out.split())
    for word in ("digits", "1,797 images", "copying-memory", "series", "text"):
        assert word in shown


def test_the_settings_of_a_task_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tasks", "series"]) == ExitCode.DONE
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "(required)" in rows["data.file"]
    assert {"seed", "model.num_qubits", "data.target", "train.epochs"} <= set(rows)


def test_devices_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices"]) == ExitCode.DONE
    rows = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert {"simulator", "aer", "aer:kingston", "aer:fez"} <= rows
    assert "aer:miami" not in rows


def test_the_qubits_of_a_device_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "manila", "--qubits", "3"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "manila of 5 qubits, calibration snapshot of 2024-05-27 shipped with" in shown
    assert len([line for line in shown.splitlines() if line.strip()[:1].isdigit()]) == 3


@pytest.mark.parametrize("arguments", [["nowhere"], ["manila", "--qubits", "6"]])
def test_a_device_that_does_not_serve_is_bad_input(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["devices", *arguments]) == ExitCode.BAD_INPUT
    message = capsys.readouterr().err
    assert "known with dynamic circuits" in message or "has 5 qubits" in message


def test_an_unknown_task_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tasks", "digit"]) == ExitCode.BAD_INPUT
    assert "did you mean 'digits'?" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["\uff15", "1_000", " 5", "1e3", "", "9" * 21, "0x10", "nan"])
def test_a_count_is_written_with_the_digits_0_to_9(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"digits from 0 to 9") as failure:
        parse_count(text)
    assert len(str(failure.value)) < 150
    assert parse_count("12") == 12


def test_a_terminal_of_another_encoding_prints_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(written, encoding="ascii"))

    def show(words: object) -> int:
        for stream in (sys.stdout, sys.stderr):
            print("0.9 ± 0.1", os.fsdecode(b"d\xe9.csv"), file=stream, flush=True)
        return ExitCode.DONE

    monkeypatch.setattr(cli, "run", show)
    with pytest.raises(SystemExit):
        cli.main()
    assert written.getvalue() == 2 * b"0.9 \\xb1 0.1 d\\udce9.csv\n"

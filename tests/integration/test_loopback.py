"""The real IBM Quantum client over HTTP against a service on this machine, with its faults."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from localqpu.control_client import LocalqpuControl
from loopback import POST, TOKEN, collect, count_posts, submit

from qrnn_qiskit import load
from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.ibm.service import Service
from runtime_jobs.ledger import Ledger, hold_lock
from runtime_jobs.ledger.records import JobState


def test_a_replay_continues_from_command_to_command(
    replay: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(replay, cap=120, sequences=20, shots=500) == ExitCode.DONE
    assert len(service.jobs()) == 1  # the second step needs the first
    collect(replay)
    words = ["plan", str(replay), "--on", "ibm:kingston?shots=500", "--sequences", "20", "--json"]
    capsys.readouterr()
    assert run(words) == ExitCode.DONE
    plan = json.loads(capsys.readouterr().out)
    with Ledger(replay) as ledger:
        jobs = ledger.list_jobs()
    assert len(service.jobs()) == len(jobs) == len(plan["jobs"]) == 8
    assert [job.circuits for job in jobs] == [job["circuits"] for job in plan["jobs"]]
    assert [job.max_execution_time for job in jobs] == [
        job["max_execution_time"] for job in plan["jobs"]
    ]
    (file,) = (replay / "evaluations").glob("*ibm*.json")
    result = json.loads(file.read_text())
    assert result["jobs"] == 8
    (layout,) = result["provenance"]["device"]["layouts"]
    assert layout["job_ids"] == [job.job_id for job in jobs]
    assert len(layout["qubits"]) == 2
    # readouts against exact values at the same angles, in standard errors
    assert 0.8 < result["deviations"]["spread"] < 1.2
    posts = count_posts(service)
    collect(replay)  # everything is known: nothing is sent again
    assert submit(replay, cap=120, sequences=20, shots=500) == ExitCode.DONE
    assert count_posts(service) == posts


def test_waiting_at_a_terminal_shows_jobs_queue_and_seconds(
    replay: Path,
    service: LocalqpuControl,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qrnn_qiskit.training.progress.is_watched", lambda: True)
    seen = []
    monkeypatch.setattr(
        "runtime_jobs.runs.waiting_bar.WaitingBar.show", lambda _, at: seen.append(at)
    )
    service.set_scenario(
        {
            "seed": 7,
            "queue": {"polls_before_running": 2},
            "backends": {"ibm_kingston": {"queue_length": 5}},
        }
    )
    assert submit(replay, cap=120) == ExitCode.DONE
    assert run(["collect", str(replay), "--wait"]) == ExitCode.DONE
    assert {at.done for at in seen} == set(range(8))
    assert {(at.open, at.position, at.pending) for at in seen} == {(1, None, 5)}


def test_the_position_in_the_queue_is_the_one_that_the_service_reports(
    folder: Path, service: LocalqpuControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.set_scenario({"queue": {"polls_before_running": 1000}})
    assert submit(folder) == ExitCode.DONE
    (job,) = service.jobs()
    account = Service()
    assert account.find_position(job["id"]) is None  # this stand-in has no such number
    monkeypatch.setattr(
        "qiskit_ibm_runtime.RuntimeJobV2.metrics", lambda _: {"position_in_queue": 4}
    )
    assert account.find_position(job["id"]) == 4


def test_measured_mode_is_one_job_of_dynamic_circuits(
    trained: dict[str, Path], tmp_path: Path, service: LocalqpuControl
) -> None:
    folder = Path(shutil.copytree(trained["measured"], tmp_path / "run"))
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    assert len(service.jobs()) == 1
    (file,) = (folder / "evaluations").glob("*ibm*.npz")
    before = set((folder / "evaluations").glob("*simulator*.npz"))
    assert run(["evaluate", str(folder), "--sequences", "3"]) == ExitCode.DONE
    (exact,) = set((folder / "evaluations").glob("*simulator*.npz")) - before
    with np.load(file) as measured, np.load(exact) as simulated:
        distance = measured["readouts"] - simulated["readouts"]
        assert (np.abs(distance) < 5 * measured["standard_errors"]).all()


def test_nothing_is_sent_without_a_cap_or_beyond_it(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["submit", str(folder), "--on", "ibm:kingston", "--shots", "200", "--sequences", "3"]
    assert run(words) == ExitCode.OVER_BUDGET
    shown = capsys.readouterr()
    assert "QPU time" in shown.out
    assert "no cap was given" in shown.err
    assert run([*words, "--max-qpu-seconds", "1"]) == ExitCode.OVER_BUDGET
    assert service.jobs() == []
    assert submit(folder, cap=100) == ExitCode.DONE
    with Ledger(folder) as ledger:
        (job,) = ledger.list_jobs()
    collect(folder)
    # another sequence is another job, and the cap counts all jobs of the run
    assert submit(folder, cap=job.max_execution_time - 1, sequences=4) == ExitCode.OVER_BUDGET
    assert len(service.jobs()) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503, "phase": "after"},
        {"status": 500, "phase": "after"},
        {"status": 503, "times": 1},
        {"status": 429, "times": 1},
    ],
    ids=["lost-503", "lost-500", "503", "429"],
)
def test_a_lost_reply_and_a_refusal_end_in_one_job(
    folder: Path, service: LocalqpuControl, fault: dict[str, object], monkeypatch
) -> None:
    service.set_scenario({"http_faults": [POST | fault]})
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    assert len(service.jobs()) == 1


def test_a_job_that_the_service_refuses_is_reported_and_costs_nothing(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    service.set_scenario({"http_faults": [POST | {"status": 404}]})
    assert submit(folder) == ExitCode.FAILED
    assert "refused the job" in capsys.readouterr().err
    with Ledger(folder) as ledger:
        assert ledger.committed_seconds() == 0
    collect(folder, "resume")
    assert len(service.jobs()) == 1


@pytest.mark.parametrize("status", [401, 500])
def test_a_service_that_fails_while_collecting_loses_nothing(
    folder: Path, service: LocalqpuControl, status: int, monkeypatch
) -> None:
    assert submit(folder) == ExitCode.DONE
    service.set_scenario({"http_faults": [{"path": "*/jobs/*", "status": status, "times": 6}]})
    assert run(["collect", str(folder)]) == ExitCode.FAILED
    service.set_scenario({})
    collect(folder)
    assert len(service.jobs()) == 1


def test_a_connection_cut_in_the_results_is_fetched_again(
    folder: Path, service: LocalqpuControl
) -> None:
    assert submit(folder) == ExitCode.DONE
    fault = {"path": "*/results", "drop_connection": True, "times": 1}
    service.set_scenario({"http_faults": [fault]})
    for _ in range(60):
        code = run(["collect", str(folder)])
        if code == ExitCode.DONE:
            break
        assert code in (ExitCode.NOT_READY, ExitCode.FAILED)
    assert code == ExitCode.DONE
    assert len(service.jobs()) == 1


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ({"outcome": "failed", "reason": "calibrating", "reason_code": 1517}, "calibrating"),
        ({"outcome": "failed", "reason": "too long", "reason_code": 1305}, "too long"),
        ({"outcome": "cancelled"}, "cancelled"),
    ],
)
def test_a_job_that_ends_without_a_result_is_reported_and_sent_again_on_request(
    folder: Path,
    service: LocalqpuControl,
    outcome: dict[str, object],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    service.set_scenario({"next_jobs": [outcome]})
    assert submit(folder) == ExitCode.DONE
    for _ in range(30):
        code = run(["collect", str(folder)])
        if code != ExitCode.NOT_READY:
            break
    assert code == ExitCode.FAILED
    message = capsys.readouterr().err
    (job,) = service.jobs()
    assert job["id"] in message
    assert reason in message
    assert "qrnn resume" in message
    assert run(["collect", str(folder)]) == ExitCode.FAILED  # collect never sends it anew
    assert len(service.jobs()) == 1
    collect(folder, "resume")
    assert len(service.jobs()) == 2


def test_cancel_ends_open_jobs(folder: Path, service: LocalqpuControl) -> None:
    service.set_scenario({"queue": {"polls_before_running": 1000}})
    assert submit(folder) == ExitCode.DONE
    assert run(["collect", str(folder)]) == ExitCode.NOT_READY
    assert run(["cancel", str(folder)]) == ExitCode.DONE
    assert service.jobs()[0]["status"] == "Cancelled"
    with Ledger(folder) as ledger:
        assert ledger.list_jobs()[0].state is JobState.CANCELLED


def test_a_second_process_on_the_run_is_refused(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(folder) == ExitCode.DONE
    with hold_lock(folder):
        assert run(["collect", str(folder)]) == ExitCode.FAILED
        assert "another qrnn process" in capsys.readouterr().err
        assert run(["jobs", str(folder)]) == ExitCode.DONE
    assert service.jobs()[0]["id"] in capsys.readouterr().out


def test_credentials_are_written_nowhere(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["account"]) == ExitCode.DONE
    assert "seconds left: 600" in capsys.readouterr().out
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    service.set_scenario({"auth": {"reject_tokens": True}})
    assert run(["account"]) == ExitCode.FAILED
    shown = capsys.readouterr()
    assert TOKEN not in shown.out + shown.err
    for file in folder.rglob("*"):
        if file.is_file():
            assert TOKEN.encode() not in file.read_bytes()


# Imports once, then works in forks that are killed at random moments until one ends by itself.
KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from qrnn_qiskit.training.run_folder import RunFolder
from runtime_jobs.ibm.dispatch import Dispatcher
from runtime_jobs.ibm.submission import Submission, continue_submission, open_ledger
import runtime_jobs.ibm.executor, localqpu
Dispatcher.__init__.__kwdefaults__ |= {"poll_seconds": 0.05, "pauses": (0.1, 0.2)}
run = RunFolder.open(Path(sys.argv[1]))
kills, choose = 0, random.Random(0)
while True:
    child = os.fork()
    if child == 0:
        with open_ledger(run) as ledger:
            submission = Submission("ibm_kingston", 200, 2, cap=900.0, **eval(sys.argv[3]))
            continue_submission(run, ledger, submission, wait=True)
        os._exit(0)
    if kills < int(sys.argv[2]):
        time.sleep(choose.uniform(0.05, 2.0))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
    kills += 1
"""


def work_and_kill(folder: Path, kills: int, **work: object) -> None:
    single = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(folder), str(kills), repr(work)]
    done = subprocess.run(
        command, env=os.environ | single, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr


def test_a_user_without_a_home_plans_submits_and_collects(
    folder: Path, service: LocalqpuControl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def find(_: object) -> None:
        raise KeyError("uid not found")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", find)
    monkeypatch.chdir(tmp_path)  # a folder named ~ may appear here
    sizes = ["--on", "ibm:kingston", "--shots", "200", "--sequences", "3"]
    assert run(["plan", str(folder), *sizes]) == ExitCode.DONE
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    assert len(service.jobs()) == 1


SLOW = pytest.param(50, marks=pytest.mark.slow)


@pytest.mark.process
@pytest.mark.parametrize("kills", [2, SLOW])
def test_kills_at_random_moments_lose_nothing_and_send_nothing_twice(
    replay: Path, service: LocalqpuControl, kills: int
) -> None:
    work_and_kill(replay, kills)
    assert len(service.jobs()) == 8
    (file,) = (replay / "evaluations").glob("*ibm*.json")
    assert json.loads(file.read_text())["deviations"]["spread"] < 1.5


@pytest.mark.process
@pytest.mark.parametrize("kills", [pytest.param(5, marks=pytest.mark.slow), SLOW])
def test_training_that_was_killed_ends_with_the_same_weights(
    folder: Path, trained: dict[str, Path], tmp_path: Path, service: LocalqpuControl, kills: int
) -> None:
    undisturbed = Path(shutil.copytree(trained["none"], tmp_path / "undisturbed"))
    ends = []
    for path, count in ((undisturbed, 0), (folder, kills)):
        service.reset()
        service.set_scenario({"seed": 7})
        work_and_kill(path, count, train_steps=3, gradient="spsa")
        assert len(service.jobs()) == 3  # without feedback all steps of a sequence are one job
        ends.append(load(path, weights="tuned").model.state_dict())
    best = load(folder).model.state_dict()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in best)
    assert not all(torch.equal(ends[0][name], best[name]) for name in best)

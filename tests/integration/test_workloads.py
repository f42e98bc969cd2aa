"""Batches and sessions of the service, repeated samples, other qubits, and the cap on costs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from localqpu.control_client import LocalqpuControl
from loopback import collect, nap, submit

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.ibm.encoding import unpack_circuit
from runtime_jobs.ledger import Ledger, WorkloadMode
from runtime_jobs.ledger.records import JobState


def list_sessions(loopback: Any) -> list[Any]:
    return list(loopback.context.sessions._sessions.values())


def test_jobs_go_in_one_batch_that_is_closed_at_the_end(
    folder: Path, service: LocalqpuControl, loopback: Any
) -> None:
    assert submit(folder) == ExitCode.DONE
    (batch,) = list_sessions(loopback)
    assert (batch.mode, batch.accepting_jobs) == ("batch", True)
    assert submit(folder, sequences=4) == ExitCode.DONE
    collect(folder)
    (batch,) = list_sessions(loopback)
    assert not batch.accepting_jobs
    jobs = loopback.context.jobs.list_jobs()
    assert [job.session_id for job in jobs] == [batch.session_id] * 2


def test_jobs_can_be_sent_without_a_batch(
    folder: Path, service: LocalqpuControl, loopback: Any
) -> None:
    assert submit(folder, "--mode", "job") == ExitCode.DONE
    collect(folder)
    assert list_sessions(loopback) == []


@pytest.mark.parametrize(
    "words", [["--mode", "session"], ["--session-seconds", "30"], ["--mode", "batch=1"]]
)
def test_a_session_is_requested_with_its_seconds(
    folder: Path, service: LocalqpuControl, words: list[str]
) -> None:
    assert submit(folder, *words) == ExitCode.BAD_INPUT
    assert service.jobs() == []


def test_a_session_is_within_the_cap_for_all_the_time_that_it_may_take(
    folder: Path, service: LocalqpuControl, loopback: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--mode", "session", "--session-seconds", "90"]
    assert submit(folder, *words, cap=98) == ExitCode.OVER_BUDGET  # no room for the last job
    assert service.jobs() == []
    assert submit(folder, *words, cap=99) == ExitCode.DONE
    assert list_sessions(loopback)[-1].max_ttl == 90
    with Ledger(folder) as ledger:
        (job,) = ledger.list_jobs()
        (session,) = ledger.list_workloads()
        assert ledger.committed_seconds() == 90 + job.max_execution_time
    assert (session.mode, session.max_time) == (WorkloadMode.SESSION, 90)
    collect(folder)
    with Ledger(folder) as ledger:  # the stand-in charges no time
        assert ledger.committed_seconds() == 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["batch", "session"])
def test_a_closed_batch_or_session_is_replaced(
    replay: Path, service: LocalqpuControl, loopback: Any, mode: str, monkeypatch
) -> None:
    words = [] if mode == "batch" else ["--mode", "session", "--session-seconds", "40"]
    assert submit(replay, *words, cap=300) == ExitCode.DONE
    loopback.context.sessions.close(list_sessions(loopback)[0].session_id)
    collect(replay)
    first, second = list_sessions(loopback)
    assert not second.accepting_jobs
    jobs = loopback.context.jobs.list_jobs()
    assert [job.session_id for job in jobs] == [first.session_id] + [second.session_id] * 7
    with Ledger(replay) as ledger:
        assert {job.attempt for job in ledger.list_jobs()} == {1}


def test_jobs_of_a_cancelled_session_are_reported_and_sent_again(
    folder: Path, service: LocalqpuControl, loopback: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    service.set_scenario({"queue": {"polls_before_running": 1000}})
    assert submit(folder) == ExitCode.DONE
    (batch,) = list_sessions(loopback)
    loopback.context.sessions.close(batch.session_id)
    loopback.context.jobs.cancel_session_jobs(batch.session_id)
    assert run(["collect", str(folder)]) == ExitCode.FAILED
    assert "was cancelled" in capsys.readouterr().err
    service.set_scenario({})
    collect(folder, "resume")
    assert len(service.jobs()) == 2


def read_readouts(folder: Path) -> list[np.ndarray]:
    files = sorted(
        (folder / "evaluations").glob("*ibm*.npz"), key=lambda file: file.stat().st_mtime
    )
    return [np.load(file)["readouts"] for file in files]


def test_a_sampled_result_is_repeated_only_on_request(
    folder: Path, service: LocalqpuControl
) -> None:
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    assert submit(folder) == ExitCode.DONE
    assert len(service.jobs()) == 1
    assert submit(folder, "--fresh") == ExitCode.DONE
    collect(folder)
    assert len(service.jobs()) == 2
    first, again, fresh = read_readouts(folder)
    assert (first == again).all()
    assert (first != fresh).any()
    assert submit(folder) == ExitCode.DONE  # the last repetition is what the run has
    assert len(service.jobs()) == 2


@pytest.mark.slow
def test_a_faulty_qubit_is_reported_and_another_layout_is_priced(
    replay: Path, service: LocalqpuControl, loopback: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(replay) == ExitCode.DONE
    with Ledger(replay) as ledger:
        device = ledger.find_device("ibm_kingston")
    properties = loopback.context.catalog.get("ibm_kingston").properties
    broken = properties["qubits"][device.patches[0][0]]
    broken.append({"date": "2026-11-21T00:00:00Z", "name": "operational", "unit": "", "value": 0})
    try:
        while (code := run(["collect", str(replay)])) == ExitCode.NOT_READY:
            nap(0.3)
            capsys.readouterr()
        assert code == ExitCode.FAILED
        assert len(service.jobs()) == 1
        message = capsys.readouterr().err
        assert f"on {device.patches[0][0]} " in message
        assert "--relayout" in message
        assert submit(replay, "--relayout", cap=10) == ExitCode.OVER_BUDGET
        assert submit(replay, "--relayout", cap=200) == ExitCode.DONE
        assert "QPU time" in capsys.readouterr().out
        collect(replay)
    finally:
        broken.pop()
    assert len(service.jobs()) == 9
    with Ledger(replay) as ledger:
        assert device.patches[0][0] not in ledger.find_device("ibm_kingston").patches[0]


def test_another_layout_that_is_the_same_one_costs_nothing(
    folder: Path, service: LocalqpuControl
) -> None:
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    assert submit(folder, "--relayout") == ExitCode.DONE
    assert submit(folder, "--relayout", "--mode", "session") == ExitCode.BAD_INPUT
    with Ledger(folder) as ledger:
        assert ledger.find_device("ibm_kingston") is not None
    assert len(service.jobs()) == 1


def test_a_run_keeps_the_qubits_that_it_was_trained_on(
    folder: Path, service: LocalqpuControl
) -> None:
    errors = {kind: {} for kind in ("two-qubit error", "readout error", "sx error", "T1", "T2")}
    layout = {"qubits": [5, 4], "circuit_seconds": 1e-6, "calibration": "", "noise": 1.0}
    provenance = json.loads((folder / "provenance.json").read_text())
    provenance |= {"device": "simulator:kingston", "layouts": [layout | {"errors": errors}]}
    (folder / "provenance.json").write_text(json.dumps(provenance))
    found = []
    for options in ((), ("--relayout",)):
        assert submit(folder, *options) == ExitCode.DONE
        with Ledger(folder) as ledger:
            found.append(ledger.find_device("ibm_kingston").patches)
    assert found[0] == ((5, 4),)
    assert found[1] != found[0]


def test_an_interrupted_repetition_continues(folder: Path, service: LocalqpuControl) -> None:
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    lost = {"method": "POST", "path": "*/jobs", "status": 500, "phase": "after"}
    missing = {"method": "GET", "path": "*/jobs", "status": 500, "times": 30}
    service.set_scenario({"http_faults": [lost, missing]})
    assert submit(folder, "--fresh") == ExitCode.FAILED
    service.set_scenario({})
    assert submit(folder, "--fresh") == ExitCode.DONE
    collect(folder)
    assert len(service.jobs()) == 2


def test_weights_that_were_trained_further_are_another_submission(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(folder) == ExitCode.DONE
    content = torch.load(folder / "checkpoint.pt", weights_only=True)
    weights = content["best_weights"].values()
    next(tensor for tensor in weights if tensor.is_floating_point()).add_(1e-7)
    torch.save(content, folder / "checkpoint.pt")
    assert run(["collect", str(folder)]) == ExitCode.BAD_INPUT
    assert "trained further" in capsys.readouterr().err
    assert len(service.jobs()) == 1


def test_cancel_keeps_what_is_done_and_closes_the_session(
    replay: Path, service: LocalqpuControl, loopback: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--mode", "session", "--session-seconds", "60"]
    assert submit(replay, *words) == ExitCode.DONE
    (job,) = service.jobs()
    manager = loopback.context.jobs
    while manager.poll(job["id"]).status != "Completed":
        pass
    assert run(["cancel", str(replay)]) == ExitCode.DONE
    assert "is done" in capsys.readouterr().out
    assert not list_sessions(loopback)[0].accepting_jobs
    with Ledger(replay) as ledger:
        assert ledger.list_jobs()[0].state is JobState.SENT
        assert not ledger.list_workloads()[0].is_open


def test_a_session_does_not_outlive_a_failure(
    replay: Path, service: LocalqpuControl, loopback: Any
) -> None:
    service.set_scenario({"next_jobs": [{"outcome": "failed", "reason": "calibrating"}]})
    assert submit(replay, "--mode", "session", "--session-seconds", "60") == ExitCode.DONE
    while (code := run(["collect", str(replay)])) == ExitCode.NOT_READY:
        nap(0.3)
    assert code == ExitCode.FAILED
    assert not list_sessions(loopback)[0].accepting_jobs


def test_fast_measurements_go_to_the_service(
    trained: dict[str, Path], tmp_path: Path, service: LocalqpuControl
) -> None:
    folder = Path(shutil.copytree(trained["measured"], tmp_path / "run"))
    assert submit(folder, "--fast-measurements") == ExitCode.DONE
    with Ledger(folder) as ledger:
        device = ledger.find_device("ibm_kingston")
        frozen = ledger.find_first_circuit(device.target_hash)
    counts = unpack_circuit(frozen.isa).count_ops()
    assert (counts["measure_2"], counts["measure"]) == (7, 3)  # those at the end stay


def test_what_jobs_were_charged_counts_against_the_cap(
    folder: Path, service: LocalqpuControl, loopback: Any
) -> None:
    """A job that runs to its limit uses up a cap that was as large as the plan."""
    loopback.charge = lambda job: 9.0
    assert submit(folder, cap=9) == ExitCode.DONE
    collect(folder)
    with Ledger(folder) as ledger:
        assert {job.max_execution_time for job in ledger.list_jobs()} == {9}
        assert ledger.committed_seconds() == 9
    assert submit(folder, cap=9, sequences=4) == ExitCode.OVER_BUDGET
    assert submit(folder, "--fresh", cap=17) == ExitCode.OVER_BUDGET
    assert len(service.jobs()) == 1
    assert submit(folder, "--fresh", cap=18) == ExitCode.DONE
    collect(folder)
    with Ledger(folder) as ledger:
        assert ledger.committed_seconds() == 18

"""Sequences side by side on one chip, sent by the real client to a service on this machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import localqpu.programs.executor
import numpy as np
import pytest
from localqpu.control_client import LocalqpuControl
from loopback import collect, count_posts

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.ibm.encoding import unpack_circuit
from runtime_jobs.ledger import JobRecord, Ledger

SHOTS = 400
pytestmark = pytest.mark.filterwarnings("ignore::circuits.rules.HardwareRuleWarning")


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[int, int, int]]]:
    """For each PUB of each job that the service runs: bindings, shots, registers."""
    jobs: list[list[tuple[int, int, int]]] = []
    simulate = localqpu.programs.executor.run_quantum_program

    def record(backend: Any, program: Any, options: Any) -> Any:
        jobs.append(
            [
                (len(item.circuit_arguments), program.shots, len(item.circuit.cregs))
                for item in program.items
            ]
        )
        return simulate(backend, program, options)

    monkeypatch.setattr(localqpu.programs.executor, "run_quantum_program", record)
    return jobs


def words(folder: Path, patches: int, sequences: int) -> list[str]:
    on = ["--on", "ibm:kingston", "--shots", str(SHOTS), "--sequences", str(sequences)]
    return [str(folder), *on, "--patches", str(patches)]


def plan(folder: Path, capsys: pytest.CaptureFixture[str], *given: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["plan", *given, "--json"]) == ExitCode.DONE
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


@pytest.mark.parametrize(
    ("readout", "patches", "jobs", "registers"),
    [pytest.param("expectation", 4, 8, 1, marks=pytest.mark.slow), ("measured", 2, 1, 9)],
)
@pytest.mark.slow
def test_packed_sequences_give_the_same_readouts_in_as_many_executions_as_planned(
    readout: str,
    patches: int,
    jobs: int,
    registers: int,
    trained: dict[str, Path],
    tmp_path: Path,
    service: LocalqpuControl,
    received: list[list[tuple[int, int, int]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(shutil.copytree(trained[readout], tmp_path / "run"))
    given = words(folder, patches, 2 * patches - 1)  # one place is left over in the last circuit
    assert run(["submit", *given, "--spacing", "1", "--max-qpu-seconds", "300"]) == ExitCode.DONE
    collect(folder)
    planned = plan(folder, capsys, *given, "--spacing", "1")
    with Ledger(folder) as ledger:
        sent = ledger.list_jobs()
        device = ledger.find_device("ibm_kingston")
    bases = 3
    assert received == [[(2 * bases, SHOTS, patches * registers)]] * jobs
    assert len(sent) == len(planned["jobs"]) == jobs
    assert [job.circuits for job in sent] == [job["circuits"] for job in planned["jobs"]]
    assert [job.max_execution_time for job in sent] == [
        job["max_execution_time"] for job in planned["jobs"]
    ]
    assert planned["executions"] == jobs * 2 * bases * SHOTS
    unpacked = planned["instead"]["--patches 1"]
    assert unpacked["executions"] == jobs * (2 * patches - 1) * bases * SHOTS

    assert device is not None
    assert [list(patch) for patch in device.patches] == planned["patches"]
    qubits = [qubit for patch in device.patches for qubit in patch]
    assert len(set(qubits)) == len(qubits)
    (file,) = (folder / "evaluations").glob("*ibm*.json")
    result = json.loads(file.read_text())
    used = result["provenance"]["device"]
    assert used["executions"] == planned["executions"]
    assert [layout["qubits"] for layout in used["layouts"]] == planned["patches"]
    if readout == "expectation":  # against exact values at the same angles, in standard errors
        assert 0.7 < result["deviations"]["spread"] < 1.3
    else:
        before = set((folder / "evaluations").glob("*simulator*.npz"))
        assert run(["evaluate", str(folder), "--sequences", str(2 * patches - 1)]) == 0
        (exact,) = set((folder / "evaluations").glob("*simulator*.npz")) - before
        with np.load(file.with_suffix(".npz")) as measured, np.load(exact) as simulated:
            distance = np.abs(measured["readouts"] - simulated["readouts"])
            assert (distance < 5 * measured["standard_errors"]).all()

    posts = count_posts(service)
    again = ["submit", *given, "--spacing", "1", "--max-qpu-seconds", "300"]
    assert run(again) == ExitCode.DONE  # everything is known
    assert count_posts(service) == posts


@pytest.mark.slow
def test_patches_that_differ_from_the_run_are_refused_and_nothing_is_sent(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    cap = ["--max-qpu-seconds", "300"]
    assert run(["submit", *words(folder, 3, 3), *cap]) == ExitCode.DONE
    assert run(["submit", *words(folder, 2, 3), *cap]) == ExitCode.BAD_INPUT
    message = capsys.readouterr().err
    assert "compiled for --patches 3 --spacing 0, got --patches 2" in message
    assert count_posts(service) == 1
    collect(folder)  # the submission before is still that of the run
    assert len(service.jobs()) == 1
    assert run(["submit", *words(folder, 2, 3), *cap, "--relayout"]) == ExitCode.DONE
    collect(folder)
    assert len(service.jobs()) == 2


@pytest.mark.slow
def test_a_packed_training_step_runs_what_was_planned(
    folder: Path,
    service: LocalqpuControl,
    received: list[list[tuple[int, int, int]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [*words(folder, 4, 3), "--train-steps", "2", "--gradient", "spsa"]
    assert run(["submit", *given, "--max-qpu-seconds", "300"]) == ExitCode.DONE
    collect(folder)
    planned = plan(folder, capsys, *given)
    # three sequences, each with a pair of copies that stays together: at most three rows a patch
    assert [sum(size for size, _, _ in job) for job in received] == [
        job["circuits"] for job in planned["jobs"]
    ]
    assert len(received) == len(planned["jobs"]) == 2
    assert planned["executions"] < planned["instead"]["--patches 1"]["executions"] / 2
    assert folder.joinpath("tuned.pt").exists()


@pytest.mark.slow
def test_copies_that_break_a_rule_leave_the_run_free_for_fewer(
    trained: dict[str, Path],
    tmp_path: Path,
    service: LocalqpuControl,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(shutil.copytree(trained["measured"], tmp_path / "run"))
    cap = ["--max-qpu-seconds", "300"]
    assert run(["submit", *words(folder, 18, 18), *cap]) == ExitCode.BAD_INPUT
    assert "fewer --patches" in capsys.readouterr().err
    assert service.jobs() == []
    assert run(["submit", *words(folder, 1, 2), *cap]) == ExitCode.DONE
    collect(folder)


def test_a_packed_dynamic_submission_with_a_short_delay_runs_what_was_planned(
    trained: dict[str, Path],
    tmp_path: Path,
    service: LocalqpuControl,
    received: list[list[tuple[int, int, int]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The service receives the delay, and the jobs, executions and seconds of the plan."""
    options: list[Any] = []
    decode = localqpu.programs.executor._decode_program

    def record(params: dict[str, Any]) -> Any:
        options.append(params["options"])
        return decode(params)

    monkeypatch.setattr(localqpu.programs.executor, "_decode_program", record)
    folder = Path(shutil.copytree(trained["measured"], tmp_path / "run"))
    on = ["--on", "ibm:kingston", "--shots", "50", "--sequences", "3"]
    given = [str(folder), *on, "--patches", "auto", "--rep-delay", "50us"]
    assert run(["submit", *given, "--rep-delay", "3ms", "--max-qpu-seconds", "9"]) == (
        ExitCode.BAD_INPUT
    )
    assert service.jobs() == []
    assert run(["submit", *given, "--max-qpu-seconds", "30"]) == ExitCode.DONE
    collect(folder)
    planned = plan(folder, capsys, *given)
    assert [sent["rep_delay"] for sent in options] == [50e-6]
    assert received == [[(3, 50, 3 * 9)]]  # one row for each basis; three patches of 9 registers
    with Ledger(folder) as ledger:
        (sent,) = ledger.list_jobs()
    (job,) = planned["jobs"]
    assert (sent.circuits, sent.max_execution_time) == (job["circuits"], job["max_execution_time"])
    assert job["seconds"] == pytest.approx(2 + 150 * (50e-6 + planned["duration"]))
    assert planned["serial_duration"] > planned["duration"] + 2 * 7 * 0.3e-6
    (file,) = (folder / "evaluations").glob("*ibm*.json")
    layouts = json.loads(file.read_text())["provenance"]["device"]["layouts"]
    assert [layout["rep_delay"] for layout in layouts] == [50e-6] * 3
    result = json.loads(file.read_text())
    (origin,) = result["provenance"]["device"]["service"]
    assert (origin["job_id"], origin["circuit_dt"]) == (sent.job_id, [None])
    assert origin["address"].startswith("http://127.0.0.1:")
    assert origin["instance"]
    assert result["device"] == "ibm:kingston?shots=50 (stand-in, no QPU)"

    posts = count_posts(service)
    assert run(["submit", *given, "--max-qpu-seconds", "30"]) == ExitCode.DONE  # in the ledger
    assert count_posts(service) == posts
    other = [*given[:-1], "250us", "--max-qpu-seconds", "30"]
    assert run(["submit", *other]) == ExitCode.DONE  # another delay is another job
    assert count_posts(service) == posts + 1
    capsys.readouterr()
    assert run(["collect", str(folder), "--wait"]) == ExitCode.DONE
    shown = capsys.readouterr()  # a line for each job without a terminal
    with Ledger(folder) as ledger:
        assert f"done {ledger.list_jobs()[-1].job_id}: round 1, job 1" in shown.err
    assert "(stand-in, no QPU)" in shown.out


@pytest.mark.slow
def test_a_mitigated_submission_runs_what_was_planned(
    trained: dict[str, Path],
    resetting: Path,
    service: LocalqpuControl,
    received: list[list[tuple[int, int, int]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A round that calibrates the readouts, then rows with random functions of the bits."""
    on = ["--on", "ibm:kingston", "--shots", "320", "--sequences", "2"]
    on += ["--mitigation", "feedforward+zne", "--rep-delay", "50us"]
    branch = ["submit", str(trained["measured"]), *on, "--max-qpu-seconds", "60"]
    assert run(branch) == ExitCode.BAD_INPUT
    assert "ancilla_return=reset" in capsys.readouterr().err
    folder, given = resetting, [str(resetting), *on]
    packed = ["submit", *given, "--patches", "2", "--max-qpu-seconds", "60"]
    assert run(packed) == ExitCode.BAD_INPUT
    assert "calibrate one set of qubits" in capsys.readouterr().err

    planned = plan(folder, capsys, *given)
    sent = ["submit", *given, "--decouple", "xx", "--max-qpu-seconds"]
    assert run([*sent, str(planned["reserved_seconds"])]) == ExitCode.DONE
    assert len(service.jobs()) == 1  # the calibration: the flips depend on it
    collect(folder)
    rows = 16 * 3 * 2  # rows of 20 shots, bases, sequences
    assert received == [[(2, 10_000, 1)], [(rows, 20, 9)] * 3]
    assert [job["executions"] for job in planned["jobs"]] == [20_000, 3 * rows * 20]
    assert [job["max_execution_time"] for job in planned["jobs"]] == [
        job.max_execution_time for job in _read_jobs(folder)
    ]
    overhead = planned["overhead"]
    assert overhead["mitigation"] == "feedforward+zne"
    assert overhead["circuits"] == 3
    assert 1.0 < overhead["factor"] < 3.0
    assert 0.0 < overhead["error"] < 0.1

    with Ledger(folder) as ledger:
        device = ledger.find_device("ibm_kingston")
        frozen = ledger.find_first_circuit(device.target_hash)
    counts = unpack_circuit(frozen.isa).count_ops()
    assert counts["delay"] == counts["x"] > 0
    (file,) = (folder / "evaluations").glob("*ibm*.json")
    (layout,) = json.loads(file.read_text())["provenance"]["device"]["layouts"]
    assert (layout["mitigation"], layout["decouple"]) == ("feedforward+zne", "xx")
    assert run(["evaluate", str(folder), "--sequences", "2"]) == ExitCode.DONE
    (exact,) = (folder / "evaluations").glob("*simulator*.npz")
    with np.load(file.with_suffix(".npz")) as measured, np.load(exact) as simulated:
        distance = np.abs(measured["readouts"] - simulated["readouts"])
        assert (distance < 5 * measured["standard_errors"]).all()

    posts = count_posts(service)
    assert run([*sent, str(planned["reserved_seconds"])]) == ExitCode.DONE  # everything is known
    assert count_posts(service) == posts


def _read_jobs(folder: Path) -> list[JobRecord]:
    with Ledger(folder) as ledger:
        return ledger.list_jobs()

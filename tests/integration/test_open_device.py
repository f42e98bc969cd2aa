"""A QPU by its name, devices of the account, and jobs that are watched."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import loopback_server
import numpy as np
import pytest
from localqpu.control_client import LocalqpuControl
from loopback import submit
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.executor_sampler import Sampler

from runtime_jobs import open_device
from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.devices import DeviceError
from runtime_jobs.ledger import IdentityError, LedgerBusyError


def build_pair() -> QuantumCircuit:
    """Build a circuit with a new name and a new parameter at each call."""
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("a"), 0)
    circuit.cx(0, 1)
    return circuit


def test_a_qpu_is_an_executor_whose_calls_are_charged_once(
    tmp_path: Path, service: LocalqpuControl
) -> None:
    values = np.array([[np.pi / 2]])
    ledger = tmp_path / "ledger"
    observables = [SparsePauliOp("ZZ"), SparsePauliOp("IZ")]
    with open_device("ibm:kingston", shots=500, max_qpu_seconds=10, ledger=ledger) as executor:
        first = executor.estimate(build_pair(), values, observables)
        with pytest.raises(LedgerBusyError):
            open_device("ibm:kingston", shots=500, max_qpu_seconds=10, ledger=ledger)
    assert first.values[0, 0] == 1.0
    assert abs(first.values[0, 1]) < 5 * first.standard_errors[0, 1]
    with open_device("ibm:kingston", shots=500, max_qpu_seconds=10, ledger=ledger) as executor:
        again = executor.estimate(build_pair(), values, observables)
    assert (again.values == first.values).all()
    assert len(service.jobs()) == 1


def test_a_qpu_samples_and_receives_no_empty_job(tmp_path: Path, service: LocalqpuControl) -> None:
    values = np.array([[np.pi / 2]])
    with open_device("ibm:kingston", shots=50, max_qpu_seconds=10, ledger=tmp_path) as executor:
        with pytest.raises(ValueError, match="observables is empty"):
            executor.estimate(build_pair(), values, [])
        with pytest.raises(ValueError, match=r"shape \(batch, 1\)"):
            executor.sample(build_pair(), np.empty((1, 0)), 50)
        assert not service.jobs()
        (counts,) = executor.sample(build_pair(), values, 50)
    assert counts.keys() <= {"00", "11"}
    assert sum(counts.values()) == 50
    assert len(service.jobs()) == 1


def test_a_copied_ledger_is_used_with_a_new_budget(
    tmp_path: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    first, copy = tmp_path / "first", tmp_path / "copy"
    values = np.array([[0.5]])
    options = {"shots": 50, "max_qpu_seconds": 10}
    with open_device("ibm:kingston", ledger=first, **options) as executor:
        executor.sample(build_pair(), values, 50)
    shutil.copytree(first, copy)
    with open_device("ibm:kingston", ledger=copy, **options) as executor:
        executor.sample(build_pair(), values, 50)  # the ledger has it
        with pytest.raises(IdentityError, match="new_budget=True"):
            executor.sample(build_pair(), values, 60)
    with open_device("ibm:kingston", ledger=copy, new_budget=True, **options) as executor:
        executor.sample(build_pair(), values, 60)
    assert "has a new budget" in capsys.readouterr().err
    assert len(service.jobs()) == 2
    with pytest.raises(DeviceError, match="new_budget"):
        open_device("aer", shots=50, new_budget=True)


def test_results_of_a_qpu_carry_the_pub_results(tmp_path: Path, service: LocalqpuControl) -> None:
    options = {"shots": 50, "max_qpu_seconds": 10, "ledger": tmp_path, "keep_results": True}
    with open_device("ibm:kingston", **options) as executor:
        found = executor.estimate(
            build_pair(), np.array([[0.0], [np.pi]]), [SparsePauliOp("ZZ"), SparsePauliOp("XI")]
        )
        assert executor.pub_results == [found.pub_result]
    bits = found.pub_result.data.final  # two sets of values in two bases
    assert (bits.shape, bits.num_shots, bits.num_bits) == ((4,), 50, 2)
    assert {"00"} in [set(bits.get_counts(row)) for row in range(2)]  # Z of the first set


def test_a_qpu_is_opened_by_name_only(service: LocalqpuControl) -> None:
    backend = QiskitRuntimeService().backend("ibm_kingston")
    for device in (backend, Sampler(mode=backend)):
        with pytest.raises(DeviceError, match=r"open_device\('ibm:kingston', shots=1000"):
            open_device(device, shots=10)
    assert not service.jobs()


@pytest.mark.parametrize("missing", ["shots", "max_qpu_seconds", "ledger"])
def test_a_qpu_is_not_opened_without_a_limit_on_its_cost(tmp_path: Path, missing: str) -> None:
    given = {"shots": 100, "max_qpu_seconds": 10.0, "ledger": tmp_path}
    with pytest.raises(DeviceError, match=f"{missing} is missing"):
        open_device("ibm:kingston", **given | {missing: None})


def test_the_name_of_a_qpu_does_not_take_patches(folder: Path, service: LocalqpuControl) -> None:
    words = ["plan", str(folder), "--on", "ibm:kingston?shots=100&patches=4"]
    assert run(words) == ExitCode.BAD_INPUT


def test_devices_of_the_account_are_listed_and_compared_for_a_run(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    service.set_scenario({"backends": {"ibm_kingston": {"queue_length": 37}}})
    assert run(["devices", "--live"]) == ExitCode.DONE
    listed = capsys.readouterr().out
    assert "ibm:kingston" in listed
    assert "37" in listed
    assert run(["devices", "ibm:kingston", "--live", "--for", str(folder)]) == ExitCode.DONE
    row = next(line for line in capsys.readouterr().out.splitlines() if "kingston" in line)
    assert row.count("%") == 4
    assert " us" in row


def test_jobs_are_watched_until_none_is_open(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    service.set_scenario({"queue": {"polls_before_running": 3}})
    assert submit(folder) == ExitCode.DONE
    capsys.readouterr()
    assert run(["jobs", str(folder), "--watch"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert service.jobs()[0]["id"] in shown
    assert "qrnn collect" in shown
    assert service.jobs()[0]["status"] == "Completed"


def test_a_plan_from_live_calibration_compares_replay_with_dynamic_circuits(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plan", str(folder), "--on", "ibm:kingston", "--shots", "100", "--sequences", "4"]
    assert run([*words, "--live"]) == ExitCode.DONE
    shown = capsys.readouterr().out
    assert "calibrated 20" in shown
    assert "model.readout=measured" in shown
    assert "--patches 4" in shown


@pytest.mark.process
def test_the_stand_in_speaks_english() -> None:
    program = Path(loopback_server.__file__)
    with subprocess.Popen(
        [sys.executable, program, "0", "ibm_kingston"], stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        line = serving.stdout.readline()
        port = line.rpartition(":")[2].strip()
        second = subprocess.run(
            [sys.executable, program, port, "ibm_kingston"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        serving.send_signal(signal.SIGINT)
        rest = serving.stdout.read()
    assert line.startswith("# Serving ibm_kingston at http://127.0.0.1:")
    assert serving.returncode == 0
    assert second.returncode == 2
    assert f"cannot listen on port {port}" in second.stderr
    assert rest == "\n# stopped\n"

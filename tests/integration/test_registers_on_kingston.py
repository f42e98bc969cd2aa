"""88 qubits as 22 registers on Kingston: trained, planned, submitted and collected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from localqpu.control_client import LocalqpuControl
from loopback import collect, count_posts

from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train
from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode

REGISTERS = 22
pytestmark = [
    pytest.mark.service,
    pytest.mark.filterwarnings("ignore::circuits.rules.HardwareRuleWarning"),
]
MODES: dict[str, dict[str, Any]] = {
    "expectation": {"num_qubits": 4, "data.window": 2},
    "measured": {"num_qubits": 3, "data.window": 2},
}


@pytest.mark.parametrize("readout", MODES)
def test_22_registers_make_the_whole_trip(
    readout: str, tmp_path: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = MODES[readout] | {"readout": readout, "num_registers": REGISTERS}
    settings |= {"num_layers": 2, "controller_hidden": "none", "epochs": 1, "data.length": 200}
    training = create_run(tmp_path / "run", resolve_config("narma10", settings))
    train(training)
    words = [str(training.path), "--on", "ibm:kingston", "--shots", "100", "--sequences", "1"]
    capsys.readouterr()
    assert run(["plan", *words, "--json"]) == ExitCode.DONE
    plan = json.loads(capsys.readouterr().out)
    (qubits,) = plan["patches"]
    assert len(set(qubits)) == 4 * REGISTERS
    assert [len(placed["qubits"]) for placed in plan["registers"]] == [4] * REGISTERS
    assert {qubit for placed in plan["registers"] for qubit in placed["qubits"]} == set(qubits)
    steps = MODES[readout]["data.window"]
    couplers = steps * (2 * 3 if readout != "measured" else 2 * 2 + 1)
    assert plan["two_qubit_gates"] == couplers * REGISTERS  # no SWAP

    assert run(["submit", *words, "--max-qpu-seconds", "100"]) == ExitCode.DONE
    said = capsys.readouterr().err
    for placed in plan["registers"]:
        assert "-".join(map(str, placed["qubits"])) in said
    assert count_posts(service) == 1
    collect(training.path, most=400)
    (file,) = (training.path / "evaluations").glob("*ibm*.json")
    assert run(["evaluate", str(training.path), "--sequences", "1"]) == ExitCode.DONE
    (exact,) = set((training.path / "evaluations").glob("*simulator*.npz"))
    with np.load(file.with_suffix(".npz")) as measured, np.load(exact) as simulated:
        distance = np.abs(measured["readouts"] - simulated["readouts"])
        errors = measured["standard_errors"]
        assert measured["readouts"].shape[1] == 3 * MODES[readout]["num_qubits"] * REGISTERS
        assert (distance < 6 * errors).all()

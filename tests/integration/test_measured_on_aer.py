"""A trained run of measured mode on the devices of Aer, from the command line to its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train
from runtime_jobs.cli import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "measured"
    settings = {
        "readout": "measured",
        "num_qubits": 2,
        "num_layers": 1,
        "epochs": 1,
        "controller_hidden": 4,
    }
    train(create_run(path, resolve_config("digits", settings)))
    return path


def evaluate(folder: Path, device: str) -> tuple[dict, dict]:
    """The output of the command line, and the file of the evaluation."""
    arguments = ["evaluate", str(folder), "--sequences", "5", "--json", "--on", device]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    file = max((folder / "evaluations").glob("*.json"))
    return json.loads(result.stdout), json.loads(file.read_text())


def test_exact_circuits_predict_what_the_simulator_predicts(folder: Path) -> None:
    simulated, _ = evaluate(folder, "simulator")
    printed, content = evaluate(folder, "aer")
    for name, metric in simulated["metrics"].items():
        assert printed["metrics"][name]["value"] == pytest.approx(metric["value"], abs=1e-5)
    assert printed["jobs"] == 1
    assert content["provenance"]["device"]["layouts"] == []


def test_the_evaluation_records_the_qubits_of_the_circuits(folder: Path) -> None:
    printed, content = evaluate(folder, "aer:kingston?shots=20&seed=1")
    assert printed["shots"] == 20
    device = content["provenance"]["device"]
    assert (device["jobs"], device["pubs"], device["transpilations"]) == (1, 1, 1)
    assert (device["bindings"], device["executions"]) == (5, 5 * 3 * 20)
    (layout,) = device["layouts"]
    assert len(set(layout["qubits"])) == 3
    assert 20e-6 < layout["circuit_seconds"] < 40e-6  # nine measurements and seven waits

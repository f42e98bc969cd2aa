"""The calibration of a training: recorded by a device, kept as layout, compared later."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import QubitProperties, Target

from circuits import build_ansatz, unroll
from circuits.errors import InvalidValueError
from runtime_jobs import open_device
from runtime_jobs.hardware.calibration import TrainedLayout, find_trained_layout, read_errors
from runtime_jobs.hardware.packing import choose_packing
from runtime_jobs.hardware.snapshots import open_target

CIRCUIT = unroll(build_ansatz("linear", num_qubits=3, num_layers=1), 2)
QUBITS = (5, 4, 3)


@pytest.fixture
def target() -> Target:
    found: Target = copy.deepcopy(open_target("kingston"))
    return found


@pytest.fixture
def provenance(target: Target) -> dict[str, Any]:
    layout = {
        "qubits": list(QUBITS),
        "circuit_seconds": 1e-6,
        "calibration": "snapshot",
        "noise": 2.0,
        "errors": read_errors(target, QUBITS),
    }
    return {"device": "simulator:kingston?noise=2", "layouts": [layout]}


def find(provenance: dict[str, Any], name: str = "kingston") -> TrainedLayout:
    found = find_trained_layout(provenance, name)
    assert found is not None
    return found


def worsen(target: Target, name: str, qubits: tuple[int, ...], factor: float) -> None:
    properties = copy.copy(target[name][qubits])
    properties.error *= factor
    target.update_instruction_properties(name, qubits, properties)


def test_the_plan_keeps_the_qubits_of_the_training(
    target: Target, provenance: dict[str, Any]
) -> None:
    best = choose_packing("kingston", target, CIRCUIT)
    assert best.patches != (QUBITS,)  # otherwise the next line shows nothing
    kept = choose_packing("kingston", target, CIRCUIT, trained=find(provenance, "ibm_kingston"))
    assert kept.patches == (QUBITS,)
    several = choose_packing("kingston", target, CIRCUIT, 2, trained=find(provenance))
    assert len(several.patches) == 2


def test_a_dead_coupler_or_another_size_chooses_anew(
    target: Target, provenance: dict[str, Any]
) -> None:
    trained = find(provenance)
    larger = unroll(build_ansatz("linear", num_qubits=4, num_layers=1), 1)
    assert not trained.fits(larger, target)
    for pair in ((4, 5), (5, 4)):
        if pair in target["cz"]:
            worsen(target, "cz", pair, 1e6)
    assert not trained.fits(CIRCUIT, target)
    assert choose_packing("kingston", target, CIRCUIT, trained=trained).patches != (QUBITS,)
    coupler = next(c for c in trained.compare(target) if c.kind == "two-qubit error")
    assert (coupler.worst, coupler.factor) == ("4-5", math.inf)
    assert coupler.describe().endswith("on 4-5 larger: dead")


def test_changes_are_found_kind_by_kind(target: Target, provenance: dict[str, Any]) -> None:
    trained = find(provenance)
    assert {change.factor for change in trained.compare(target)} == {1.0}
    worsen(target, "measure", (4,), 3.0)
    properties = list(target.qubit_properties)
    properties[3] = QubitProperties(t1=properties[3].t1 / 2, t2=properties[3].t2)
    target.qubit_properties = properties
    changes = {change.kind: change for change in trained.compare(target)}
    assert changes["readout error"].worst == "4"
    assert changes["readout error"].factor == pytest.approx(3.0)
    assert changes["T1"].worst == "3"
    assert changes["T1"].factor == pytest.approx(2.0)
    assert changes["T2"].factor == 1.0
    content = trained.to_dict(target, [tuple(QUBITS)])
    assert content["is_same_layout"]
    assert content["noise"] == 2.0


def test_other_devices_and_older_runs_have_no_layout(provenance: dict[str, Any]) -> None:
    assert find_trained_layout(provenance, "torino") is None
    assert find_trained_layout({"device": "simulator"}, "kingston") is None
    assert find_trained_layout(provenance | {"device": "mine"}, "kingston") is None
    del provenance["layouts"][0]["errors"]["T1"]
    with pytest.raises(InvalidValueError, match=r"damaged .*'T1'.* restore"):
        find_trained_layout(provenance, "kingston")


@pytest.mark.noisy
def test_a_noisy_device_records_the_calibration_of_its_qubits() -> None:
    executor = open_device("simulator:kingston?noise=2")
    values = [[0.1] * CIRCUIT.num_parameters]
    executor.estimate(CIRCUIT, values, [SparsePauliOp("ZZZ")])
    (layout,) = executor.layouts()  # type: ignore[attr-defined]
    trained = find({"device": executor.name, "layouts": [layout]})
    assert trained.noise == 2.0
    assert trained.calibration.startswith("snapshot of 20")
    # Errors are recorded without the factor of the noise.
    assert {change.factor for change in trained.compare(open_target("kingston"))} == {1.0}
    assert set(trained.errors["readout error"]) == {str(q) for q in trained.qubits}

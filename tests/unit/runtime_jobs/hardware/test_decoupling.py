"""Pairs of X in the waits of dynamic circuits: where they are, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qiskit.circuit import ControlFlowOp, QuantumCircuit
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator

from circuits import build_ansatz, build_dynamic, build_measurement
from circuits.profile import profile_circuit
from circuits.rules import RulePub, check_rules
from runtime_jobs.hardware.decoupling import decouple_waits
from runtime_jobs.hardware.packing import Packing, choose_packing
from runtime_jobs.hardware.snapshots import open_target

pytestmark = pytest.mark.filterwarnings("ignore::circuits.rules.HardwareRuleWarning")


@pytest.fixture(scope="module")
def target() -> Target:
    return open_target("kingston")


def build(ancilla_return: str = "branch", num_steps: int = 4) -> QuantumCircuit:
    measurement = build_measurement(num_qubits=3, ancilla_return=ancilla_return)
    return build_dynamic(build_ansatz(num_qubits=3), measurement, num_steps).circuit


@pytest.fixture(scope="module")
def packing(target: Target) -> Packing:
    return choose_packing("kingston", target, build(), 2)


@pytest.mark.parametrize("patches", [1, 2])
@pytest.mark.parametrize("ancilla_return", ["branch", "reset"])
def test_pairs_leave_duration_and_rules(
    packing: Packing, target: Target, ancilla_return: str, patches: int
) -> None:
    circuit = build(ancilla_return)
    plain, paired = (packing.build(circuit, patches, 1, each) for each in (None, "xx"))
    before, after = profile_circuit(plain, target), profile_circuit(paired, target)
    assert after.seconds == pytest.approx(before.seconds, abs=1e-12)
    assert replace(after, seconds=0, serial_seconds=0, instructions=0) == replace(
        before, seconds=0, serial_seconds=0, instructions=0
    )
    assert paired.parameters == plain.parameters
    assert [register.name for register in paired.cregs] == [r.name for r in plain.cregs]
    check_rules([RulePub(paired, 1)], target, shots=1)
    # Three memory qubits in each patch wait during the measurement of each step but the last; in
    # the first step one of them may begin after it.
    counts = paired.count_ops()
    assert counts["x"] == counts["delay"] >= 2 * (3 * 3 - 1) * patches
    assert counts["x"] % 2 == 0
    grain = target.pulse_alignment
    assert all(i.operation.duration % grain == 0 for i in paired.get_instructions("delay"))


def test_pairs_leave_every_outcome(packing: Packing) -> None:
    circuit = build(num_steps=2)
    chip = packing.chips[0]
    compiled = chip.compile(circuit)
    paired = decouple_waits(compiled, chip.cut, "xx")
    broken = paired.copy()  # one X of a pair left out is noticed
    del broken.data[next(k for k, item in enumerate(broken.data) if item.operation.name == "x")]
    values = np.random.default_rng(2).uniform(-3, 3, circuit.num_parameters)
    simulator = AerSimulator(method="statevector", seed_simulator=4)
    plain, same, other = (
        simulator.run(each.assign_parameters(values), shots=8000).result().get_counts()
        for each in (compiled, paired, broken)
    )

    def distance(counts: dict[str, int]) -> float:
        return sum(abs(plain.get(key, 0) - counts.get(key, 0)) for key in {*plain, *counts}) / 8000

    assert distance(same) < 0.12
    assert distance(other) > 0.3


def test_qubits_in_a_known_state_take_no_pairs(packing: Packing) -> None:
    circuit = build("reset")
    chip = packing.chips[0]
    paired = decouple_waits(chip.compile(circuit), chip.cut, "xx")
    ancilla = paired.qubits[3]
    names = [item.operation.name for item in paired.data if ancilla in item.qubits]
    assert "delay" not in names
    for qubit in paired.qubits[:3]:
        items = [item for item in paired.data if qubit in item.qubits]
        first = next(k for k, item in enumerate(items) if item.operation.name == "delay")
        assert any(
            isinstance(item.operation, ControlFlowOp) or item.operation.name == "sx"
            for item in items[:first]
        )


def test_other_sequences_and_devices_without_x_are_refused(packing: Packing) -> None:
    chip = packing.chips[0]
    compiled = chip.compile(build())
    with pytest.raises(ValueError, match="decouple"):
        decouple_waits(compiled, chip.cut, "xyxy")
    with pytest.raises(ValueError, match="X gate and a time step"):
        decouple_waits(compiled, Target(num_qubits=4), "xx")

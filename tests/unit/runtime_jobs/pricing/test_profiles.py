from __future__ import annotations

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

from circuits.profile import FEED_FORWARD_SECONDS, profile_circuit
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.hardware.targets import cut_target

QUBITS = (0, 1)


@pytest.fixture(scope="module")
def target():
    return cut_target(open_target("kingston"), QUBITS)


def duration(target, name: str, *qubits: int) -> float:
    return target[name][qubits].duration


def test_a_static_circuit_takes_the_durations_of_its_longest_path(target) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.sx(0)
    circuit.rz(0.3, 1)
    circuit.cz(0, 1)
    circuit.measure([0, 1], [0, 1])
    profile = profile_circuit(circuit, target)
    expected = duration(target, "sx", 0) + duration(target, "cz", 0, 1)
    assert profile.seconds == pytest.approx(expected + duration(target, "measure", 0))
    assert (profile.two_qubit_gates, profile.two_qubit_depth) == (1, 1)
    assert profile.instructions == 50 + 2 + 5 + 10
    assert profile.broadcasts == 0


def test_a_branch_waits_for_its_bit_once_and_takes_its_longest_body(target) -> None:
    bit = ClassicalRegister(1)
    circuit = QuantumCircuit(QuantumRegister(2), bit)
    circuit.measure(0, 0)
    for _ in range(2):  # the register is known at the second test
        with circuit.if_test((bit, 1)) as otherwise:
            circuit.x(1)
        with otherwise:
            circuit.x(1)
            circuit.sx(1)
    profile = profile_circuit(circuit, target)
    body = duration(target, "x", 1) + duration(target, "sx", 1)
    measured = duration(target, "measure", 0)
    assert profile.seconds == pytest.approx(measured + FEED_FORWARD_SECONDS + 2 * body)
    assert profile.broadcasts == 1
    circuit.measure(0, 0)
    with circuit.if_test((bit, 1)):
        circuit.cz(0, 1)
    profile = profile_circuit(circuit, target)
    assert profile.broadcasts == 2
    assert profile.two_qubit_depth == 1

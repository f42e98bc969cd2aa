"""Conversion to the faster measurement of a device."""

from __future__ import annotations

import pytest
from qiskit import transpile
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.circuit.controlflow import IfElseOp
from qiskit.circuit.library import CZGate, Measure, Reset, RZGate, SXGate, XGate
from qiskit.transpiler import InstructionProperties, Target
from qiskit_ibm_runtime.circuit import MidCircuitMeasure

from circuits import build_ansatz, build_dynamic, build_measurement
from runtime_jobs.hardware.mid_circuit import speed_up_measurements


def make_target(*, fast: bool) -> Target:
    target = Target(num_qubits=3)
    qubits = [(q,) for q in range(3)]
    for gate in (RZGate(Parameter("a")), SXGate(), XGate(), Measure(), Reset()):
        target.add_instruction(gate, {q: InstructionProperties(duration=1e-6) for q in qubits})
    pairs = {(0, 1): None, (1, 0): None, (1, 2): None, (2, 1): None}
    target.add_instruction(CZGate(), pairs)
    target.add_instruction(IfElseOp, name="if_else")
    if fast:
        target.add_instruction(MidCircuitMeasure("measure_2"), dict.fromkeys(qubits))
    return target


@pytest.fixture
def circuit() -> QuantumCircuit:
    measurement = build_measurement(num_qubits=2)
    dynamic = build_dynamic(build_ansatz(num_qubits=2), measurement, 3)
    compiled: QuantumCircuit = transpile(
        dynamic.circuit,
        target=make_target(fast=False),
        initial_layout=[1, 2, 0],
        optimization_level=1,
    )
    return compiled


def test_measurements_of_steps_are_converted_and_the_last_ones_are_not(
    circuit: QuantumCircuit,
) -> None:
    converted = speed_up_measurements(circuit, make_target(fast=True))
    counts, before = converted.count_ops(), circuit.count_ops()
    # The ancilla is measured in 3 steps, the last of which nothing follows on that qubit.
    assert (before["measure"], counts["measure_2"], counts["measure"]) == (5, 2, 3)
    fast = [item for item in converted.data if item.operation.name == "measure_2"]
    assert [converted.find_bit(item.clbits[0]).index for item in fast] == [0, 1]
    assert converted.parameters == circuit.parameters
    assert counts["if_else"] == before["if_else"]


def test_a_device_without_it_keeps_the_circuit(circuit: QuantumCircuit) -> None:
    assert speed_up_measurements(circuit, make_target(fast=False)) is circuit

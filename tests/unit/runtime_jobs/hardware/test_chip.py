"""ISA circuits: their final measurement, their qubits, and faster mid-circuit measurements."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import transpile
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.circuit.controlflow import IfElseOp
from qiskit.circuit.library import CZGate, Measure, Reset, RZGate, SXGate, XGate
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector
from qiskit.transpiler import InstructionProperties, Target
from qiskit_ibm_runtime.circuit import MidCircuitMeasure, MidCircuitReset

from circuits import build_ansatz, build_dynamic, build_measurement, unroll
from runtime_jobs.estimation.bases import group_terms
from runtime_jobs.hardware.chip import Chip, measure_in_bases, speed_up_measurements
from runtime_jobs.hardware.packing import choose_packing
from runtime_jobs.hardware.snapshots import open_target


def test_bound_bases_turn_each_pauli_into_z() -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=2, num_layers=1), 2)
    labels = ["XY", "ZZ", "YX"]  # three bases, qubit 0 last
    observables = [SparsePauliOp(label) for label in labels]
    measured = measure_in_bases(circuit)
    values = np.random.default_rng(0).normal(size=(3, circuit.num_parameters))
    bases = group_terms(observables, range(2))
    bound = measured.bind(values, bases)
    assert bound.shape == (9, circuit.num_parameters + 4)
    plain = measured.circuit.remove_final_measurements(inplace=False)
    for row, angles in enumerate(values):
        state = Statevector(circuit.assign_parameters(angles))
        for k, observable in enumerate(observables):
            turned = Statevector(plain.assign_parameters(bound[3 * row + k]))
            expected = state.expectation_value(observable).real
            assert turned.expectation_value(SparsePauliOp("ZZ")).real == pytest.approx(expected)


def test_a_placed_circuit_acts_on_the_chosen_qubits_and_is_the_compiled_one() -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=3, num_layers=1), 2)
    target = open_target("kingston")
    packing = choose_packing("kingston", target, circuit)
    measured = measure_in_bases(circuit).circuit
    placed = packing.build(measured)
    used = {placed.find_bit(qubit).index for item in placed.data for qubit in item.qubits}
    assert used == set(packing.patches[0])
    assert placed.num_qubits == target.num_qubits
    assert placed.parameters == measured.parameters
    for item in placed.data:
        where = tuple(placed.find_bit(qubit).index for qubit in item.qubits)
        assert where in target[item.operation.name]


def test_compiling_keeps_the_state() -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=3, num_layers=1), 2)
    chip = Chip("kingston", open_target("kingston"), (144, 143, 142))
    values = np.random.default_rng(1).normal(size=circuit.num_parameters)
    compiled = chip.compile(circuit).assign_parameters(values)
    assert Operator(compiled).equiv(Operator(circuit.assign_parameters(values)))


def make_target(*, fast: bool, resets: bool = False) -> Target:
    target = Target(num_qubits=3)
    qubits = [(q,) for q in range(3)]
    for gate in (RZGate(Parameter("a")), SXGate(), XGate(), Measure(), Reset()):
        target.add_instruction(gate, {q: InstructionProperties(duration=1e-6) for q in qubits})
    pairs = {(0, 1): None, (1, 0): None, (1, 2): None, (2, 1): None}
    target.add_instruction(CZGate(), pairs)
    target.add_instruction(IfElseOp, name="if_else")
    if fast:
        target.add_instruction(MidCircuitMeasure("measure_2"), dict.fromkeys(qubits))
    if resets:  # on two of the three qubits
        target.add_instruction(MidCircuitReset("reset_2"), dict.fromkeys(qubits[:2]))
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


@pytest.mark.parametrize(("ancilla", "resets"), [(0, 2), (2, 0)])
@pytest.mark.parametrize("fast", [True, False])
def test_resets_are_converted_on_qubits_that_have_the_fast_one(
    ancilla: int, resets: int, fast: bool
) -> None:
    measurement = build_measurement(num_qubits=2, ancilla_return="reset")
    dynamic = build_dynamic(build_ansatz(num_qubits=2), measurement, 3)
    layout = [1, 2 - ancilla, ancilla]
    compiled = transpile(
        dynamic.circuit, target=make_target(fast=False), initial_layout=layout, optimization_level=1
    )
    target = make_target(fast=fast, resets=True)
    if not resets:
        with pytest.warns(UserWarning, match="reset_2 with qubits .2. is not supported"):
            converted = speed_up_measurements(compiled, target)
    else:
        converted = speed_up_measurements(compiled, target)
    counts = converted.count_ops()
    assert (counts.get("reset_2", 0), counts.get("reset", 0)) == (resets, 2 - resets)
    assert counts.get("measure_2", 0) == 2 * fast
    assert counts["measure"] == compiled.count_ops()["measure"] - 2 * fast


def test_a_device_without_it_keeps_the_circuit(circuit: QuantumCircuit) -> None:
    assert speed_up_measurements(circuit, make_target(fast=False)) is circuit

from __future__ import annotations

import numpy as np
import pytest
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector

from circuits import build_ansatz, unroll
from runtime_jobs.estimation.bases import group_terms
from runtime_jobs.hardware.chip import Chip, measure_in_bases
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

"""The dynamic circuit against the recursion of its Kraus operators, and its shape."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import IfElseOp, Parameter
from qiskit.quantum_info import Operator, Pauli
from qiskit.transpiler import CouplingMap

from circuits import (
    ANCILLA_RETURNS,
    COUPLINGS,
    MEASUREMENT_FRAMES,
    DynamicCircuit,
    build_ansatz,
    build_dynamic,
    build_measurement,
)

Enumerate = Callable[[QuantumCircuit], dict[int, NDArray[np.complex128]]]


def embed(matrix: NDArray[Any], qubit: int, num_qubits: int) -> NDArray[Any]:
    return np.kron(np.kron(np.eye(2 ** (num_qubits - 1 - qubit)), matrix), np.eye(2**qubit))


def kraus_of(dynamic: DynamicCircuit, value: int) -> NDArray[Any]:
    measurement = dynamic.measurement
    product = np.eye(2**measurement.num_qubits)
    for bit, (qubit, pair) in enumerate(zip(measurement.qubits, measurement.kraus(), strict=True)):
        product = embed(pair[value >> bit & 1], qubit, measurement.num_qubits) @ product
    return product


def recur(
    dynamic: DynamicCircuit, ansatz: Any, tables: NDArray[np.float64]
) -> dict[tuple[int, ...], NDArray[Any]]:
    """The unnormalized state of every history of outcomes, by the formula of measured mode."""
    start = np.zeros(2**dynamic.num_qubits, complex)
    start[0] = 1.0
    states = {(): start}
    for table in tables:
        moved = {}
        for history, state in states.items():
            angles = table[history[-1] if history and dynamic.measurement.bit_feedback else 0]
            bound = ansatz.circuit.assign_parameters(
                dict(zip(ansatz.parameters, angles, strict=True))
            )
            unitary = Operator(bound).data
            back = unitary.conj().T if dynamic.measurement.is_undone else np.eye(len(unitary))
            for value in range(dynamic.num_outcomes):
                moved[*history, value] = back @ kraus_of(dynamic, value) @ unitary @ state
        states = moved
    return states


def assert_runs_the_recursion(
    dynamic: DynamicCircuit, ansatz: Any, enumerate_branches: Enumerate, seed: int = 3
) -> None:
    random = np.random.default_rng(seed)
    tables = random.uniform(-3, 3, (1, *dynamic.table_columns.shape))
    expected = recur(dynamic, ansatz, tables[0])
    for letter in "XYZ":
        values = dynamic.bind_values(tables, basis=letter)
        branches = enumerate_branches(dynamic.circuit.assign_parameters(values[0]))
        width = dynamic.measurement.num_ancillas
        steps = width * dynamic.num_steps
        assert_allclose(sum(np.vdot(s, s).real for s in branches.values()), 1.0, atol=1e-12)
        seen = {history: np.zeros(2**dynamic.num_qubits) for history in expected}
        for key, state in branches.items():
            history = tuple(
                key >> width * t & (dynamic.num_outcomes - 1) for t in range(dynamic.num_steps)
            )
            seen[history][key >> steps] += np.vdot(state, state).real
        turn = {"X": [[1, 1], [1, -1]], "Y": [[1, -1j], [1, 1j]], "Z": np.eye(2) * math.sqrt(2)}
        change = np.array(turn[letter]) / math.sqrt(2)
        for history, state in expected.items():
            for qubit in range(dynamic.num_qubits):
                state = embed(change, qubit, dynamic.num_qubits) @ state
            assert_allclose(seen[history], np.abs(state) ** 2, atol=1e-12)


@pytest.mark.parametrize(
    ("coupling", "ancilla_return"), list(itertools.product(COUPLINGS, ANCILLA_RETURNS))
)
@pytest.mark.parametrize("bases", ["Z", "XY", "YZ"])
def test_it_runs_the_recursion(
    coupling: str, ancilla_return: str, bases: str, enumerate_branches: Enumerate
) -> None:
    measurement = build_measurement(
        num_qubits=2,
        num_ancillas=len(bases),
        coupling=coupling,
        coupling_strength=math.pi if coupling == "direct" else 1.3,
        measured_bases=bases,
        ancilla_return=ancilla_return,
    )
    ansatz = build_ansatz("linear", num_qubits=2, num_layers=2)
    dynamic = build_dynamic(ansatz, measurement, 3)
    assert_runs_the_recursion(dynamic, ansatz, enumerate_branches)


@pytest.mark.parametrize("bit_feedback", [True, False])
@pytest.mark.parametrize("frame", MEASUREMENT_FRAMES)
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_frames_and_circuits_without_feedback(
    coupling: str, frame: str, bit_feedback: bool, enumerate_branches: Enumerate
) -> None:
    measurement = build_measurement(
        num_qubits=2,
        num_ancillas=2,
        coupling=coupling,
        coupling_strength=math.pi if coupling == "direct" else 1.3,
        measured_bases="XZ",
        measurement_frame=frame,
        bit_feedback=bit_feedback,
    )
    ansatz = build_ansatz("linear", num_qubits=2, entangler="crx")
    dynamic = build_dynamic(ansatz, measurement, 2)
    assert_runs_the_recursion(dynamic, ansatz, enumerate_branches)
    counts = dynamic.circuit.count_ops()
    assert ("if_else" in counts) == bit_feedback
    assert ("reset" in counts) == (not bit_feedback and coupling != "direct")


@pytest.mark.parametrize("qubits", [[1, 1], [2, 0]])
def test_ancilla_zero_acts_first(qubits: list[int], enumerate_branches: Enumerate) -> None:
    measurement = build_measurement(
        num_qubits=3,
        num_ancillas=2,
        measured_qubits=qubits,
        measured_bases="XZ",
        coupling="symmetric",
        coupling_strength=2.0,
    )
    ansatz = build_ansatz("ring", num_qubits=3, entangler="rzz")
    dynamic = build_dynamic(ansatz, measurement, 2)
    assert_runs_the_recursion(dynamic, ansatz, enumerate_branches)


@pytest.mark.parametrize("frame", MEASUREMENT_FRAMES)
def test_a_custom_circuit_with_blocks_and_sums(frame: str, enumerate_branches: Enumerate) -> None:
    first, second = Parameter("b"), Parameter("a")
    inner = QuantumCircuit(2, name="block")
    inner.h(0)
    inner.rx(first + 2 * second, 1)
    inner.cx(0, 1)
    circuit = QuantumCircuit(2, global_phase=first)
    circuit.h(1)
    circuit.crx(second, 0, 1)
    circuit.append(inner, [1, 0])
    circuit.barrier()
    circuit.p(first, 0)
    ansatz = build_ansatz(circuit, num_qubits=2)
    measurement = build_measurement(num_qubits=2, measurement_frame=frame)
    dynamic = build_dynamic(ansatz, measurement, 3)
    assert_runs_the_recursion(dynamic, ansatz, enumerate_branches)


def test_registers_names_and_order() -> None:
    ansatz = build_ansatz("linear", num_qubits=3, num_layers=2)
    measurement = build_measurement(num_qubits=3, num_ancillas=2)
    dynamic = build_dynamic(ansatz, measurement, 11)
    circuit = dynamic.circuit
    assert [r.name for r in circuit.cregs] == [*(f"step{t:02d}" for t in range(11)), "final"]
    assert [r.size for r in circuit.cregs] == [2] * 11 + [3]
    assert (circuit.num_qubits, dynamic.num_steps, dynamic.num_outcomes) == (5, 11, 4)
    assert [len(table) for table in dynamic.tables] == [1] + [4] * 10
    assert dynamic.tables[10][3][7].name == "theta[10][3][07]"
    assert dynamic.num_parameters == 6 + 1 + 12 * 41
    again = build_dynamic(ansatz, measurement, 11)
    assert again.circuit == circuit
    assert again.tables == dynamic.tables
    names = [parameter.name for parameter in circuit.parameters]
    columns = dynamic.table_columns
    assert columns.shape == (11, 4, 12)
    assert (columns[0, 1:] == -1).all()
    assert names[columns[3, 2, 5]] == "theta[03][2][05]"


def test_values_are_laid_out_by_the_circuit() -> None:
    ansatz = build_ansatz("linear", num_qubits=2)
    dynamic = build_dynamic(ansatz, build_measurement(num_qubits=2), 2)
    tables = np.arange(2 * 2 * 2 * 4, dtype=float).reshape(2, 2, 2, 4)
    values = dynamic.bind_values(tables, 0.9, "XZ")
    assert values.shape == (2, dynamic.num_parameters)
    bound = dict(zip(dynamic.circuit.parameters, values[1], strict=True))
    assert bound[dynamic.tables[1][1][2]] == tables[1, 1, 1, 2]
    assert bound[dynamic.tables[0][0][3]] == tables[1, 0, 0, 3]
    assert bound[dynamic.strength] == 0.9
    assert_allclose([bound[angle] for angle in dynamic.basis[1]], [0.0, math.pi])
    assert_allclose(dynamic.bind_values(tables)[:, dynamic.table_columns[1]], tables[:, 1])


def test_one_if_else_a_group_and_shared_entanglers() -> None:
    ansatz = build_ansatz("linear", num_qubits=3, num_layers=2)
    counts = build_dynamic(ansatz, build_measurement(num_qubits=3), 4).circuit.count_ops()
    assert (counts["if_else"], counts["cz"], counts["cx"], counts["measure"]) == (6, 16, 4, 7)
    two = build_measurement(num_qubits=3, num_ancillas=2)
    assert build_dynamic(ansatz, two, 4).circuit.count_ops()["if_else"] == 6 * 4


def test_branches_obey_the_hardware() -> None:
    ansatz = build_ansatz("brick", num_qubits=4, num_layers=2, entangler="crx")
    dynamic = build_dynamic(ansatz, build_measurement(num_qubits=4, num_ancillas=2), 3)
    for item in dynamic.circuit.data:
        if isinstance(item.operation, IfElseOp):
            for block in item.operation.blocks:
                assert set(block.count_ops()) <= {"ry", "rz", "x", "crx"}


@pytest.mark.parametrize(("num_qubits", "num_ancillas"), [(1, 1), (4, 1), (2, 2), (4, 2)])
def test_its_qubits_form_a_line(num_qubits: int, num_ancillas: int) -> None:
    """Ancillas at the ends of the line: routing adds no two-qubit gate."""
    ansatz = build_ansatz("linear", num_qubits=num_qubits, num_layers=2)
    measurement = build_measurement(num_qubits=num_qubits, num_ancillas=num_ancillas)
    dynamic = build_dynamic(ansatz, measurement, 3)
    row = [num_qubits, *range(num_qubits), *range(num_qubits + 1, num_qubits + num_ancillas)]
    routed = transpile(
        dynamic.circuit,
        basis_gates=["rz", "sx", "x", "cz", "measure", "reset", "if_else"],
        coupling_map=CouplingMap.from_line(len(row)),
        initial_layout=[row.index(qubit) for qubit in range(len(row))],
        optimization_level=1,
        seed_transpiler=1,
    )
    logical = dynamic.circuit.count_ops()
    assert routed.count_ops()["cz"] == logical.get("cz", 0) + logical["cx"]


def test_direct_coupling_has_neither_ancilla_nor_strength() -> None:
    measurement = build_measurement(num_qubits=2, coupling="direct")
    dynamic = build_dynamic(build_ansatz(num_qubits=2), measurement, 2)
    assert dynamic.strength is None
    assert dynamic.circuit.num_qubits == 2
    with pytest.raises(ValueError, match="no strength"):
        dynamic.bind_values(np.zeros((1, 2, 2, 4)), 1.0)


def test_final_basis_angles_read_their_pauli() -> None:
    dynamic = build_dynamic(build_ansatz(num_qubits=1), build_measurement(num_qubits=1), 1)
    for letter in "XYZ":
        bound = dynamic.bind_values(np.zeros((1, 1, 2, 2)), basis=letter)[0]
        value = dict(zip(dynamic.circuit.parameters, bound, strict=True))
        circuit = QuantumCircuit(1)
        for angle in dynamic.basis[0]:
            circuit.rz(value[angle], 0)
            circuit.sx(0)
        turn = Operator(circuit).data
        read = turn.conj().T @ Pauli("Z").to_matrix() @ turn
        assert_allclose(read, Pauli(letter).to_matrix(), atol=1e-15)


def test_bad_input() -> None:
    ansatz = build_ansatz(num_qubits=2)
    measurement = build_measurement(num_qubits=2)
    with pytest.raises(ValueError, match="2 qubits, but the measurement was built for 3"):
        build_dynamic(ansatz, build_measurement(num_qubits=3), 2)
    with pytest.raises(ValueError, match="num_steps"):
        build_dynamic(ansatz, measurement, 0)
    dynamic = build_dynamic(ansatz, measurement, 2)
    with pytest.raises(ValueError, match="steps, outcomes, angles"):
        dynamic.bind_values(np.zeros((1, 2, 4)))
    with pytest.raises(ValueError, match="steps, outcomes, angles"):
        dynamic.bind_values(np.zeros((1, 3, 2, 4)))
    for basis in ("", "W", "ZZZ"):
        with pytest.raises(ValueError, match="qubit 0 first"):
            dynamic.bind_values(np.zeros((1, 2, 2, 4)), basis=basis)

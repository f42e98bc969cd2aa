from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, IfElseOp, Parameter
from qiskit.circuit.library import XXPlusYYGate
from qiskit.quantum_info import SparsePauliOp, Statevector

from circuits import (
    ANSATZ_FAMILIES,
    ENTANGLERS,
    Ansatz,
    DynamicCircuit,
    ShiftedCircuit,
    ShiftError,
    build_ansatz,
    build_dynamic,
    build_measurement,
    shift_parameters,
    unroll,
)

Enumerate = Callable[[QuantumCircuit], dict[int, NDArray[np.complex128]]]

OBSERVABLES = [SparsePauliOp(label) for label in ("IX", "YI", "ZZ", "XY")]


def measure(circuit: QuantumCircuit, values: NDArray[np.float64]) -> NDArray[np.float64]:
    states = [Statevector(circuit.assign_parameters(row)) for row in values]
    return np.array([[state.expectation_value(op).real for op in OBSERVABLES] for state in states])


def differentiate(circuit: QuantumCircuit, values: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = shift_parameters(circuit)
    return shifted.differentiate(measure(shifted.circuit, shifted.bind(values)))


def difference(circuit: QuantumCircuit, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Central differences of fourth order, good to about 1e-10."""
    step, columns = 1e-3, []
    for unit in np.eye(values.shape[1]) * step:
        near = measure(circuit, values + unit) - measure(circuit, values - unit)
        far = measure(circuit, values + 2 * unit) - measure(circuit, values - 2 * unit)
        columns.append((8 * near - far) / (12 * step))
    return np.stack(columns, axis=2)


def build(fill: Callable[..., object], *names: str) -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.u(0.4, 0.9, -0.3, 0)
    circuit.u(1.1, 0.2, 0.7, 1)
    circuit.cx(0, 1)
    fill(circuit, *[Parameter(name) for name in names])
    circuit.u(0.8, -0.4, 0.5, 0)
    circuit.u(-0.6, 0.3, 1.2, 1)
    circuit.cx(1, 0)
    return circuit


@pytest.mark.parametrize(
    ("fill", "names"),
    [
        (lambda c, a: c.rx(a, 0), "a"),
        (lambda c, a: c.p(a, 1), "a"),
        (lambda c, a, b, d: c.u(a, b, d, 0), "abd"),
        (lambda c, a: c.rzx(a, 0, 1), "a"),
        (lambda c, a: c.cp(a, 0, 1), "a"),
        (lambda c, a: c.crx(a, 0, 1), "a"),
        (lambda c, a: c.cry(a, 1, 0, ctrl_state=0), "a"),
        (lambda c, a: c.crz(a, 1, 0), "a"),
        (lambda c, a, b, d, e: c.cu(a, b, d, e, 0, 1), "abde"),
        (lambda c, a, b: c.r(a, b, 1), "ab"),
        (lambda c, a, b: c.append(XXPlusYYGate(a, b), [0, 1]), "ab"),
        (lambda c, a, b: (c.rx(2 * a - b + 0.3, 0), c.crx(-a, 0, 1), c.rz(a, 1)), "ab"),
    ],
)
def test_the_rules_agree_with_differences(fill: Callable[..., object], names: str) -> None:
    circuit = build(fill, *names)
    values = np.random.default_rng(1).uniform(-3, 3, (2, len(names)))
    expected = difference(circuit, values)
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(differentiate(circuit, values), expected, atol=1e-8)


@pytest.mark.parametrize("family", ANSATZ_FAMILIES)
@pytest.mark.parametrize("entangler", ENTANGLERS)
def test_every_family_is_differentiated(family: str, entangler: str) -> None:
    ansatz = build_ansatz(family, num_qubits=2, entangler=entangler)
    circuit = unroll(ansatz, 2)
    values = np.random.default_rng(2).uniform(-3, 3, (1, circuit.num_parameters))
    np.testing.assert_allclose(
        differentiate(circuit, values), difference(circuit, values), atol=1e-8
    )


def test_runs_two_shifts_an_angle_and_four_for_a_controlled_rotation() -> None:
    shifted = shift_parameters(build(lambda c, a, b: (c.ry(a, 0), c.crx(b, 0, 1)), "a", "b"))
    assert shifted.angles.tolist() == [0, 0, 1, 1, 1, 1]
    assert sorted(np.abs(shifted.shifts) / math.pi) == [0.5, 0.5, 0.5, 0.5, 1.5, 1.5]
    assert shifted.bind(np.zeros((3, 2))).shape == (18, 2)


def test_a_circuit_with_an_angle_a_gate_runs_as_it_is() -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=3), 2)
    shifted = shift_parameters(circuit)
    assert shifted.circuit is circuit
    np.testing.assert_array_equal(shifted.spread(np.eye(12)), np.eye(12))


def test_blocks_are_opened_and_barriers_kept() -> None:
    inner = build(lambda c, a: (c.rx(a, 0), c.barrier(), c.ry(a, 1)), "a")
    outer = QuantumCircuit(2)
    outer.append(inner.to_instruction(), [1, 0])
    values = np.array([[0.7]])
    np.testing.assert_allclose(differentiate(outer, values), difference(outer, values), atol=1e-8)
    assert "barrier" in shift_parameters(outer).circuit.count_ops()


def test_what_has_no_rule_is_refused() -> None:
    with pytest.raises(ShiftError, match=r"'rx' has the angle a\*\*2, which is not affine in a"):
        shift_parameters(build(lambda c, a: c.rx(a**2, 0), "a"))
    with pytest.raises(ShiftError, match=r"'own' has a free angle, no parameter-shift rule"):
        shift_parameters(build(lambda c, a: c.append(Gate("own", 1, [a]), [0]), "a"))
    both = build(lambda c, a, g: (c.rx(a, 0), c.ry(a - g, 1)), "a", "g")
    with pytest.raises(ShiftError, match="depends on fixed parameters and on others"):
        shift_parameters(both, fixed=[both.parameters[1]])


def build_sums() -> Ansatz:
    """Parameters that are the angles of several gates, and a controlled rotation."""
    first, second = Parameter("x"), Parameter("y")
    circuit = QuantumCircuit(2)
    circuit.ry(first + 0.5 * second, 0)
    circuit.ry(2 * second - 0.3, 1)
    circuit.crx(first, 0, 1)
    return build_ansatz(circuit, num_qubits=2)


def shift_dynamic(ansatz: Ansatz, num_ancillas: int) -> tuple[DynamicCircuit, ShiftedCircuit]:
    measurement = build_measurement(
        num_qubits=2, num_ancillas=num_ancillas, coupling_strength=1.9, measured_bases="X"
    )
    dynamic = build_dynamic(ansatz, measurement, 4 - num_ancillas)
    fixed = {dynamic.strength, *(angle for pair in dynamic.basis for angle in pair)}
    return dynamic, shift_parameters(dynamic.circuit, fixed=fixed)


@pytest.mark.parametrize(
    ("ansatz", "num_ancillas"),
    [(build_ansatz("linear", num_qubits=2), 1), (build_sums(), 1), (build_sums(), 2)],
)
def test_shifts_reach_into_branches(
    ansatz: Ansatz, num_ancillas: int, enumerate_branches: Enumerate
) -> None:
    """Derivatives of the probability of every history, against central differences."""
    dynamic, shifted = shift_dynamic(ansatz, num_ancillas)
    random = np.random.default_rng(5)
    tables = random.uniform(-3, 3, (1, *dynamic.table_columns.shape))
    values = dynamic.bind_values(tables, basis="XY")
    weights = random.normal(size=2**dynamic.circuit.num_clbits)

    def read(circuit: QuantumCircuit, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        branches = [enumerate_branches(circuit.assign_parameters(row)) for row in rows]
        return np.array(
            [sum(weights[key] * np.vdot(s, s).real for key, s in b.items()) for b in branches]
        )

    np.testing.assert_allclose(
        read(shifted.circuit, shifted.spread(values)), read(dynamic.circuit, values), atol=1e-13
    )
    sequences, runs = np.indices((1, len(shifted.shifts))).reshape(2, -1)
    estimates = read(shifted.circuit, shifted.bind_runs(values, sequences, runs))
    pulled = shifted.pull(estimates, sequences, runs, 1)
    assert pulled.shape == values.shape
    np.testing.assert_array_equal(shifted.differentiate(estimates[:, None])[:, 0], pulled)
    columns = dynamic.table_columns
    used = columns[columns >= 0]
    assert np.count_nonzero(pulled) == len(used)
    for column in random.choice(used, 6, replace=False):
        near, far = (
            read(dynamic.circuit, values + np.eye(values.shape[1])[[column]] * h)
            - read(dynamic.circuit, values - np.eye(values.shape[1])[[column]] * h)
            for h in (1e-3, 2e-3)
        )
        np.testing.assert_allclose(pulled[0, column], (8 * near - far)[0] / 12e-3, atol=1e-8)


def test_a_dynamic_circuit_of_a_family_is_shifted_as_it_is() -> None:
    dynamic, shifted = shift_dynamic(build_ansatz("linear", num_qubits=2, num_layers=2), 2)
    assert shifted.circuit is dynamic.circuit
    columns = dynamic.table_columns
    assert shifted.angles.tolist() == np.repeat(np.sort(columns[columns >= 0]), 2).tolist()


def test_every_gate_of_every_branch_gets_an_angle() -> None:
    dynamic, shifted = shift_dynamic(build_sums(), 2)
    gates = 3 * (1 + 4)
    assert len(shifted.offsets) == gates + 1 + 4
    assert len(shifted.shifts) == (2 + 2 + 4) * (1 + 4)
    inside: set[str] = set()
    for item in shifted.circuit.data:
        if isinstance(item.operation, IfElseOp):
            for block in item.operation.blocks:
                names = {parameter.name for parameter in block.parameters}
                assert len(names) == 3
                assert not names & inside
                inside |= names
    assert len(inside) == 3 * 4
    values = dynamic.bind_values(np.zeros((2, 2, 4, 2)))
    chosen = shifted.bind_runs(values, np.array([1, 1, 0]), np.array([3, 0, 2]))
    assert chosen.shape == (3, gates + 5)
    np.testing.assert_allclose(
        np.abs(chosen - shifted.spread(values)[[1, 1, 0]]).sum(1), math.pi / 2
    )

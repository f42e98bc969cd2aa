from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import XXPlusYYGate
from qiskit.quantum_info import SparsePauliOp, Statevector

from circuits import ANSATZ_FAMILIES, ENTANGLERS, ShiftError, build_ansatz, shift_parameters, unroll

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
    np.testing.assert_array_equal(shifted.slopes, np.eye(12))


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

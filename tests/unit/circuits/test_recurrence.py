"""Unrolled circuits and their prefixes, against composing the steps one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector

from circuits import (
    ANSATZ_FAMILIES,
    ENTANGLERS,
    Ansatz,
    build_ansatz,
    prefix_circuits,
    step_parameters,
    unroll,
)


def make_custom() -> Ansatz:
    """Parameter names that would collide with those of the unrolled circuit."""
    first, second = Parameter("theta[1][0]"), Parameter("theta[0][0]")
    circuit = QuantumCircuit(2, global_phase=first / 2)
    circuit.rx(2 * first + 1, 0)
    circuit.crx(second, 0, 1)
    circuit.ry(first - second, 1)
    return build_ansatz(circuit, num_qubits=2)


def evolve(ansatz: Ansatz, angles: np.ndarray) -> list[Statevector]:
    state = Statevector.from_label("0" * ansatz.num_qubits)
    states = []
    for row in angles:
        step = ansatz.circuit.assign_parameters(dict(zip(ansatz.parameters, row, strict=True)))
        state = state.evolve(step)
        states.append(state)
    return states


def assert_prefixes_equal_steps(ansatz: Ansatz, num_steps: int, seed: int) -> None:
    angles = np.random.default_rng(seed).uniform(-7, 7, (num_steps, ansatz.num_parameters))
    prefixes = prefix_circuits(ansatz, num_steps)
    assert len(prefixes) == num_steps
    for t, expected in enumerate(evolve(ansatz, angles), start=1):
        bound = prefixes[t - 1].assign_parameters(angles[:t].ravel())
        np.testing.assert_allclose(Statevector(bound).data, expected.data, atol=1e-12)
    assert prefixes[-1] == unroll(ansatz, num_steps)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    family=st.sampled_from(ANSATZ_FAMILIES),
    entangler=st.sampled_from(ENTANGLERS),
    num_qubits=st.integers(1, 4),
    num_layers=st.integers(1, 2),
    num_steps=st.integers(1, 12),
    seed=st.integers(0, 2**16),
)
def test_prefixes_equal_composed_steps(
    family: str, entangler: str, num_qubits: int, num_layers: int, num_steps: int, seed: int
) -> None:
    ansatz = build_ansatz(family, num_qubits=num_qubits, num_layers=num_layers, entangler=entangler)
    assert_prefixes_equal_steps(ansatz, num_steps, seed)


def test_prefixes_of_a_custom_circuit() -> None:
    assert_prefixes_equal_steps(make_custom(), 11, seed=1)


@pytest.mark.parametrize("num_steps", [1, 2, 11, 101])
def test_order_by_name_is_time_then_controller_order(num_steps: int) -> None:
    ansatz = build_ansatz(num_qubits=3, num_layers=2)
    rows = step_parameters(ansatz, num_steps)
    assert (len(rows), len(rows[0])) == (num_steps, 12)
    flat = [angle for row in rows for angle in row]
    assert list(unroll(ansatz, num_steps).parameters) == flat
    assert sorted(p.name for p in flat) == [p.name for p in flat]


def test_names_have_leading_zeros() -> None:
    rows = step_parameters(build_ansatz(num_qubits=3, num_layers=2), 11)
    assert (rows[0][0].name, rows[10][11].name) == ("theta[00][00]", "theta[10][11]")
    rows = step_parameters(build_ansatz(num_qubits=2), 8)
    assert (rows[0][0].name, rows[7][3].name) == ("theta[0][0]", "theta[7][3]")


def test_circuits_built_apart_are_equal() -> None:
    first = unroll(build_ansatz(num_qubits=2), 3)
    second = unroll(build_ansatz(num_qubits=2), 3)
    assert first == second


def test_unrolling_leaves_the_ansatz_as_it_was() -> None:
    ansatz = build_ansatz(num_qubits=2)
    before = ansatz.circuit.copy()
    unroll(ansatz, 3)
    assert ansatz.circuit == before


@pytest.mark.parametrize("function", [step_parameters, unroll, prefix_circuits])
def test_number_of_steps_is_checked(function: object) -> None:
    ansatz = build_ansatz(num_qubits=1)
    assert callable(function)
    with pytest.raises(ValueError, match="num_steps must be an integer of at least 1, got 0"):
        function(ansatz, 0)
    with pytest.raises(TypeError, match="num_steps"):
        function(ansatz, 2.0)

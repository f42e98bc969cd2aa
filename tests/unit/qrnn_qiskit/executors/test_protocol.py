"""The simulator as an executor: exact estimates, samples, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector

from qrnn_qiskit import Executor, SimulatorExecutor
from qrnn_qiskit.engines.cpu import UnsupportedCircuitError

A, B = Parameter("a"), Parameter("b")


def make_circuit() -> QuantumCircuit:
    """Parameters out of the order of their names: `b` comes before `a`."""
    circuit = QuantumCircuit(3)
    circuit.ry(B, 0)
    circuit.rx(2 * A, 1)
    circuit.cx(0, 2)
    circuit.rzz(A, 1, 2)
    circuit.ry(0.4, 1)
    return circuit


VALUES = np.array([[0.3, 1.1], [-2.0, 0.7], [0.0, 0.0]])


def test_it_is_an_executor() -> None:
    executor = SimulatorExecutor()
    assert isinstance(executor, Executor)
    assert executor.name == "simulator"


def test_estimates_equal_qiskit() -> None:
    observables = [SparsePauliOp("IIZ"), SparsePauliOp(["XYZ", "III", "ZIX"], [0.5, -1.0, 2.0])]
    estimates = SimulatorExecutor().estimate(make_circuit(), VALUES, observables)
    assert estimates.values.shape == (3, 2)
    assert estimates.values.dtype == np.float64
    assert estimates.standard_errors is None
    for row, values in zip(VALUES, estimates.values, strict=True):
        state = Statevector(make_circuit().assign_parameters(row))
        expected = [state.expectation_value(observable).real for observable in observables]
        np.testing.assert_allclose(values, expected, rtol=0.0, atol=1e-12)


def test_circuits_without_parameters() -> None:
    circuit = QuantumCircuit(2)
    circuit.x(1)
    executor = SimulatorExecutor(seed=0)
    observables = [SparsePauliOp("IZ"), SparsePauliOp("ZI")]
    assert (
        executor.estimate(circuit, np.zeros((2, 0)), observables).values.tolist() == [[1, -1]] * 2
    )
    assert executor.sample(circuit, np.zeros((1, 0)), 7) == [{"10": 7}]


def test_counts_follow_the_probabilities() -> None:
    """Chi-squared of 8 outcomes: above 27 once in 3,000 seeds, and the seed is fixed."""
    shots = 20_000
    counts = SimulatorExecutor(seed=5).sample(make_circuit(), VALUES[:2], shots)
    for row, seen in zip(VALUES, counts, strict=False):
        expected = Statevector(make_circuit().assign_parameters(row)).probabilities_dict()
        assert sum(seen.values()) == shots
        assert set(seen) <= set(expected)
        chi_squared = sum(
            (seen.get(bits, 0) - shots * p) ** 2 / (shots * p) for bits, p in expected.items()
        )
        assert chi_squared < 27.0


def test_qubit_0_is_the_last_character() -> None:
    circuit = QuantumCircuit(3)
    circuit.ry(A, 0)
    counts = SimulatorExecutor(seed=0).sample(circuit, [[np.pi], [0.0]], 10)
    assert counts == [{"001": 10}, {"000": 10}]


def test_samples_repeat_with_their_seed() -> None:
    circuit, values = make_circuit(), VALUES
    first = SimulatorExecutor(seed=3).sample(circuit, values, 100)
    assert SimulatorExecutor(seed=3).sample(circuit, values, 100) == first
    assert SimulatorExecutor(seed=4).sample(circuit, values, 100) != first
    executor = SimulatorExecutor(seed=3)
    assert executor.sample(circuit, values, 100) == first
    assert executor.sample(circuit, values, 100) != first


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.1, 0.2], r"shape \(batch, 2\).*\(2,\) arrived"),
        ([[0.1, 0.2, 0.3]], r"shape \(batch, 2\).*circuit\.parameters.*\(1, 3\) arrived"),
        (np.zeros((0, 2)), r"at least one row.*\(0, 2\) arrived"),
        ([[0.1, 0.2], [0.1, np.nan]], r"values\[1, 1\] is not"),
        ([[np.inf, 0.2]], r"values\[0, 0\] is not"),
    ],
)
def test_bad_values(values: Any, message: str) -> None:
    executor = SimulatorExecutor()
    with pytest.raises(ValueError, match=message):
        executor.estimate(make_circuit(), values, [SparsePauliOp("ZZZ")])
    with pytest.raises(ValueError, match=message):
        executor.sample(make_circuit(), values, 10)


@pytest.mark.parametrize(
    ("observables", "message"),
    [
        ([SparsePauliOp("ZZ")], "acts on 2 qubits, but the circuit has 3"),
        ([SparsePauliOp("IZZZ")], "acts on 4 qubits, but the circuit has 3"),
        ([SparsePauliOp("ZZZ", [1j])], "not Hermitian"),
        ([], "at least one observable"),
    ],
)
def test_bad_observables(observables: list[SparsePauliOp], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimulatorExecutor().estimate(make_circuit(), VALUES, observables)


@pytest.mark.parametrize(
    ("shots", "error", "message"),
    [
        (0, ValueError, "at least 1, got 0"),
        (-5, ValueError, "at least 1, got -5"),
        (2.5, TypeError, r"integer.*2\.5"),
    ],
)
def test_bad_shots(shots: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SimulatorExecutor().sample(make_circuit(), VALUES, shots)


def test_measurements_are_refused_by_name() -> None:
    circuit = make_circuit()
    circuit.measure_all()
    with pytest.raises(UnsupportedCircuitError, match=r"'measure'.*Aer"):
        SimulatorExecutor().sample(circuit, VALUES, 10)


def test_too_many_qubits_say_the_memory() -> None:
    circuit = QuantumCircuit(50)
    circuit.ry(A, 0)
    with pytest.raises(ValueError, match=r"num_qubits=50 needs 384 PiB.*this machine has"):
        SimulatorExecutor().estimate(circuit, [[0.1]], [SparsePauliOp("Z" * 50)])

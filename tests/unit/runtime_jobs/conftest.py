"""Random dynamic circuits, and what they measure by plain matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from qiskit.quantum_info import Operator, SparsePauliOp

from circuits import (
    Ansatz,
    DynamicCircuit,
    Measurement,
    build_ansatz,
    build_dynamic,
    build_measurement,
    build_readout,
)
from qrnn_qiskit.executors import DynamicPub


@dataclass(frozen=True)
class Case:
    """A dynamic circuit with a batch of angle tables (B, T, 2^m, P)."""

    ansatz: Ansatz
    measurement: Measurement
    circuit: DynamicCircuit
    tables: np.ndarray

    @property
    def observables(self) -> list[SparsePauliOp]:
        return build_readout(num_qubits=self.ansatz.num_qubits).observables

    def pub(self) -> DynamicPub:
        return DynamicPub(self.circuit, self.circuit.bind_values(self.tables), self.observables)


@dataclass(frozen=True)
class Reference:
    """Exact distributions of a case.

    Attributes:
        outcomes: (B, T, 2^m) of the register of each step.
        pairs: (B, T - 1, 2^m, 2^m) of the registers of adjacent steps, the earlier one first.
        values: (B, K) of the observables after the last step.
    """

    outcomes: np.ndarray
    pairs: np.ndarray
    values: np.ndarray


@pytest.fixture(scope="session")
def make_case() -> Callable[..., Case]:
    def make(
        *,
        num_qubits: int = 2,
        num_steps: int = 3,
        batch: int = 2,
        seed: int = 0,
        ansatz: str = "linear",
        num_layers: int = 1,
        entangler: str = "cz",
        **measurement: object,
    ) -> Case:
        step = build_ansatz(
            ansatz, num_qubits=num_qubits, num_layers=num_layers, entangler=entangler
        )
        measured = build_measurement(num_qubits=num_qubits, **measurement)
        shape = (batch, num_steps, measured.num_outcomes, step.num_parameters)
        tables = np.random.default_rng(seed).uniform(-np.pi, np.pi, shape)
        return Case(step, measured, build_dynamic(step, measured, num_steps), tables)

    return make


@pytest.fixture(scope="session")
def find_reference() -> Callable[[Case], Reference]:
    return _find_reference


def _find_reference(case: Case) -> Reference:
    """The recursion over outcomes with dense matrices."""
    operators = _list_kraus(case.measurement)
    found = [_follow(case, tables, operators) for tables in case.tables]
    return Reference(*(np.array(part) for part in zip(*found, strict=True)))


def _follow(
    case: Case, tables: np.ndarray, operators: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray], list[float]]:
    size = 2**case.ansatz.num_qubits
    states = np.zeros((len(operators), size, size), complex)
    states[0, 0, 0] = 1.0
    outcomes, pairs = [], []
    for table in tables:
        moved = []
        for state, angles in zip(states, table, strict=True):
            bound = dict(zip(case.ansatz.parameters, angles, strict=True))
            unitary = Operator(case.ansatz.circuit.assign_parameters(bound)).data
            moved.append(unitary @ state @ unitary.conj().T)
        after = np.einsum("cij,bjk,clk->bcil", operators, np.array(moved), operators.conj())
        pairs.append(np.einsum("bcii->bc", after).real)
        states = after.sum(0)
        outcomes.append(np.einsum("cii->c", states).real)
    values = [float(np.trace(o.to_matrix() @ states.sum(0)).real) for o in case.observables]
    return [np.array(outcomes), np.array(pairs[1:]), np.array(values)]


def _list_kraus(measurement: Measurement) -> np.ndarray:
    """The operators (2^m, 2^n, 2^n) of all values of a register."""
    size = 2**measurement.num_qubits
    operators = np.array([np.eye(size, dtype=complex)] * measurement.num_outcomes)
    for bit, (qubit, choices) in enumerate(
        zip(measurement.qubits, measurement.kraus(), strict=True)
    ):
        for value in range(measurement.num_outcomes):
            local = choices[value >> bit & 1]
            left, right = np.eye(size >> qubit + 1), np.eye(1 << qubit)
            operators[value] = np.kron(np.kron(left, local), right) @ operators[value]
    return operators

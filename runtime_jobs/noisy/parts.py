"""Compiled circuits in parts without a gate between them, such as registers side by side.

The state is the tensor product of those of the parts, so that each part has its own density matrix.
Layout, compilation, noise and waits are those of the whole circuit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, Clbit, IfElseOp, Measure, QuantumCircuit
from qiskit.circuit.controlflow import condition_resources
from qiskit.quantum_info import SparsePauliOp

from circuits import DynamicCircuit
from circuits.separation import find_parts
from runtime_jobs.aer.noise import list_basis_changes
from runtime_jobs.aer.stage import Stage
from runtime_jobs.estimation.bases import Basis
from runtime_jobs.noisy.channels import Channels, Matrix

__all__ = [
    "divide_circuit",
    "divide_registers",
    "find_effects",
    "find_joined",
    "find_owners",
    "find_support",
    "join_effects",
    "read_ones",
    "select_terms",
]


def find_joined(circuit: QuantumCircuit) -> list[list[int]]:
    """Return sets of qubits that belong together: those of each gate, and of each branch.

    A branch belongs to the qubits whose bits it tests.
    """
    measured: dict[Clbit, int] = {}
    joined = []
    for item in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        if isinstance(item.operation, Measure):
            measured[item.clbits[0]] = qubits[0]
        elif isinstance(item.operation, IfElseOp):
            tested = condition_resources(item.operation.condition).clbits
            joined.append(qubits + [measured[bit] for bit in tested if bit in measured])
        elif item.operation.name != "barrier":
            joined.append(qubits)
    return [qubits for qubits in joined if len(qubits) > 1]


def divide_circuit(
    circuit: QuantumCircuit,
    parts: Sequence[Sequence[int]],
    registers: Sequence[Sequence[ClassicalRegister]] | None = None,
) -> list[QuantumCircuit]:
    """Divide a circuit into parts, without its barriers.

    Args:
        circuit: No gate of it acts on two parts.
        parts: The qubits of each part.
        registers: The classical registers of each part; none by default.
    """
    number_of = {circuit.qubits[qubit]: k for k, qubits in enumerate(parts) for qubit in qubits}
    built = [
        QuantumCircuit(
            [circuit.qubits[qubit] for qubit in qubits],
            *([] if registers is None else registers[k]),
            name=circuit.name,
        )
        for k, qubits in enumerate(parts)
    ]
    for item in circuit.data:
        if item.operation.name != "barrier" and item.qubits:
            built[number_of[item.qubits[0]]].append(item)
    return built


def divide_registers(
    compiled: QuantumCircuit, circuit: DynamicCircuit
) -> list[tuple[tuple[int, ...], list[int]]]:
    """Return for each part of a compiled dynamic circuit its qubits and its registers of qubits."""
    measured = {
        item.clbits[0]: compiled.find_bit(item.qubits[0]).index
        for item in compiled.data
        if isinstance(item.operation, Measure)
    }
    final = compiled.cregs[-1]
    places = [
        [measured[final[qubit]] for qubit in circuit.list_memory(register)]
        for register in range(circuit.num_registers)
    ]
    joined = find_joined(compiled) + places
    for registers in circuit.step_registers:
        for register, bits in enumerate(registers):
            joined += [[places[register][0], measured[bit]] for bit in bits]
    return [
        (qubits, [r for r, memory in enumerate(places) if memory[0] in qubits])
        for qubits in find_parts(compiled.num_qubits, joined)
    ]


def find_support(observable: SparsePauliOp, positions: Sequence[int] | None = None) -> list[int]:
    """Return the qubits that an observable acts on, or their positions."""
    acts: list[int] = np.flatnonzero((observable.paulis.x | observable.paulis.z).any(0)).tolist()
    return acts if positions is None else [positions[qubit] for qubit in acts]


def find_owners(supports: Iterable[Sequence[int]], parts: Sequence[Sequence[int]]) -> list[int]:
    """Return the part of each observable; the first one for a multiple of the identity."""
    number_of = {qubit: k for k, qubits in enumerate(parts) for qubit in qubits}
    return [number_of[support[0]] if support else 0 for support in supports]


def select_terms(
    bases: Sequence[Basis], qubits: Sequence[int], observables: Iterable[int]
) -> list[Basis]:
    """Return bases of a part: with its qubits, and with the terms of its observables."""
    place = {qubit: k for k, qubit in enumerate(qubits)}
    chosen = set(observables)
    selected = []
    for basis in bases:
        terms = [
            replace(term, qubits=tuple(place[qubit] for qubit in term.qubits))
            for term in basis.terms
            if term.observable in chosen
        ]
        letters = {place[q]: letter for q, letter in basis.letters.items() if q in place}
        selected.append(Basis(letters, terms))
    return selected


def join_effects(effects: Sequence[Matrix]) -> Matrix:
    """Return the measurement of several qubits (2^N, 4^N) from those of each (2, 4)."""
    whole: Matrix = np.ones((1, 1))
    for effect in effects:
        whole = np.asarray(np.kron(effect, whole), dtype=np.float64)
    return whole


def find_effects(stage: Stage, num_qubits: int, channels: Channels) -> dict[str, list[Matrix]]:
    """Return the noisy measurement of each qubit in the bases X, Y and Z.

    Each is an array (2, 4): row c maps the Pauli coefficients of the qubit to the probability that
    c is recorded, noise of the change of basis and readout error included.
    """
    changes = list_basis_changes(num_qubits)
    return {
        letter: [
            channels.find_reading(qubit) @ matrix
            for qubit, matrix in enumerate(_find_single(stage, change, channels))
        ]
        for letter, change in zip("XYZ", changes, strict=True)
    }


def read_ones(bit: int, stage: Stage, num_qubits: int, channels: Channels) -> NDArray[np.float64]:
    """Return the probability (n,) that each qubit reads 1 when all are prepared in ``bit``."""
    circuit = QuantumCircuit(num_qubits)
    if bit:
        circuit.x(range(num_qubits))
    prepared = [matrix @ [1, 0, 0, 1] for matrix in _find_single(stage, circuit, channels)]
    return np.array([channels.find_reading(q)[1] @ state for q, state in enumerate(prepared)])


def _find_single(stage: Stage, circuit: QuantumCircuit, channels: Channels) -> list[Matrix]:
    """Return the transfer matrix of each qubit of a circuit without two-qubit gates and angles."""
    matrices: list[Matrix] = [np.eye(4)] * circuit.num_qubits
    compiled = stage.pass_manager.run(circuit)
    for item in compiled.data:
        qubits = tuple(compiled.find_bit(qubit).index for qubit in item.qubits)
        for piece in channels.write(item.operation, qubits, {}):
            assert piece.matrix is not None
            matrices[piece.qubits[0]] = piece.matrix @ matrices[piece.qubits[0]]
    return matrices

"""Compiled circuits in parts without a gate between them, such as registers side by side.

The state is the tensor product of those of the parts, so that each part has its own density matrix.
Layout, compilation, noise and waits are those of the whole circuit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from qiskit.circuit import ClassicalRegister, Clbit, IfElseOp, Measure, QuantumCircuit
from qiskit.circuit.controlflow import condition_resources

from circuits import DynamicCircuit
from circuits.separation import find_parts
from runtime_jobs.aer.channels import Matrix
from runtime_jobs.estimation.bases import Basis

__all__ = [
    "divide_circuit",
    "divide_registers",
    "find_joined",
    "join_effects",
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

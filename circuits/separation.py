"""Parts of a circuit without a gate between them, which can be simulated one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import PauliList, SparsePauliOp

__all__ = ["Part", "find_owners", "find_parts", "find_support", "separate", "separate_wide"]

_MOST_WHOLE = 12  # qubits that a simulator takes as one part, even if they are several


class Part(NamedTuple):
    """A part of a circuit with the observables on its qubits.

    Attributes:
        circuit: The part, on its qubits in their order.
        columns: The index of each of its parameters among those of the whole circuit.
        observables: The observables on its qubits.
        rows: Their indices among all observables.
    """

    circuit: QuantumCircuit
    columns: NDArray[np.int64]
    observables: list[SparsePauliOp]
    rows: NDArray[np.int64]


def find_parts(num_qubits: int, joined: Iterable[Sequence[int]]) -> list[tuple[int, ...]]:
    """Return the qubits of each part, in order, where each of ``joined`` lies within one part."""
    part = list(range(num_qubits))
    for qubits in joined:
        for other in qubits[1:]:
            low, high = sorted((part[qubits[0]], part[other]))
            if low != high:
                part = [low if each == high else each for each in part]
    members: dict[int, list[int]] = {}
    for qubit, number in enumerate(part):
        members.setdefault(number, []).append(qubit)
    return [tuple(qubits) for qubits in members.values()]


def find_support(observable: SparsePauliOp, positions: Sequence[int] | None = None) -> list[int]:
    """Return the qubits that an observable acts on, or their positions."""
    acts: list[int] = np.flatnonzero((observable.paulis.x | observable.paulis.z).any(0)).tolist()
    return acts if positions is None else [positions[qubit] for qubit in acts]


def find_owners(supports: Iterable[Sequence[int]], parts: Sequence[Sequence[int]]) -> list[int]:
    """Return the part of each observable; the first one for a multiple of the identity."""
    number_of = {qubit: k for k, qubits in enumerate(parts) for qubit in qubits}
    return [number_of[support[0]] if support else 0 for support in supports]


def separate(circuit: QuantumCircuit, observables: Sequence[SparsePauliOp]) -> list[Part]:
    """Divide a unitary circuit into parts; no gate and no observable acts on two of them.

    The state is the tensor product of those of the parts, so that the expectation values of each
    part are those of the whole circuit.
    """
    acted = [
        [circuit.find_bit(qubit).index for qubit in item.qubits]
        for item in circuit.data
        if item.operation.name != "barrier"
    ]
    supports = [find_support(observable) for observable in observables]
    parts = find_parts(circuit.num_qubits, [each for each in (*acted, *supports) if each])
    places = {parameter: place for place, parameter in enumerate(circuit.parameters)}
    number_of = {qubit: number for number, qubits in enumerate(parts) for qubit in qubits}
    built = [QuantumCircuit(len(qubits), name=circuit.name) for qubits in parts]
    for item in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        if item.operation.name != "barrier" and qubits:
            number = number_of[qubits[0]]
            built[number].append(item.operation, [parts[number].index(q) for q in qubits])
    rows: list[list[int]] = [[] for _ in parts]
    for row, owner in enumerate(find_owners(supports, parts)):
        rows[owner].append(row)
    return [
        Part(
            part,
            np.array([places[parameter] for parameter in part.parameters], np.int64),
            [_restrict(observables[row], qubits) for row in chosen],
            np.array(chosen, np.int64),
        )
        for part, qubits, chosen in zip(built, parts, rows, strict=True)
    ]


def separate_wide(circuit: QuantumCircuit, observables: Sequence[SparsePauliOp]) -> list[Part]:
    """Divide a circuit of more qubits than a simulator takes easily; others are one part."""
    if circuit.num_qubits > _MOST_WHOLE:
        return separate(circuit, observables)
    whole = np.arange(circuit.num_parameters), np.arange(len(observables))
    return [Part(circuit, whole[0], list(observables), whole[1])]


def _restrict(observable: SparsePauliOp, qubits: Sequence[int]) -> SparsePauliOp:
    """Return an observable that acts only on ``qubits`` as one on these qubits."""
    paulis, kept = observable.paulis, list(qubits)
    return SparsePauliOp(
        PauliList.from_symplectic(paulis.z[:, kept], paulis.x[:, kept]), observable.coeffs
    )

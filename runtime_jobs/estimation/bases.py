"""Measurement bases: which observables share shots, and the value of each bit string for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

__all__ = ["SIGNS", "Basis", "Term", "group_terms", "read_matrices", "read_vectors"]

SIGNS = np.array([1.0, -1.0])  # the eigenvalue of a Pauli operator that reads as bit 0 or 1

# The rows are the bras of outcome 0 and 1.
_ROTATIONS = {
    "X": np.array([[1, 1], [1, -1]]) / math.sqrt(2),
    "Y": np.array([[1, -1j], [1, 1j]]) / math.sqrt(2),
}


@dataclass(frozen=True)
class Term:
    """One Pauli term of an observable.

    Attributes:
        observable: Index of the observable that the term belongs to.
        coefficient: Real coefficient.
        qubits: Qubits that the term acts on; its letters there are those of its basis.
    """

    observable: int
    coefficient: float
    qubits: tuple[int, ...]


@dataclass
class Basis:
    """Terms that are measured by the same shots.

    Attributes:
        letters: X, Y or Z for each qubit that a term acts on; the others are measured in Z.
        terms: Terms that commute qubit by qubit.
    """

    letters: dict[int, str] = field(default_factory=dict)
    terms: list[Term] = field(default_factory=list)

    def spell(self, num_qubits: int) -> str:
        """The letter of each of n qubits, qubit 0 first; Z where no term acts."""
        return "".join(self.letters.get(qubit, "Z") for qubit in range(num_qubits))

    def list_terms(self) -> list[tuple[int, list[Term]]]:
        """Return the index of each observable with terms in this basis, and its terms."""
        by_observable: dict[int, list[Term]] = {}
        for term in self.terms:
            by_observable.setdefault(term.observable, []).append(term)
        return sorted(by_observable.items())

    def tabulate(
        self, num_qubits: int, eigenvalues: Sequence[NDArray[np.float64]] | None = None
    ) -> tuple[list[int], NDArray[np.float64]]:
        """Tabulate the value of each bit string for the observables with terms in this basis.

        Args:
            num_qubits: Number of qubits n.
            eigenvalues: Values (2,) of bits 0 and 1 of each qubit; 1 and -1 by default. Readout
                mitigation gives other numbers.

        Returns:
            Indices of the observables, and a table (observables, 2^n). Bit q of a state is that of
            qubit q.
        """
        worth = [SIGNS] * num_qubits if eigenvalues is None else eigenvalues
        states = np.arange(2**num_qubits)
        rows = sorted({term.observable for term in self.terms})
        table = np.zeros((len(rows), 2**num_qubits))
        for term in self.terms:
            product = np.full(2**num_qubits, term.coefficient)
            for qubit in term.qubits:
                product *= worth[qubit][(states >> qubit) & 1]
            table[rows.index(term.observable)] += product
        return rows, table


def group_terms(observables: Sequence[SparsePauliOp], positions: Sequence[int]) -> list[Basis]:
    """Put the terms of all observables into few bases, each term into one.

    X, Y and Z of every qubit give three bases, and all Paulis of one and two of 6 qubits give 15.
    A basis begins with the first term that is left. Then the letter is added, one qubit after the
    other, that completes the most of the terms that are left. The result depends only on the
    observables and their order.

    Args:
        observables: Observables with real coefficients on n qubits.
        positions: Position on the device of each of the n qubits.
    """
    waiting = [
        _Waiting({positions[q]: letter for q, letter in zip(qubits, label, strict=True)}, k, factor)
        for k, observable in enumerate(observables)
        for label, qubits, factor in observable.to_sparse_list()
    ]
    bases: list[Basis] = []
    while waiting:
        letters = _choose_letters([each.letters for each in waiting])
        fitting = [each for each in waiting if each.letters.items() <= letters.items()]
        waiting = [each for each in waiting if not each.letters.items() <= letters.items()]
        bases.append(Basis(letters, [each.close() for each in fitting]))
    return bases


class _Waiting(NamedTuple):
    """A term that is in no basis yet: its letter on each of its qubits."""

    letters: dict[int, str]
    observable: int
    coefficient: complex

    def close(self) -> Term:
        return Term(self.observable, float(self.coefficient.real), tuple(self.letters))


def _choose_letters(terms: Sequence[dict[int, str]]) -> dict[int, str]:
    """Choose the letters of a basis that many of the terms fit, the first one among them."""
    chosen: dict[int, str] = {}
    by_qubit: dict[int, list[dict[int, str]]] = {}
    for term in terms:
        for qubit in term:
            by_qubit.setdefault(qubit, []).append(term)
    gains: Counter[tuple[int, str]] = Counter()  # terms that lack only this letter on this qubit
    for term in terms:
        if len(term) == 1:
            gains.update(term.items())
    rest = iter(terms)
    while True:
        if gains:
            added = [max(gains, key=gains.__getitem__)]
        else:
            # No letter alone completes a term: take the next term that fits.
            following = next((term for term in rest if _is_open(term, chosen)), None)
            if following is None:
                return chosen
            added = [item for item in following.items() if item[0] not in chosen]
        for qubit, letter in added:
            chosen[qubit] = letter
            for other in "XYZ":
                del gains[qubit, other]
            for term in by_qubit[qubit]:
                missing = [item for item in term.items() if item[0] not in chosen]
                if len(missing) == 1 and _is_open(term, chosen):
                    gains[missing[0]] += 1


def _is_open(term: dict[int, str], chosen: dict[int, str]) -> bool:
    """Return whether a term fits the letters chosen so far, but needs further ones."""
    fits = all(chosen.get(qubit, letter) == letter for qubit, letter in term.items())
    return fits and not term.keys() <= chosen.keys()


def read_vectors(vectors: NDArray[np.complex128], basis: Basis) -> NDArray[np.float64]:
    """Probabilities (B, 2^n) of the bit strings of state vectors (B, 2^n) in a basis."""
    batch, size = vectors.shape
    for qubit, letter in basis.letters.items():
        if letter in _ROTATIONS:
            split = vectors.reshape(batch, -1, 2, 2**qubit)
            vectors = np.einsum("or,bhrl->bhol", _ROTATIONS[letter], split)
    amplitudes = vectors.reshape(batch, size)
    return amplitudes.real**2 + amplitudes.imag**2


def read_matrices(
    matrices: NDArray[np.complex128], effects: Sequence[NDArray[np.complex128]]
) -> NDArray[np.float64]:
    """Probabilities (B, 2^n) of the bit strings of density matrices.

    Args:
        matrices: Density matrices (B, 2^n, 2^n).
        effects: For each qubit an array (2, 2, 2): for each outcome o the operator E_o whose
            expectation value is the probability of reading o, noise and readout error included.
    """
    batch, size = matrices.shape[:2]
    probabilities = matrices.reshape(batch, 1, size, size)
    for effect in reversed(effects):  # the last qubit is the most significant bit
        half = probabilities.shape[-1] // 2
        split = probabilities.reshape(batch, -1, 2, half, 2, half)
        read = np.einsum("bdrxcy,ocr->bdoxy", split, effect, optimize=True)
        probabilities = read.reshape(batch, -1, half, half)
    return np.ascontiguousarray(probabilities.real.reshape(batch, size))

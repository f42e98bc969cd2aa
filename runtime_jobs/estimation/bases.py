"""Measurement bases: which observables share their shots, and what each bit string says of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

__all__ = ["SIGNS", "Basis", "Term", "group_terms", "read_matrices", "read_vectors"]

SIGNS = np.array([1.0, -1.0])  # the eigenvalue that a bit 0 or 1 stands for

# The rows are the bras of outcome 0 and 1.
_ROTATIONS = {
    "X": np.array([[1, 1], [1, -1]]) / math.sqrt(2),
    "Y": np.array([[1, -1j], [1, 1j]]) / math.sqrt(2),
}


@dataclass(frozen=True)
class Term:
    """One Pauli term of an observable.

    Attributes:
        observable: number of the observable it belongs to.
        coefficient: real.
        qubits: where it acts; the letters there are those of its basis.
    """

    observable: int
    coefficient: float
    qubits: tuple[int, ...]


@dataclass
class Basis:
    """Terms that are measured by the same shots.

    Attributes:
        letters: X, Y or Z of every qubit that is rotated or read; Z where a qubit is missing.
        terms: the terms, which commute qubit by qubit.
    """

    letters: dict[int, str] = field(default_factory=dict)
    terms: list[Term] = field(default_factory=list)

    def tabulate(
        self, num_qubits: int, eigenvalues: Sequence[NDArray[np.float64]] | None = None
    ) -> tuple[list[int], NDArray[np.float64]]:
        """The observables with terms here, and (their number, 2^n) what each bit string is worth.

        Args:
            num_qubits: n.
            eigenvalues: what bit 0 and 1 of each qubit are worth; 1 and -1 unless given. Readout
                mitigation gives other numbers.
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
    """Put the terms of all observables into bases, each term into the first one that fits.

    X, Y and Z of every qubit give three bases. The order of the observables decides, so the same
    observables give the same bases.

    Args:
        observables: real, on n qubits.
        positions: the place on the device of each of the n qubits.
    """
    bases: list[Basis] = []
    for k, observable in enumerate(observables):
        for label, qubits, coefficient in observable.to_sparse_list():
            letters = {positions[q]: letter for q, letter in zip(qubits, label, strict=True)}
            basis = next((b for b in bases if _fits(letters, b.letters)), None)
            if basis is None:
                basis = Basis()
                bases.append(basis)
            basis.letters.update(letters)
            basis.terms.append(Term(k, float(coefficient.real), tuple(letters)))
    return bases


def read_vectors(vectors: NDArray[np.complex128], basis: Basis) -> NDArray[np.float64]:
    """Probabilities (B, 2^n) of the bit strings when state vectors (B, 2^n) are measured."""
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
    """Probabilities (B, 2^n) of the bit strings when density matrices (B, 2^n, 2^n) are measured.

    Args:
        matrices: the states.
        effects: of each qubit (2, 2, 2): for each outcome o the operator E_o whose expectation is
            the probability of reading o, with noise and readout error in it.
    """
    batch, size = matrices.shape[:2]
    probabilities = matrices.reshape(batch, 1, size, size)
    for effect in reversed(effects):  # the last qubit is the most significant bit
        half = probabilities.shape[-1] // 2
        split = probabilities.reshape(batch, -1, 2, half, 2, half)
        read = np.einsum("bdrxcy,ocr->bdoxy", split, effect, optimize=True)
        probabilities = read.reshape(batch, -1, half, half)
    return np.ascontiguousarray(probabilities.real.reshape(batch, size))


def _fits(letters: dict[int, str], basis: dict[int, str]) -> bool:
    return all(basis.get(qubit, letter) == letter for qubit, letter in letters.items())

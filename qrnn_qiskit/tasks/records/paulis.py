"""Outcomes of Pauli measurements on a few qubits, drawn exactly.

Outcome 0 is the eigenvalue +1 of the Pauli, outcome 1 the eigenvalue -1. The state is a stabilizer
state throughout, so that every outcome has the probability 0, 1/2 or 1 given the ones before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SQUARE", "draw_outcomes", "find_probabilities", "list_local_paulis"]

# The square of Mermin (Phys. Rev. Lett. 65, 3373, 1990) and Peres, row by row: the Paulis of a row
# or of a column commute. Their product is +1, that of the last column -1.
SQUARE = ("XI", "IX", "XX", "IZ", "ZI", "ZZ", "XZ", "ZX", "YY")

_TOGETHER = 4096  # sequences whose states are in memory at the same time


def list_local_paulis(num_qubits: int) -> tuple[str, ...]:
    """List X, Y and Z of each qubit, and XX, YY and ZZ of neighbours on a line: 6n - 3 labels.

    A label has qubit 0 on the right, as in Qiskit.
    """
    return tuple(
        "I" * (num_qubits - qubit - width) + letter * width + "I" * qubit
        for width in (1, 2)
        for qubit in range(num_qubits + 1 - width)
        for letter in "XYZ"
    )


def draw_outcomes(
    labels: Sequence[str], tokens: NDArray[np.int64], random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw the outcomes of Paulis measured one after another, from |0...0>.

    Args:
        labels: The V Paulis, of n letters each, qubit 0 on the right.
        tokens: (N, T) the Pauli that is measured in each step, from 0 to V - 1.
        random: Draws the outcomes.

    Returns:
        The outcomes, (N, T) 0 or 1, and the probabilities of 1 given the outcomes before: exactly
        0, 1/2 or 1.
    """
    drawn = random.random(tokens.shape)
    outcomes = np.empty_like(tokens)

    def choose(part: slice, step: int, ones: NDArray[np.float64]) -> NDArray[np.int64]:
        outcomes[part, step] = drawn[part, step] < ones
        return outcomes[part, step]

    return outcomes, _follow(labels, tokens, choose)


def find_probabilities(
    labels: Sequence[str], tokens: NDArray[np.int64], outcomes: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Find the probabilities of 1 along given outcomes, from |0...0>.

    An outcome that is impossible counts as misread: the state keeps the value that it has.

    Args:
        labels: As in :func:`draw_outcomes`.
        tokens: (N, T) the Pauli that is measured in each step, from 0 to V - 1.
        outcomes: (N, T) 0 or 1.

    Returns:
        (N, T), exactly 0, 1/2 or 1.
    """

    def choose(part: slice, step: int, ones: NDArray[np.float64]) -> NDArray[np.int64]:
        given = outcomes[part, step].astype(np.int64)
        return np.where(np.abs(given - ones) == 1, 1 - given, given)

    return _follow(labels, tokens, choose)


# From a part of the sequences, a step and the probabilities of 1 there to the outcomes.
_Choose = Callable[[slice, int, NDArray[np.float64]], NDArray[np.int64]]


def _follow(
    labels: Sequence[str], tokens: NDArray[np.int64], choose: _Choose
) -> NDArray[np.float64]:
    """Measure the Paulis of ``tokens`` (N, T) and return the probabilities of 1 (N, T)."""
    probabilities = np.empty(tokens.shape)
    sources, factors = _tabulate(labels)
    for start in range(0, len(tokens), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        states = np.zeros((len(tokens[part]), sources.shape[1]), complex)
        states[:, 0] = 1
        for step in range(tokens.shape[1]):
            measured = tokens[part, step]
            moved = np.take_along_axis(states, sources[measured], 1) * factors[measured]
            means = np.einsum("ns,ns->n", states.conj(), moved).real
            ones = np.round(1 - means) / 2  # a stabilizer state has the mean -1, 0 or 1
            bits = choose(part, step, ones)
            weights = np.where(bits == 1, ones, 1 - ones)
            states = states + (1 - 2 * bits)[:, None] * moved
            states /= 2 * np.sqrt(weights)[:, None]
            probabilities[part, step] = ones
    return probabilities


def _tabulate(labels: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
    """Return sources and factors (V, 2^n): (P psi)[k] is factor[k] psi[source[k]]."""
    basis = np.arange(1 << len(labels[0]))
    sources, factors = [], []
    for label in labels:
        flips = sum(1 << qubit for qubit, letter in enumerate(reversed(label)) if letter in "XY")
        signs = sum(1 << qubit for qubit, letter in enumerate(reversed(label)) if letter in "YZ")
        # Y = i X Z, and Z acts first: on the bits of the source.
        source = basis ^ flips
        odd = np.bitwise_count(source & signs) & 1
        sources.append(source)
        factors.append(1j ** label.count("Y") * (1.0 - 2.0 * odd))
    return np.stack(sources), np.stack(factors)

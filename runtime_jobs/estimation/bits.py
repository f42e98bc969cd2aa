"""The bits that a PUB measured, by classical register, and how often each value was seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BitArray

__all__ = ["Bits", "count_states", "join_bits", "name_bits", "name_states", "read_states"]

Bits = dict[str, BitArray]  # by the name of the classical register


def join_bits(parts: Sequence[Bits]) -> Bits:
    """Join the bits of a PUB that was split over several jobs, along its sets of values."""
    return {
        name: BitArray(np.concatenate([part[name].array for part in parts]), array.num_bits)
        for name, array in parts[0].items()
    }


def count_states(bits: BitArray, size: int) -> NDArray[np.int64]:
    """Count how often each value of a register was measured.

    Args:
        bits: Bits of any shape (...), each with the same number of shots.
        size: 2^n, the number of values of a register of n bits.

    Returns:
        Counts (rows, size) in shots, the shape of ``bits`` flattened to rows in C order. Bit 0 of
        the register is the least significant bit of the value.
    """
    states = read_states(bits)
    # One bincount over all rows: the values of each row are shifted into a range of their own.
    offsets = np.arange(len(states))[:, None] * size
    counts = np.bincount((states + offsets).ravel(), minlength=len(states) * size)
    return counts.reshape(len(states), size)


def read_states(bits: BitArray) -> NDArray[np.int64]:
    """Read the value of a register in each shot, (rows, shots), as :func:`count_states` does."""
    rows = bits.array.reshape(-1, *bits.array.shape[-2:])
    states = np.zeros(rows.shape[:-1], np.int64)
    for byte in np.moveaxis(rows, -1, 0):  # the first byte is the most significant
        states = states * 256 + byte
    return states


def name_states(counts: NDArray[np.int64]) -> list[dict[str, int]]:
    """Turn counts (B, 2^n) into dictionaries by bit string, qubit 0 last, without zero counts.

    >>> name_states(np.array([[3, 0, 0, 1]]))
    [{'00': 3, '11': 1}]
    """
    num_qubits = counts.shape[1].bit_length() - 1
    return [
        {f"{state:0{num_qubits}b}": int(row[state]) for state in row.nonzero()[0]} for row in counts
    ]


def name_bits(bits: BitArray) -> list[dict[str, int]]:
    """Turn the bits of B rows into dictionaries of counts by bit string, qubit 0 last.

    Any number of qubits is possible: only strings that were measured are counted.
    """
    rows = bits.reshape(bits.size)
    return [dict(sorted(rows.get_counts(row).items())) for row in range(rows.size)]

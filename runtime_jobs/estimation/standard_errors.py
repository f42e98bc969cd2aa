"""From probabilities of bit strings to values with standard errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_frequencies", "estimate_mean"]


def draw_frequencies(
    random: np.random.Generator, probabilities: NDArray[np.float64], shots: int
) -> NDArray[np.int64]:
    """How often each bit string is seen in ``shots`` shots, (B, 2^n) like ``probabilities``."""
    clipped = np.clip(probabilities, 0.0, None)  # rounding leaves -1e-17
    clipped /= clipped.sum(axis=1, keepdims=True)
    return random.multinomial(shots, clipped)


def estimate_mean(
    counts: NDArray[np.int64], table: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of what the shots are worth, (B, K), and its variance, never 0.

    The variance is that of the shots with two more that are worth the largest and the smallest
    value possible (Laplace's rule of succession for a Pauli): 4096 equal shots do not prove a
    certainty.

    Args:
        counts: (B, 2^n), each row with the same number of shots.
        table: (K, 2^n), what each bit string is worth to each observable.
    """
    shots = int(counts[0].sum())
    total = counts @ table.T
    squares = counts @ (table**2).T
    largest = np.abs(table).max(axis=1)
    mean = total / (shots + 2)
    variance = (squares + 2 * largest**2) / (shots + 2) - mean**2
    return total / shots, variance / shots

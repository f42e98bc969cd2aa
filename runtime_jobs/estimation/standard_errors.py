"""Shots drawn from probabilities, and the standard errors of what they estimate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "draw_frequencies",
    "estimate_mean",
    "estimate_mean_of_shots",
    "find_probability_error",
]


def draw_frequencies(
    random: np.random.Generator, probabilities: NDArray[np.float64], shots: int
) -> NDArray[np.int64]:
    """Draw how often each bit string is seen in ``shots`` shots.

    Args:
        random: Source of the random numbers.
        probabilities: Probabilities (B, 2^n); each row is normalized.
        shots: Shots of each row.

    Returns:
        Counts (B, 2^n) in shots.
    """
    clipped = np.clip(probabilities, 0.0, None)  # rounding leaves -1e-17
    clipped /= clipped.sum(axis=1, keepdims=True)
    return random.multinomial(shots, clipped)


def estimate_mean(
    counts: NDArray[np.int64], table: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate the means of K observables and the variances of these estimates.

    The variance is that of the shots with two more, which have the largest and the smallest value
    possible (Laplace's rule of succession for a Pauli operator). It is never 0: 4096 equal shots do
    not prove certainty.

    Args:
        counts: Counts (B, 2^n), each row with the same number of shots.
        table: Value (K, 2^n) of each bit string for each observable.

    Returns:
        Means (B, K) and their variances (B, K).
    """
    shots = int(counts[0].sum())
    return _smooth(counts @ table.T, counts @ (table**2).T, np.abs(table).max(axis=1), shots)


def estimate_mean_of_shots(values: NDArray[np.float64], largest: float) -> tuple[float, float]:
    """Estimate the mean of an observable, and the variance of the estimate, from each shot.

    Args:
        values: Value (shots,) of the observable in each shot.
        largest: The largest absolute value that is possible.

    Returns:
        Mean and variance, as :func:`estimate_mean` gives them.
    """
    mean, variance = _smooth(values.sum(), (values**2).sum(), largest, len(values))
    return float(mean), float(variance)


def _smooth(total: Any, squares: Any, largest: Any, shots: int) -> tuple[Any, Any]:
    """Return mean and variance of the mean with Laplace's two further shots."""
    mean = total / (shots + 2)
    variance = (squares + 2 * largest**2) / (shots + 2) - mean**2
    return total / shots, variance / shots


def find_probability_error(frequency: float, shots: int) -> float:
    """Standard error of a probability estimated by a frequency, never 0 (Laplace's rule)."""
    smooth = (frequency * shots + 1) / (shots + 2)
    return math.sqrt(smooth * (1 - smooth) / shots)

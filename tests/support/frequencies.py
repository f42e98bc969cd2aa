"""Frequencies of drawn values against their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2

LEAST_EXPECTED = 5


def find_p_value(seen: np.ndarray, probabilities: np.ndarray) -> float:
    """Pearson's test; cells that expect fewer than 5 shots are pooled."""
    counts = np.bincount(seen, minlength=len(probabilities))
    expected = probabilities * len(seen)
    small = expected < LEAST_EXPECTED
    if small.any():
        # A pool that still expects too few joins the smallest of the others.
        if expected[small].sum() < LEAST_EXPECTED and not small.all():
            small[np.argmin(np.where(small, np.inf, expected))] = True
        counts = np.append(counts[~small], counts[small].sum())
        expected = np.append(expected[~small], expected[small].sum())
    if len(counts) < 2:
        return 1.0
    statistic = ((counts - expected) ** 2 / expected).sum()
    return float(chi2.sf(statistic, len(counts) - 1))


def is_rejected(p_values: Sequence[float], level: float) -> bool:
    """Holm's correction rejects something where it rejects the smallest."""
    return min(p_values) * len(p_values) < level

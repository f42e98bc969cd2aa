"""A renewal process whose memory is one qubit, and that no finite classical memory generates.

In each step the qubit turns, and is asked weakly whether it is in |1>. If it answers yes, there is
an event (1), and the qubit is back in |0>; otherwise (0) it stays, a little less in |1>. With the
angle theta and the strength q the Kraus operators are

    K_1 = sqrt(q) |0><1| R,   K_0 = diag(1, sqrt(1 - q)) R,   R = [[cos, -sin], [sin, cos]](theta).

The probability that no event follows in n steps, Phi(n) = |K_0^n |0>|^2, oscillates as it falls.
Where the eigenvalues of K_0 are complex and their angle is no rational multiple of pi, a classical
hidden Markov chain needs infinitely many states: eigenvalues of greatest modulus of a matrix
without negative entries are at roots of unity (Perron and Frobenius; Monras and Winter,
arXiv:1412.3634). Qubits as memories of renewal processes: Wu et al., arXiv:2208.12744.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["compute_hazards", "draw_events"]


def compute_hazards(angle: float, strength: float, num_steps: int) -> NDArray[np.float64]:
    """Compute the probability of an event in a step, given n steps without one before it.

    Args:
        angle: theta in radians.
        strength: q, from 0 to 1.
        num_steps: The number of hazards, n = 0, 1, ...
    """
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    state, hazards = np.array([1.0, 0.0]), np.empty(num_steps)
    for step in range(num_steps):
        state = turn @ state
        hazards[step] = strength * state[1] ** 2
        state[1] *= math.sqrt(1 - strength)
        state /= math.hypot(*state)
    return hazards


def draw_events(
    hazards: NDArray[np.float64], count: int, num_steps: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw records that begin right after an event.

    Args:
        hazards: At least ``num_steps`` hazards of :func:`compute_hazards`.
        count: N, the number of records.
        num_steps: T.
        random: Draws the events.

    Returns:
        The events, (N, T) 0 or 1, and the probabilities of 1 given the record before.
    """
    drawn = random.random((count, num_steps))
    events, probabilities = np.empty(drawn.shape, np.int64), np.empty(drawn.shape)
    ages = np.zeros(count, np.int64)
    for step in range(num_steps):
        probabilities[:, step] = hazards[ages]
        events[:, step] = drawn[:, step] < probabilities[:, step]
        ages = np.where(events[:, step] == 1, 0, ages + 1)
    return events, probabilities

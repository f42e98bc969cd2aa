"""The controller inside the compiled recurrence: one hidden layer at most, in lane vectors.

Element i of a layer is lane vector i of a one-dimensional array. The part of the first layer that
reads the input does not depend on the readouts; it is computed for all steps at once by torch and
arrives as ``drive``.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from qrnn_qiskit.simulator.compilation import kernel
from qrnn_qiskit.simulator.lanes import load, splat, store

LINEAR, RELU, GELU, GLU = 0, 1, 2, 3


class Network(NamedTuple):
    """Weights of the feedback part of the controller, of the states' dtype.

    Attributes:
        kind: LINEAR, RELU, GELU or GLU.
        feedback: (W, S) from the values of Pauli strings to the first layer, W its width.
        feedback_t: (S, W) its transpose.
        output: (P, H) from the hidden layer to angles; (0, 0) for LINEAR.
        output_t: (H, P) its transpose.
        bias: (P,) of the angles.
    """

    kind: int
    feedback: Any
    feedback_t: Any
    output: Any
    output_t: Any
    bias: Any


@kernel
def add_product(matrix: Any, vector: Any, result: Any) -> None:
    """Add matrix @ vector to ``result``, lane by lane; four rows at a time to hide latency."""
    rows, columns = matrix.shape
    i = 0
    while i + 4 <= rows:
        a, b = load(result, i), load(result, i + 1)
        c, d = load(result, i + 2), load(result, i + 3)
        for k in range(columns):
            v = load(vector, k)
            a = a + splat(result, matrix[i, k]) * v
            b = b + splat(result, matrix[i + 1, k]) * v
            c = c + splat(result, matrix[i + 2, k]) * v
            d = d + splat(result, matrix[i + 3, k]) * v
        store(result, i, a)
        store(result, i + 1, b)
        store(result, i + 2, c)
        store(result, i + 3, d)
        i += 4
    while i < rows:
        a = load(result, i)
        for k in range(columns):
            a = a + splat(result, matrix[i, k]) * load(vector, k)
        store(result, i, a)
        i += 1


@kernel
def activate(kind: int, first: Any, hidden: Any, slope: Any) -> None:
    """Set ``hidden`` to the activation of ``first`` and ``slope`` to its derivatives by ``first``.

    GELU is the exact one, u Phi(u). GLU multiplies the first half by the sigmoid of the second.
    """
    if kind == GLU:
        half = hidden.size
        for i in range(half):
            value, gate = first[i], first[half + i]
            sigmoid = 1.0 / (1.0 + math.exp(-gate))
            hidden[i] = value * sigmoid
            slope[i] = sigmoid
            slope[half + i] = value * sigmoid * (1.0 - sigmoid)
        return
    for i in range(hidden.size):
        u = first[i]
        if kind == RELU:
            hidden[i] = u if u > 0.0 else 0.0
            slope[i] = 1.0 if u > 0.0 else 0.0
        else:
            below = 0.5 + 0.5 * math.erf(u * math.sqrt(0.5))
            density = math.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi)
            hidden[i] = u * below
            slope[i] = below + u * density


@kernel
def drop(masks: Any, step: int, first: int, lanes: int, hidden: Any, slope: Any) -> None:
    """Multiply ``hidden`` and ``slope`` by the dropout masks (B, T, H) of this step."""
    width = masks.shape[2]
    for lane in range(min(lanes, masks.shape[0] - first)):
        for i in range(slope.size // lanes):
            slope[i * lanes + lane] *= masks[first + lane, step, i % width]
        for i in range(width):
            hidden[i * lanes + lane] *= masks[first + lane, step, i]


@kernel
def pull_hidden(slope: Any, hidden: Any, first: Any) -> None:
    """Turn the derivative by ``hidden`` into the derivative by the first layer."""
    for i in range(slope.size):
        first[i] = slope[i] * hidden[i % hidden.size]

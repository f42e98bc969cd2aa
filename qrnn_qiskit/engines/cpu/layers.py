"""The controller inside the compiled recurrence: at most one hidden layer, in lane vectors.

Element i of a layer is lane vector i of a one-dimensional array. A weight is the same for all
sequences, so a matrix product is, for each weight, one broadcast and one fused multiply-add.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qrnn_qiskit.engines.contract import GLU, RELU
from qrnn_qiskit.engines.cpu.float64 import (
    DOUBLE_LANES,
    absolute,
    copy_sign,
    define_polynomial,
    exponential,
    greater,
    load_part,
    spread,
    store_part,
)
from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, store
from qrnn_qiskit.engines.cpu.numba_compiler import kernel


@kernel
def add_product(matrix: Any, vector: Any, result: Any) -> None:
    """Add matrix @ vector to ``result``, lane by lane.

    Four rows at a time: a multiply-add takes several cycles, and the sums of four rows do not wait
    for each other. They also share the load of the vector's element.
    """
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
def transpose_all(matrices: Any, columns: int) -> Any:
    """Return the last ``columns`` columns of each matrix as the rows of a matrix of a new array.

    Copied once per call, so that :func:`add_product` reads consecutive weights in backward, too,
    and is compiled for one layout only.
    """
    count, height, width = matrices.shape
    rows = np.empty((count, columns, height), matrices.dtype)
    for register in range(count):
        for i in range(columns):
            for k in range(height):
                rows[register, i, k] = matrices[register, k, width - columns + i]
    return rows


@kernel
def apply_layer(weight: Any, bias: Any, vector: Any, result: Any) -> None:
    """Set ``result`` to weight @ vector + bias, lane by lane."""
    for i in range(bias.size):
        store(result, i, splat(result, bias[i]))
    add_product(weight, vector, result)


# For z >= 0, erfc(z) exp(z^2) / t is this polynomial of 2 t - 1 with t = 3 / (3 + z), to within
# 4e-16: the interpolation in 25 Chebyshev nodes. LLVM has no error function for vectors.
_tail_series: Any = define_polynomial(
    [
        6.034271894545842e-11,
        -2.700889541334419e-10,
        -3.598345759503592e-10,
        2.8963907655785435e-09,
        -2.3845837151650604e-10,
        -1.7056980515505438e-08,
        1.521823345741905e-08,
        7.794578660145061e-08,
        -1.3585628142274327e-07,
        -3.329341506078094e-07,
        9.217159972005492e-07,
        1.5830066026471314e-06,
        -5.823491992514211e-06,
        -1.0132682786548133e-05,
        3.5853822251279296e-05,
        9.225927107779572e-05,
        -0.00018276989641738932,
        -0.0010113539986468072,
        -0.0004041388757936664,
        0.008942411541347221,
        0.039842587095765526,
        0.10348908730019453,
        0.19674278570136725,
        0.29446481772329447,
        0.3580023023627799,
    ]
)


@kernel
def activate(kind: int, first: Any, hidden: Any, slope: Any) -> None:
    """Set ``hidden`` to the activation of ``first`` and ``slope`` to its derivatives.

    GELU is the exact one, u Phi(u). GLU multiplies the first half by the sigmoid of the second.
    """
    parts = hidden.size // DOUBLE_LANES
    zero, one, half = spread(0.0), spread(1.0), spread(0.5)
    for i in range(parts):
        u = load_part(first, i)
        if kind == GLU:
            gate = load_part(first, parts + i)
            sigmoid = one / (one + exponential(-gate))
            store_part(hidden, i, u * sigmoid)
            store_part(slope, i, sigmoid)
            store_part(slope, parts + i, u * sigmoid * (one - sigmoid))
        elif kind == RELU:
            step = half - copy_sign(half, zero - u)  # 0 at 0, as in torch
            store_part(hidden, i, greater(u, zero))
            store_part(slope, i, step)
        else:
            # u Phi(u) with Phi(u) = 1/2 + sign(u) (1/2 - tail), where tail = erfc(z) / 2 and
            # z = |u| / sqrt(2); the derivative is Phi(u) + u exp(-u^2 / 2) / sqrt(2 pi).
            bell = exponential(-half * u * u)
            t = spread(3.0) / (spread(3.0) + spread(math.sqrt(0.5)) * absolute(u))
            tail = half * bell * t * _tail_series(t + t - one)
            below = half + copy_sign(half - tail, u)
            store_part(hidden, i, u * below)
            store_part(slope, i, below + spread(1.0 / math.sqrt(2.0 * math.pi)) * u * bell)


@kernel
def drop(masks: Any, units: int, layer: int, hidden: Any, slope: Any) -> None:
    """Multiply ``hidden`` and ``slope`` by the dropout factors of ``hidden``.

    With GLU the layer is twice as wide as ``hidden``, and either half takes the same factors.
    """
    for i in range(units):
        store(hidden, i, load(masks, i) * load(hidden, i))
    for i in range(layer):
        store(slope, i, load(masks, i if i < units else i - units) * load(slope, i))


@kernel
def pull_hidden(slope: Any, at: int, units: int, layer: int, hidden: Any, first: Any) -> None:
    """Set ``first``, the derivative with respect to the first layer, from that of ``hidden``.

    ``slope`` holds the derivatives of the activation from lane vector ``at`` on.
    """
    for i in range(layer):
        store(first, i, load(slope, at + i) * load(hidden, i if i < units else i - units))

"""Triton functions for X and Y of three neighbour qubits at once: the usual readouts, in one pass.

States are as in :mod:`.rotations`, strings as in :mod:`.readouts`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from qrnn_qiskit.gpu.rotations import load_eight


@triton.jit
def _multiply(
    re: tl.tensor, im: tl.tensor, a: tl.tensor, b: tl.tensor, c: tl.tensor, d: tl.tensor
) -> tl.tensor:
    """Add conj(c + i d) (a + i b) to re + i im."""
    return re + c * a + d * b, im + c * b - d * a


@triton.jit
def _write_pair(
    re: tl.tensor, im: tl.tensor, places: tl.tensor, scale: tl.tensor, values: tl.tensor
) -> None:
    x, y = tl.load(places), tl.load(places + 1)
    tl.store(values + x, 2.0 * scale * tl.sum(re, 0), x >= 0)
    tl.store(values + y, -2.0 * scale * tl.sum(im, 0), y >= 0)


@triton.jit
def read_neighbours(
    psi: tl.tensor,
    window: tl.tensor,
    scale: tl.tensor,
    values: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Write ``scale`` <psi|P|psi> of X and Y of three neighbour qubits to ``values``.

    ``window`` points at the lowest qubit and the place of each of the six, or -1 for none.
    """
    low = tl.load(window)
    far = 1 << low
    zero = tl.zeros([TILE // 8], psi.dtype.element_ty)
    x0, y0, x1, y1, x2, y2 = zero, zero, zero, zero, zero, zero
    for start in range(0, (1 << N) // 8, TILE // 8):
        k = start + tl.arange(0, TILE // 8)
        place = psi + (((k >> low) << (low + 3)) | (k & (far - 1)))
        a, b, c, d, e, f, g, h = load_eight(place, far)
        p, q, r, s, t, u, v, w = load_eight(place + (1 << N), far)
        x0, y0 = _multiply(x0, y0, a, p, b, q)
        x0, y0 = _multiply(x0, y0, c, r, d, s)
        x0, y0 = _multiply(x0, y0, e, t, f, u)
        x0, y0 = _multiply(x0, y0, g, v, h, w)
        x1, y1 = _multiply(x1, y1, a, p, c, r)
        x1, y1 = _multiply(x1, y1, b, q, d, s)
        x1, y1 = _multiply(x1, y1, e, t, g, v)
        x1, y1 = _multiply(x1, y1, f, u, h, w)
        x2, y2 = _multiply(x2, y2, a, p, e, t)
        x2, y2 = _multiply(x2, y2, b, q, f, u)
        x2, y2 = _multiply(x2, y2, c, r, g, v)
        x2, y2 = _multiply(x2, y2, d, s, h, w)
    _write_pair(x0, y0, window + 1, scale, values)
    _write_pair(x1, y1, window + 3, scale, values)
    _write_pair(x2, y2, window + 5, scale, values)


@triton.jit
def _load_weights(weights: tl.tensor, places: tl.tensor) -> tl.tensor:
    """Twice the weights of X and Y of a qubit; 0 for a negative place."""
    x, y = tl.load(places), tl.load(places + 1)
    return 2.0 * tl.load(weights + x, x >= 0, 0.0), 2.0 * tl.load(weights + y, y >= 0, 0.0)


@triton.jit
def _add_pair(
    re: tl.tensor, im: tl.tensor, x: tl.tensor, y: tl.tensor, c: tl.tensor, d: tl.tensor
) -> tl.tensor:
    return re + x * c + y * d, im + x * d - y * c


@triton.jit
def pull_neighbours(
    psi: tl.tensor,
    lam: tl.tensor,
    window: tl.tensor,
    weights: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Add 2 sum_j weights_j P_j psi over X and Y of three neighbour qubits to ``lam``."""
    low = tl.load(window)
    far = 1 << low
    x0, y0 = _load_weights(weights, window + 1)
    x1, y1 = _load_weights(weights, window + 3)
    x2, y2 = _load_weights(weights, window + 5)
    for start in range(0, 1 << N, TILE):
        i = start + tl.arange(0, TILE)
        re, im = tl.load(lam + i), tl.load(lam + i + (1 << N))
        for bit in tl.static_range(3):
            x = x0 if bit == 0 else (x1 if bit == 1 else x2)
            y = y0 if bit == 0 else (y1 if bit == 1 else y2)
            other = psi + (i ^ (far << bit))
            sign = tl.where((i & (far << bit)) != 0, -y, y)
            re, im = _add_pair(re, im, x, sign, tl.load(other), tl.load(other + (1 << N)))
        tl.store(lam + i, re)
        tl.store(lam + i + (1 << N), im)

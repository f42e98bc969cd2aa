"""Triton functions for X and Y of three neighbour qubits at once: the usual readouts, in one pass.

States are as in :mod:`.rotations`, ``values`` and ``weights`` as in :mod:`.readouts`. The letters a
to h and p to w and their pairs are those of :mod:`qrnn_qiskit.engines.cpu.neighbours`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from qrnn_qiskit.engines.gpu.rotations import load_eight
from qrnn_qiskit.engines.program import Window

WINDOW_SIZE = tl.constexpr(len(Window._fields))
_X0 = tl.constexpr(Window._fields.index("x0"))
_Y0 = tl.constexpr(Window._fields.index("y0"))
_X1 = tl.constexpr(Window._fields.index("x1"))
_X2 = tl.constexpr(Window._fields.index("x2"))


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
    """Write <X> = 2 Re z and <Y> = -2 Im z times ``scale``, each unless its place is -1."""
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

    ``window`` points at the fields of a :class:`~qrnn_qiskit.engines.program.Window`.
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
    _write_pair(x0, y0, window + _X0, scale, values)
    _write_pair(x1, y1, window + _X1, scale, values)
    _write_pair(x2, y2, window + _X2, scale, values)


@triton.jit
def pull_neighbours(
    re: tl.tensor,
    im: tl.tensor,
    x: tl.tensor,
    psi: tl.tensor,
    window: tl.tensor,
    weights: tl.tensor,
    N: tl.constexpr,
) -> tl.tuple:
    """Add sum_j weights_j P_j psi over X and Y of three neighbour qubits to amplitudes ``x``.

    The sum so far is re + i im; ``window`` is as in :func:`read_neighbours`. Amplitude x receives
    (weight_X - i weight_Y) times the amplitude with the qubit's bit flipped, with a plus where the
    bit of x is 1. Each thread gathers what its own amplitudes receive, so no sum is shared.
    """
    low = tl.load(window)
    for number in tl.static_range(3):
        bit = 1 << (low + number)
        by_x, by_y = tl.load(window + _X0 + 2 * number), tl.load(window + _Y0 + 2 * number)
        weight = tl.load(weights + by_x, by_x >= 0, 0.0)
        turned = tl.load(weights + by_y, by_y >= 0, 0.0)
        turned = tl.where((x & bit) != 0, -turned, turned)
        c, d = tl.load(psi + (x ^ bit)), tl.load(psi + (x ^ bit) + (1 << N))
        re, im = re + weight * c + turned * d, im + weight * d - turned * c
    return re, im

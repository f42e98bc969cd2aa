"""Triton functions for RY and controlled RY: forward, and backward with un-computation and slope.

A state is a row of 2 * 2^n numbers, the real parts of all amplitudes and then the imaginary parts:
qubit q is bit q of a place, and bit n is the part. (On the CPU the part is bit 0. Here neighbouring
threads read neighbouring amplitudes, so the parts are apart.) ``turns`` holds cosine and sine of
half the angle of column j at 2 j and 2 j + 1, ``slopes`` the derivative of the loss with respect to
that angle at j. ``N`` is n, and ``TILE`` the number of amplitudes per pass of a loop.

The mathematics is in :mod:`qrnn_qiskit.engines.cpu.rotations`.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def load_turn(turns: tl.tensor, column: tl.tensor) -> tl.tuple:
    """Return cosine and sine of half the angle of ``column``; those of 0 for column -1."""
    cosine = tl.load(turns + 2 * column, column >= 0, 1.0)
    sine = tl.load(turns + 2 * column + 1, column >= 0, 0.0)
    return cosine, sine


@triton.jit
def _turn_pair(c: tl.tensor, s: tl.tensor, a: tl.tensor, b: tl.tensor) -> tl.tuple:
    return c * a - s * b, c * b + s * a


@triton.jit
def load_eight(place: tl.tensor, far: tl.tensor) -> tl.tuple:
    """Return eight numbers from ``place`` on, ``far`` apart."""
    return (
        tl.load(place),
        tl.load(place + far),
        tl.load(place + 2 * far),
        tl.load(place + 3 * far),
        tl.load(place + 4 * far),
        tl.load(place + 5 * far),
        tl.load(place + 6 * far),
        tl.load(place + 7 * far),
    )


@triton.jit
def _turn_and_store(
    place: tl.tensor,
    far: tl.tensor,
    eight: tl.tuple,
    c0: tl.tensor,
    s0: tl.tensor,
    c1: tl.tensor,
    s1: tl.tensor,
    c2: tl.tensor,
    s2: tl.tensor,
) -> None:
    """Rotate bits 0, 1 and 2 of the place in ``eight`` by (cosine, sine) each."""
    a, b, c, d, e, f, g, h = eight
    a, b = _turn_pair(c0, s0, a, b)
    c, d = _turn_pair(c0, s0, c, d)
    e, f = _turn_pair(c0, s0, e, f)
    g, h = _turn_pair(c0, s0, g, h)
    a, c = _turn_pair(c1, s1, a, c)
    b, d = _turn_pair(c1, s1, b, d)
    e, g = _turn_pair(c1, s1, e, g)
    f, h = _turn_pair(c1, s1, f, h)
    a, e = _turn_pair(c2, s2, a, e)
    b, f = _turn_pair(c2, s2, b, f)
    c, g = _turn_pair(c2, s2, c, g)
    d, h = _turn_pair(c2, s2, d, h)
    tl.store(place, a)
    tl.store(place + far, b)
    tl.store(place + 2 * far, c)
    tl.store(place + 3 * far, d)
    tl.store(place + 4 * far, e)
    tl.store(place + 5 * far, f)
    tl.store(place + 6 * far, g)
    tl.store(place + 7 * far, h)


@triton.jit
def rotate_three(
    psi: tl.tensor,
    qubit: tl.tensor,
    turns: tl.tensor,
    columns: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Apply RY to ``qubit`` and the next two in one pass; column -1 leaves a qubit unchanged."""
    if N >= 3:
        c0, s0 = load_turn(turns, tl.load(columns))
        c1, s1 = load_turn(turns, tl.load(columns + 1))
        c2, s2 = load_turn(turns, tl.load(columns + 2))
        far = 1 << qubit
        for start in range(0, (2 << N) // 8, 2 * TILE // 8):
            k = start + tl.arange(0, 2 * TILE // 8)
            i = ((k >> qubit) << (qubit + 3)) | (k & (far - 1))
            _turn_and_store(psi + i, far, load_eight(psi + i, far), c0, s0, c1, s1, c2, s2)


@triton.jit
def unrotate_three(
    psi: tl.tensor,
    lam: tl.tensor,
    qubit: tl.tensor,
    turns: tl.tensor,
    columns: tl.tensor,
    slopes: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Undo :func:`rotate_three` on ``psi`` and ``lam`` and write the slopes."""
    if N >= 3:
        c0, s0 = load_turn(turns, tl.load(columns))
        c1, s1 = load_turn(turns, tl.load(columns + 1))
        c2, s2 = load_turn(turns, tl.load(columns + 2))
        low = tl.zeros([2 * TILE // 8], psi.dtype.element_ty)
        middle = tl.zeros([2 * TILE // 8], psi.dtype.element_ty)
        high = tl.zeros([2 * TILE // 8], psi.dtype.element_ty)
        far = 1 << qubit
        for start in range(0, (2 << N) // 8, 2 * TILE // 8):
            k = start + tl.arange(0, 2 * TILE // 8)
            i = ((k >> qubit) << (qubit + 3)) | (k & (far - 1))
            a, b, c, d, e, f, g, h = load_eight(psi + i, far)
            p, q, r, s, t, u, v, w = load_eight(lam + i, far)
            low += a * q - b * p + c * s - d * r + e * u - f * t + g * w - h * v
            middle += a * r - c * p + b * s - d * q + e * v - g * t + f * w - h * u
            high += a * t - e * p + b * u - f * q + c * v - g * r + d * w - h * s
            _turn_and_store(psi + i, far, (a, b, c, d, e, f, g, h), c0, -s0, c1, -s1, c2, -s2)
            _turn_and_store(lam + i, far, (p, q, r, s, t, u, v, w), c0, -s0, c1, -s1, c2, -s2)
        _write_slope(slopes, tl.load(columns), low)
        _write_slope(slopes, tl.load(columns + 1), middle)
        _write_slope(slopes, tl.load(columns + 2), high)


@triton.jit
def _write_slope(slopes: tl.tensor, column: tl.tensor, parts: tl.tensor) -> None:
    tl.store(slopes + column, 0.5 * tl.sum(parts, 0), column >= 0)


@triton.jit
def _insert_zero(index: tl.tensor, position: tl.tensor) -> tl.tensor:
    """Move the bits of ``index`` from ``position`` on one place up, with a 0 at ``position``."""
    return ((index >> position) << (position + 1)) | (index & ((1 << position) - 1))


@triton.jit
def _find_pairs(k: tl.tensor, target: tl.tensor, control: tl.tensor) -> tl.tensor:
    """Return place k of those in which ``target`` is 0 and ``control``, if any, is 1."""
    place = _insert_zero(k, target)
    if control >= 0:
        first = _insert_zero(k, tl.minimum(control, target))
        place = _insert_zero(first, tl.maximum(control, target)) | (1 << control)
    return place


@triton.jit
def rotate_pairs(
    psi: tl.tensor,
    target: tl.tensor,
    control: tl.tensor,
    turns: tl.tensor,
    column: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Apply RY to ``target``, where ``control`` is 1; everywhere for control -1."""
    c, s = load_turn(turns, column)
    pairs = tl.where(control >= 0, (2 << N) // 4, (2 << N) // 2)
    for start in range(0, pairs, TILE):
        k = start + tl.arange(0, TILE)
        i = psi + _find_pairs(k, target, control)
        j = i + (1 << target)
        a, b = _turn_pair(c, s, tl.load(i, k < pairs, 0.0), tl.load(j, k < pairs, 0.0))
        tl.store(i, a, k < pairs)
        tl.store(j, b, k < pairs)


@triton.jit
def unrotate_pairs(
    psi: tl.tensor,
    lam: tl.tensor,
    target: tl.tensor,
    control: tl.tensor,
    turns: tl.tensor,
    column: tl.tensor,
    slopes: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Undo :func:`rotate_pairs` on ``psi`` and ``lam`` and write its slope."""
    c, s = load_turn(turns, column)
    slope = tl.zeros([TILE], psi.dtype.element_ty)
    pairs = tl.where(control >= 0, (2 << N) // 4, (2 << N) // 2)
    for start in range(0, pairs, TILE):
        k = start + tl.arange(0, TILE)
        i = _find_pairs(k, target, control)
        j = i + (1 << target)
        a, b = tl.load(psi + i, k < pairs, 0.0), tl.load(psi + j, k < pairs, 0.0)
        f, g = tl.load(lam + i, k < pairs, 0.0), tl.load(lam + j, k < pairs, 0.0)
        slope += a * g - b * f
        a, b = _turn_pair(c, -s, a, b)
        f, g = _turn_pair(c, -s, f, g)
        tl.store(psi + i, a, k < pairs)
        tl.store(psi + j, b, k < pairs)
        tl.store(lam + i, f, k < pairs)
        tl.store(lam + j, g, k < pairs)
    _write_slope(slopes, column, slope)

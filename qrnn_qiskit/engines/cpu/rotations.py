"""Kernels for RY and controlled RY: forward, and backward with un-computation and gradient.

A state is a one-dimensional array in which lane vectors 2 x and 2 x + 1 are the real and imaginary
parts of the amplitude of basis state x, one lane per sequence. ``turns`` holds cosine and sine of
half the angle of column j in lane vectors 2 j and 2 j + 1. ``slopes`` collects the derivative of
the loss by the angle of column j in lane vector j.

RY(t) = [[c, -s], [s, c]] with c = cos(t / 2) and s = sin(t / 2) is real, so real and imaginary
parts never mix: the kernels treat a state as 2 * 2^n real lane vectors whose number has one bit
more than a basis state. Bit 0 is the part, bit q + 1 is qubit q.

Backward holds the adjoint lam, by which the loss changes by Re<lam|d psi>, and undoes each gate on
both psi and lam (RY is orthogonal, so the transpose undoes it on either). The derivative of a gate
is d RY / dt = G RY / 2 with G = [[0, -1], [1, 0]], so that

    d loss / dt = 1/2 Re<lam|G psi> = 1/2 sum over pairs (a, b) of (a lam_b - b lam_a),

taken after the gate, where a and b are amplitudes whose bit of the qubit is 0 and 1.
"""

from __future__ import annotations

from typing import Any

from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, store
from qrnn_qiskit.engines.cpu.numba_compiler import inline, kernel


@inline
def insert_zero(index: int, position: int) -> int:
    """Move the bits of ``index`` from ``position`` on one place up, with a 0 at ``position``."""
    return ((index >> position) << (position + 1)) | (index & ((1 << position) - 1))


@inline
def _load_turn(turns: Any, column: int) -> Any:
    """Return cosine and sine of half the angle of ``column``; those of 0 for column -1."""
    if column < 0:
        return splat(turns, 1.0), splat(turns, 0.0)
    return load(turns, 2 * column), load(turns, 2 * column + 1)


@inline
def _turn_back(turn: Any) -> Any:
    """Return cosine and sine of the opposite angle."""
    return turn[0], -turn[1]


@inline
def _turn_pair(turn: Any, a: Any, b: Any) -> Any:
    """Apply RY to a pair of numbers whose bit of the qubit is 0 and 1."""
    c, s = turn
    return c * a - s * b, c * b + s * a


@inline
def load_eight(vectors: Any, i: int, far: int) -> Any:
    """Return eight lane vectors from number ``i`` on, ``far`` apart.

    They are written out, because Numba cannot fill a tuple in a loop, and an array would keep the
    eight vectors in memory instead of registers.
    """
    return (
        load(vectors, i),
        load(vectors, i + far),
        load(vectors, i + 2 * far),
        load(vectors, i + 3 * far),
        load(vectors, i + 4 * far),
        load(vectors, i + 5 * far),
        load(vectors, i + 6 * far),
        load(vectors, i + 7 * far),
    )


@inline
def _turn_and_store(
    vectors: Any, i: int, far: int, eight: Any, first: Any, second: Any, third: Any
) -> None:
    """Rotate bits 0, 1 and 2 of the place in ``eight`` by (cosine, sine) each.

    The letters a to h stand for the bits 000, 001, 010, 011, 100, 101, 110, 111 of three qubits,
    the last digit being the lowest qubit. RY on one of them is four rotations of pairs: (a, b),
    (c, d), (e, f), (g, h) for the lowest, distance 2 for the middle, distance 4 for the highest.
    """
    a, b, c, d, e, f, g, h = eight
    a, b = _turn_pair(first, a, b)
    c, d = _turn_pair(first, c, d)
    e, f = _turn_pair(first, e, f)
    g, h = _turn_pair(first, g, h)
    a, c = _turn_pair(second, a, c)
    b, d = _turn_pair(second, b, d)
    e, g = _turn_pair(second, e, g)
    f, h = _turn_pair(second, f, h)
    a, e = _turn_pair(third, a, e)
    b, f = _turn_pair(third, b, f)
    c, g = _turn_pair(third, c, g)
    d, h = _turn_pair(third, d, h)
    store(vectors, i, a)
    store(vectors, i + far, b)
    store(vectors, i + 2 * far, c)
    store(vectors, i + 3 * far, d)
    store(vectors, i + 4 * far, e)
    store(vectors, i + 5 * far, f)
    store(vectors, i + 6 * far, g)
    store(vectors, i + 7 * far, h)


@kernel
def rotate_three(psi: Any, vectors: int, qubit: int, turns: Any, columns: Any) -> None:
    """Apply RY to ``qubit`` and the next two in one pass.

    Each amplitude is loaded and stored once for three qubits. The eight vectors (in backward
    sixteen, with three sums) and the six cosines and sines fit into the 32 registers of AVX-512. A
    qubit whose column is -1 is left unchanged, at the price of multiplications by 1 and 0.
    """
    first, second, third = (
        _load_turn(turns, columns[0]),
        _load_turn(turns, columns[1]),
        _load_turn(turns, columns[2]),
    )
    bit = qubit + 1  # bit 0 of the number of a lane vector is the part
    far = 1 << bit
    for k in range(vectors >> 3):
        i = ((k >> bit) << (bit + 3)) | (k & (far - 1))  # three zeros inserted at ``bit``
        _turn_and_store(psi, i, far, load_eight(psi, i, far), first, second, third)


@kernel
def unrotate_three(
    psi: Any, lam: Any, vectors: int, qubit: int, turns: Any, columns: Any, slopes: Any
) -> None:
    """Undo :func:`rotate_three` on ``psi`` and ``lam`` and add the derivatives to ``slopes``.

    The three rotations commute, so all three derivatives are taken from the same sixteen vectors
    after the sweep, before any of them is undone: one pass over both states gives everything.
    """
    first, second, third = (
        _turn_back(_load_turn(turns, columns[0])),
        _turn_back(_load_turn(turns, columns[1])),
        _turn_back(_load_turn(turns, columns[2])),
    )
    low, middle, high = splat(psi, 0.0), splat(psi, 0.0), splat(psi, 0.0)
    bit = qubit + 1
    far = 1 << bit
    for k in range(vectors >> 3):
        i = ((k >> bit) << (bit + 3)) | (k & (far - 1))
        a, b, c, d, e, f, g, h = load_eight(psi, i, far)
        p, q, r, s, t, u, v, w = load_eight(lam, i, far)  # lam at the places of a to h
        low = low + a * q - b * p + c * s - d * r + e * u - f * t + g * w - h * v
        middle = middle + a * r - c * p + b * s - d * q + e * v - g * t + f * w - h * u
        high = high + a * t - e * p + b * u - f * q + c * v - g * r + d * w - h * s
        _turn_and_store(psi, i, far, (a, b, c, d, e, f, g, h), first, second, third)
        _turn_and_store(lam, i, far, (p, q, r, s, t, u, v, w), first, second, third)
    _add_slope(slopes, columns[0], low)
    _add_slope(slopes, columns[1], middle)
    _add_slope(slopes, columns[2], high)


@kernel
def _add_slope(slopes: Any, column: int, slope: Any) -> None:
    """Add half of ``slope``: the 1/2 of the half angle, once per sweep and not per amplitude."""
    if column >= 0:
        store(slopes, column, load(slopes, column) + splat(slopes, 0.5) * slope)


@kernel
def rotate_pairs(
    psi: Any, vectors: int, target: int, control: int, turns: Any, column: int
) -> None:
    """Apply RY to ``target``, where ``control`` is 1; everywhere for control -1."""
    turn = _load_turn(turns, column)
    pairs = vectors >> (2 if control >= 0 else 1)
    for k in range(pairs):
        i = _pair(k, target, control)
        j = i | (2 << target)
        a, b = _turn_pair(turn, load(psi, i), load(psi, j))
        store(psi, i, a)
        store(psi, j, b)


@kernel
def unrotate_pairs(
    psi: Any,
    lam: Any,
    vectors: int,
    target: int,
    control: int,
    turns: Any,
    column: int,
    slopes: Any,
) -> None:
    """Undo :func:`rotate_pairs` on ``psi`` and ``lam`` and add its derivative to ``slopes``."""
    turn = _turn_back(_load_turn(turns, column))
    slope = splat(psi, 0.0)
    pairs = vectors >> (2 if control >= 0 else 1)
    for k in range(pairs):
        i = _pair(k, target, control)
        j = i | (2 << target)
        a, b, f, g = load(psi, i), load(psi, j), load(lam, i), load(lam, j)
        slope = slope + a * g - b * f
        a, b = _turn_pair(turn, a, b)
        f, g = _turn_pair(turn, f, g)
        store(psi, i, a)
        store(psi, j, b)
        store(lam, i, f)
        store(lam, j, g)
    _add_slope(slopes, column, slope)


@inline
def _pair(k: int, target: int, control: int) -> int:
    """Return lane vector k of those in which ``target`` is 0 and ``control``, if any, is 1.

    Two zeros are inserted, the lower one first for the positions to be right; then the bit of the
    control is set. Bit 0 of the number of a lane vector is the part, so qubit q is bit q + 1.
    """
    low, high = min(control, target) + 1, max(control, target) + 1
    number: int = insert_zero(k, high)
    if control >= 0:
        number = insert_zero(insert_zero(k, low), high) | (2 << control)
    return number

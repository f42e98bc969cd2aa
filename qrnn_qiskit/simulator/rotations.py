"""Kernels for RY and controlled RY: forward, and backward with un-computation and gradient.

A state is a one-dimensional array in which lane vectors 2 x and 2 x + 1 are the real and imaginary
parts of the amplitude of basis state x, one lane a sequence. ``turns`` holds cosine and sine of
half of the angle of column j in lane vectors 2 j and 2 j + 1. ``slopes`` collects the derivative of
the loss by the angle of column j in lane vector j.
"""

from __future__ import annotations

from typing import Any

from qrnn_qiskit.simulator.compilation import kernel
from qrnn_qiskit.simulator.lanes import load, splat, store


@kernel
def insert_zero(index: int, position: int) -> int:
    """Move the bits of ``index`` from ``position`` upwards one place up."""
    return ((index >> position) << (position + 1)) | (index & ((1 << position) - 1))


@kernel
def rotate_one(psi: Any, pairs: int, qubit: int, turns: Any, column: int) -> None:
    """Apply RY to one qubit; ``pairs`` is 2^(n-1)."""
    c, s = load(turns, 2 * column), load(turns, 2 * column + 1)
    for k in range(pairs):
        i = insert_zero(k, qubit)
        j = i | (1 << qubit)
        for part in range(2):
            a, b = load(psi, 2 * i + part), load(psi, 2 * j + part)
            store(psi, 2 * i + part, c * a - s * b)
            store(psi, 2 * j + part, s * a + c * b)


@kernel
def rotate_two(
    psi: Any, quads: int, low: int, high: int, turns: Any, column_low: int, column_high: int
) -> None:
    """Apply RY to qubits ``low`` < ``high`` in one pass; ``quads`` is 2^(n-2)."""
    c, s = load(turns, 2 * column_low), load(turns, 2 * column_low + 1)
    d, t = load(turns, 2 * column_high), load(turns, 2 * column_high + 1)
    for k in range(quads):
        i0 = insert_zero(insert_zero(k, low), high)
        i1 = i0 | (1 << low)
        i2 = i0 | (1 << high)
        i3 = i1 | (1 << high)
        for part in range(2):
            a0, a1 = load(psi, 2 * i0 + part), load(psi, 2 * i1 + part)
            a2, a3 = load(psi, 2 * i2 + part), load(psi, 2 * i3 + part)
            b0, b1 = c * a0 - s * a1, s * a0 + c * a1
            b2, b3 = c * a2 - s * a3, s * a2 + c * a3
            store(psi, 2 * i0 + part, d * b0 - t * b2)
            store(psi, 2 * i1 + part, d * b1 - t * b3)
            store(psi, 2 * i2 + part, t * b0 + d * b2)
            store(psi, 2 * i3 + part, t * b1 + d * b3)


@kernel
def unrotate_one(
    psi: Any, lam: Any, pairs: int, qubit: int, turns: Any, column: int, slopes: Any
) -> None:
    """Undo RY on one qubit of ``psi`` and ``lam`` and add its derivative to ``slopes``."""
    c, s = load(turns, 2 * column), load(turns, 2 * column + 1)
    slope = splat(psi, 0.0)
    for k in range(pairs):
        i = insert_zero(k, qubit)
        j = i | (1 << qubit)
        for part in range(2):
            a, b = load(psi, 2 * i + part), load(psi, 2 * j + part)
            f, g = load(lam, 2 * i + part), load(lam, 2 * j + part)
            slope = slope + a * g - b * f
            store(psi, 2 * i + part, c * a + s * b)
            store(psi, 2 * j + part, c * b - s * a)
            store(lam, 2 * i + part, c * f + s * g)
            store(lam, 2 * j + part, c * g - s * f)
    store(slopes, column, load(slopes, column) + splat(psi, 0.5) * slope)


@kernel
def unrotate_two(
    psi: Any,
    lam: Any,
    quads: int,
    low: int,
    high: int,
    turns: Any,
    column_low: int,
    column_high: int,
    slopes: Any,
) -> None:
    """Undo RY on qubits ``low`` < ``high`` in one pass, with both derivatives."""
    c, s = load(turns, 2 * column_low), load(turns, 2 * column_low + 1)
    d, t = load(turns, 2 * column_high), load(turns, 2 * column_high + 1)
    slope_low, slope_high = splat(psi, 0.0), splat(psi, 0.0)
    for k in range(quads):
        i0 = insert_zero(insert_zero(k, low), high)
        i1 = i0 | (1 << low)
        i2 = i0 | (1 << high)
        i3 = i1 | (1 << high)
        for part in range(2):
            a0, a1 = load(psi, 2 * i0 + part), load(psi, 2 * i1 + part)
            a2, a3 = load(psi, 2 * i2 + part), load(psi, 2 * i3 + part)
            f0, f1 = load(lam, 2 * i0 + part), load(lam, 2 * i1 + part)
            f2, f3 = load(lam, 2 * i2 + part), load(lam, 2 * i3 + part)
            slope_low = slope_low + a0 * f1 - a1 * f0 + a2 * f3 - a3 * f2
            slope_high = slope_high + a0 * f2 - a2 * f0 + a1 * f3 - a3 * f1
            b0, b1 = c * a0 + s * a1, c * a1 - s * a0
            b2, b3 = c * a2 + s * a3, c * a3 - s * a2
            store(psi, 2 * i0 + part, d * b0 + t * b2)
            store(psi, 2 * i1 + part, d * b1 + t * b3)
            store(psi, 2 * i2 + part, d * b2 - t * b0)
            store(psi, 2 * i3 + part, d * b3 - t * b1)
            g0, g1 = c * f0 + s * f1, c * f1 - s * f0
            g2, g3 = c * f2 + s * f3, c * f3 - s * f2
            store(lam, 2 * i0 + part, d * g0 + t * g2)
            store(lam, 2 * i1 + part, d * g1 + t * g3)
            store(lam, 2 * i2 + part, d * g2 - t * g0)
            store(lam, 2 * i3 + part, d * g3 - t * g1)
    half = splat(psi, 0.5)
    store(slopes, column_low, load(slopes, column_low) + half * slope_low)
    store(slopes, column_high, load(slopes, column_high) + half * slope_high)


@kernel
def rotate_controlled(
    psi: Any, quads: int, control: int, target: int, turns: Any, column: int
) -> None:
    """Apply RY to ``target`` where ``control`` is 1."""
    c, s = load(turns, 2 * column), load(turns, 2 * column + 1)
    for k in range(quads):
        i = insert_zero(insert_zero(k, min(control, target)), max(control, target))
        i |= 1 << control
        j = i | (1 << target)
        for part in range(2):
            a, b = load(psi, 2 * i + part), load(psi, 2 * j + part)
            store(psi, 2 * i + part, c * a - s * b)
            store(psi, 2 * j + part, s * a + c * b)


@kernel
def unrotate_controlled(
    psi: Any,
    lam: Any,
    quads: int,
    control: int,
    target: int,
    turns: Any,
    column: int,
    slopes: Any,
) -> None:
    """Undo a controlled RY and add its derivative to ``slopes``."""
    c, s = load(turns, 2 * column), load(turns, 2 * column + 1)
    slope = splat(psi, 0.0)
    for k in range(quads):
        i = insert_zero(insert_zero(k, min(control, target)), max(control, target))
        i |= 1 << control
        j = i | (1 << target)
        for part in range(2):
            a, b = load(psi, 2 * i + part), load(psi, 2 * j + part)
            f, g = load(lam, 2 * i + part), load(lam, 2 * j + part)
            slope = slope + a * g - b * f
            store(psi, 2 * i + part, c * a + s * b)
            store(psi, 2 * j + part, c * b - s * a)
            store(lam, 2 * i + part, c * f + s * g)
            store(lam, 2 * j + part, c * g - s * f)
    store(slopes, column, load(slopes, column) + splat(psi, 0.5) * slope)

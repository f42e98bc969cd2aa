"""From angles to cosines and sines in lane vectors, and from slopes back to gradients."""

from __future__ import annotations

import math
from typing import Any

from qrnn_qiskit.engines.cpu.float64 import (
    DOUBLE_LANES,
    absolute,
    define_polynomial,
    load_part,
    nearest,
    spread,
    store_part,
)
from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, store, sum_lanes
from qrnn_qiskit.engines.cpu.numba_compiler import inline, kernel

# pi in three parts: a multiple k of the first two is exact for |k| < 2^20 (Cody and Waite).
_PI_HIGH = 3.1415926534682512
_PI_MIDDLE = 1.2154201012607932e-10
_PI_LOW = 4.044532497591901e-21
_FAR = 1.5e6  # radians, where k is below 2^19
# Taylor polynomials in the square of the angle, cut where the next term is below 2^-55 on
# [-pi/2, pi/2].
_sine_series: Any = define_polynomial(
    [(-1.0) ** k / math.factorial(2 * k + 1) for k in range(11, -1, -1)]
)
_cosine_series: Any = define_polynomial(
    [(-1.0) ** k / math.factorial(2 * k) for k in range(11, -1, -1)]
)


@inline
def _turn(angle: Any) -> Any:
    """Cosine and sine of angles within ``_FAR`` of 0, reduced by multiples of pi."""
    k = nearest(angle * spread(1.0 / math.pi))
    r = angle - k * spread(_PI_HIGH) - k * spread(_PI_MIDDLE) - k * spread(_PI_LOW)
    q = r * r
    odd = k - spread(2.0) * nearest(spread(0.5) * k)
    sign = spread(1.0) - spread(2.0) * odd * odd
    return sign * _cosine_series(q), sign * r * _sine_series(q)


@kernel
def gather_turns(program: Any, angles: Any, turns: Any, residual: Any) -> None:
    """Fill ``turns`` with cosine and sine of half of every column.

    ``angles`` holds parameter p in radians in lane vector p. ``residual`` (float64, a lane vector's
    lanes for each column, radians) carries what rounding to float32 took from an angle over to the
    next step, so that over many steps with the same angles the error stays one rounding instead of
    growing with every step.
    """
    columns = program.offset.size
    parts = residual.size // (DOUBLE_LANES * max(columns, 1))
    for j in range(columns):
        for part in range(parts):
            half = load_part(residual, j * parts + part) + spread(0.5 * program.offset[j])
            for k in range(program.term_start[j], program.term_start[j + 1]):
                angle = load_part(angles, program.term_parameter[k] * parts + part)
                half = half + spread(0.5 * program.term_coefficient[k]) * angle
            store_part(residual, j * parts + part, half)
    _bring_near(residual)
    for j in range(columns):
        for part in range(parts):
            i = j * parts + part
            c, s = _turn(load_part(residual, i))
            cosine, sine = i + j * parts, i + (j + 1) * parts
            store_part(turns, cosine, c)
            store_part(turns, sine, s)
            store_part(residual, i, s * load_part(turns, cosine) - c * load_part(turns, sine))


@kernel
def _bring_near(angles: Any) -> None:
    """Reduce float64 ``angles`` to [-pi, pi] if one of them is further than ``_FAR`` from 0."""
    total = spread(0.0)
    for part in range(angles.size // DOUBLE_LANES):
        total = total + absolute(load_part(angles, part))
    # Where all of them together are near, each is. The others may be reduced without need.
    if sum_lanes(total) > _FAR:
        for i in range(angles.size):
            angles[i] = math.atan2(math.sin(angles[i]), math.cos(angles[i]))


@kernel
def scatter_slopes(program: Any, slopes: Any, gradient: Any) -> None:
    """Set ``gradient``, one lane vector a parameter, from the slopes of the columns."""
    gradient[:] = 0.0
    for j in range(program.offset.size):
        slope = load(slopes, j)
        for k in range(program.term_start[j], program.term_start[j + 1]):
            factor = splat(slopes, program.term_coefficient[k])
            parameter = program.term_parameter[k]
            store(gradient, parameter, load(gradient, parameter) + factor * slope)

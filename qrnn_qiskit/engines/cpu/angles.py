"""Kernels from angles to cosines and sines, and from the derivatives by columns to those by angles.

Numba would call the C library's cosine for one lane after the other; the polynomials here take all
lanes at once.
"""

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

# pi in three parts (Cody and Waite): k times either of the first two is exact for |k| < 2^20, so
# that subtracting the multiple of pi loses no digit of the rest.
_PI_HIGH = 3.1415926534682512
_PI_MIDDLE = 1.2154201012607932e-10
_PI_LOW = 4.044532497591901e-21
_FAR = 1.5e6  # radians; up to there k is below 2^19
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
    """Return cosine and sine of angles within ``_FAR`` of 0.

    An angle is k pi + r with |r| <= pi / 2; cosine and sine are those of r, negative for odd k.
    """
    k = nearest(angle * spread(1.0 / math.pi))
    r = angle - k * spread(_PI_HIGH) - k * spread(_PI_MIDDLE) - k * spread(_PI_LOW)
    q = r * r
    odd = k - spread(2.0) * nearest(spread(0.5) * k)  # 0 for even k, +1 or -1 for odd k
    sign = spread(1.0) - spread(2.0) * odd * odd
    return sign * _cosine_series(q), sign * r * _sine_series(q)


@kernel
def gather_turns(program: Any, angles: Any, turns: Any, residual: Any) -> None:
    """Fill ``turns`` with cosine and sine of half the angle of every column.

    Rounded cosines and sines turn by a slightly other angle. Over many steps with the same angles
    these errors would add up; carrying them over to the next step keeps their sum at one rounding.

    Args:
        program: The circuit.
        angles: Parameter p in radians in lane vector p.
        turns: Where to write.
        residual: What rounding took from half the angle of each column in the step before, radians,
            float64, as many lanes per column as a lane vector of ``angles`` has. Updated.
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
            # sin(half - rounded half), which for so small a difference is the difference itself.
            store_part(residual, i, s * load_part(turns, cosine) - c * load_part(turns, sine))


@kernel
def _bring_near(angles: Any) -> None:
    """Reduce float64 ``angles`` to [-pi, pi] if one of them is farther than ``_FAR`` from 0."""
    total = spread(0.0)
    for part in range(angles.size // DOUBLE_LANES):
        total = total + absolute(load_part(angles, part))
    # One comparison for all: if the sum of the distances is small, so is each. Angles that are
    # reduced without need keep their cosine and sine, and this slow path is rare. NaN passes by.
    if sum_lanes(total) > _FAR:
        for i in range(angles.size):
            angles[i] = math.atan2(math.sin(angles[i]), math.cos(angles[i]))


@kernel
def scatter_slopes(program: Any, slopes: Any, gradient: Any) -> None:
    """Set ``gradient``, one lane vector per parameter, from the slopes of the columns."""
    gradient[:] = 0.0
    for j in range(program.offset.size):
        slope = load(slopes, j)
        for k in range(program.term_start[j], program.term_start[j + 1]):
            factor = splat(slopes, program.term_coefficient[k])
            parameter = program.term_parameter[k]
            store(gradient, parameter, load(gradient, parameter) + factor * slope)

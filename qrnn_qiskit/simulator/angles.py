"""From angles to cosines and sines in lane vectors, and from slopes back to gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qrnn_qiskit.simulator.compilation import kernel

# pi/2 in three parts: a multiple k of the first two is exact for |k| < 2^20 (Cody and Waite).
_HALF_PI_HIGH = 1.5707963267341256
_HALF_PI_MIDDLE = 6.077100506303966e-11
_HALF_PI_LOW = 2.0222662487959506e-21
_FAR = 1.5e6  # radians, where k comes to 2^20


@kernel
def _turn(angle: float) -> tuple[float, float]:
    """Cosine and sine of ``angle`` in float64, without branches so that LLVM can vectorize it.

    The angle must lie within ``_FAR`` of 0. Reduction by multiples of pi/2, then the Taylor
    polynomials on [-pi/4, pi/4] cut where the next term is below 2^-54.
    """
    k = math.floor(angle * (2.0 / math.pi) + 0.5)
    r = ((angle - k * _HALF_PI_HIGH) - k * _HALF_PI_MIDDLE) - k * _HALF_PI_LOW
    q = r * r
    sine = r * (
        1.0
        + q
        * (
            -1.0 / 6
            + q
            * (
                1.0 / 120
                + q
                * (
                    -1.0 / 5040
                    + q
                    * (
                        1.0 / 362880
                        + q * (-1.0 / 39916800 + q * (1.0 / 6227020800 - q / 1307674368000.0))
                    )
                )
            )
        )
    )
    cosine = 1.0 + q * (
        -0.5
        + q
        * (
            1.0 / 24
            + q
            * (
                -1.0 / 720
                + q
                * (
                    1.0 / 40320
                    + q
                    * (
                        -1.0 / 3628800
                        + q * (1.0 / 479001600 + q * (-1.0 / 87178291200 + q / 20922789888000.0))
                    )
                )
            )
        )
    )
    quarter = k - 4.0 * math.floor(k * 0.25)
    swapped = quarter == 1.0 or quarter == 3.0
    c = sine if swapped else cosine
    s = cosine if swapped else sine
    c = -c if quarter == 1.0 or quarter == 2.0 else c
    s = -s if quarter >= 2.0 else s
    return c, s


@kernel
def gather_turns(
    program: Any, theta: Any, step: int, first: int, lanes: int, turns: Any, residual: Any
) -> None:
    """Fill ``turns`` with cosine and sine of half of every column, sequences from ``first`` on.

    ``theta`` is (B, T, P) in radians. ``residual`` (columns * lanes, float64, radians) carries what
    rounding to float32 took from an angle over to the next step, so that over many steps with the
    same angles the error stays one rounding instead of growing with every step.
    """
    count = min(lanes, theta.shape[0] - first)
    half = np.zeros(lanes)
    for j in range(program.offset.size):
        half[:] = 0.5 * program.offset[j]
        for k in range(program.term_start[j], program.term_start[j + 1]):
            factor = 0.5 * program.term_coefficient[k]
            parameter = program.term_parameter[k]
            for lane in range(count):
                half[lane] += factor * theta[first + lane, step, parameter]
        cosines, sines = turns[2 * j * lanes :], turns[(2 * j + 1) * lanes :]
        carried = residual[j * lanes :]
        far = 0
        for lane in range(lanes):
            half[lane] += carried[lane]
            far += abs(half[lane]) > _FAR
        if far:
            for lane in range(lanes):
                half[lane] = math.atan2(math.sin(half[lane]), math.cos(half[lane]))
        for lane in range(lanes):
            c, s = _turn(half[lane])
            cosines[lane] = c
            sines[lane] = s
            carried[lane] = s * np.float64(cosines[lane]) - c * np.float64(sines[lane])


@kernel
def scatter_slopes(program: Any, slopes: Any, lanes: int, gradient: Any) -> None:
    """Set ``gradient``, one lane vector a parameter, from the slopes of the columns."""
    gradient[:] = 0.0
    for j in range(program.offset.size):
        for k in range(program.term_start[j], program.term_start[j + 1]):
            factor = program.term_coefficient[k]
            parameter = program.term_parameter[k]
            for lane in range(lanes):
                gradient[parameter * lanes + lane] += factor * slopes[j * lanes + lane]

"""Triton functions from angles to cosines and sines, and from slopes to gradients."""

from __future__ import annotations

import triton
import triton.language as tl

_COLUMNS = tl.constexpr(32)


@triton.jit
def gather_turns(
    circuit: tl.tuple, theta: tl.tensor, turns: tl.tensor, residual: tl.tensor
) -> None:
    """Fill ``turns`` with cosine and sine of half the angle of every column, computed in float64.

    ``residual`` (float64, radians) carries over to the next step what rounding took from half an
    angle, so that over many steps with the same angles the error stays one rounding.
    """
    for start in range(0, circuit.num_columns, _COLUMNS):
        j = start + tl.arange(0, _COLUMNS)
        inside = j < circuit.num_columns
        half = tl.load(residual + j, inside, 0.0) + tl.load(circuit.half_offset + j, inside, 0.0)
        for number in range(circuit.num_terms):
            term = number * circuit.num_columns + j
            angle = tl.load(theta + tl.load(circuit.parameter + term, inside, 0), inside, 0.0)
            half += tl.load(circuit.half_factor + term, inside, 0.0) * angle.to(tl.float64)
        exact_c, exact_s = tl.cos(half), tl.sin(half)
        c, s = exact_c.to(turns.dtype.element_ty), exact_s.to(turns.dtype.element_ty)
        tl.debug_barrier()  # several threads may hold one residual: all have read it by now
        tl.store(turns + 2 * j, c, inside)
        tl.store(turns + 2 * j + 1, s, inside)
        rest = exact_s * c.to(tl.float64) - exact_c * s.to(tl.float64)
        tl.store(residual + j, rest, inside)


@triton.jit
def scatter_slopes(circuit: tl.tuple, slopes: tl.tensor, gradient: tl.tensor) -> None:
    """Write the derivative with respect to every parameter, from those of the columns."""
    for start in range(0, circuit.num_parameters, _COLUMNS):
        p = start + tl.arange(0, _COLUMNS)
        inside = p < circuit.num_parameters
        total = tl.zeros([_COLUMNS], gradient.dtype.element_ty)
        for number in range(circuit.num_uses):
            use = number * circuit.num_parameters + p
            slope = tl.load(slopes + tl.load(circuit.use_column + use, inside, 0), inside, 0.0)
            total += tl.load(circuit.use_factor + use, inside, 0.0) * slope
        tl.store(gradient + p, total, inside)

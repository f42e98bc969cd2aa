"""Records of noisy measurements, and with any missing bits, by density matrices.

rho_t(c) is the matrix of the value c of the last recorded bits, given all bits so far; the traces
add up to 1. A step of measured mode moves them on, and the recorded bits strike out all values of
the register that do not agree with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from qrnn_qiskit.engines.cpu import DensitySimulator, run_measured

__all__ = ["ConditionedDensity", "run_density_record"]


class ConditionedDensity(NamedTuple):
    """The results of a run.

    Attributes:
        ones: (B, T, m) probability of a recorded 1, given the bits before it.
        logs: (B, T, m) logarithm of the probability of the recorded bit; 0 for a missing one,
            -infinity for an impossible one.
        density: (B, 2^m, 2^n, 2^n) complex, the matrices at the end of each sequence.
        bits: (B, T, m) the record, NaN for a missing bit.
    """

    ones: Tensor
    logs: Tensor
    density: Tensor
    bits: Tensor


def run_density_record(
    simulator: DensitySimulator,
    tables: Tensor,
    bits: Tensor,
    density: Tensor | None,
    ends: Sequence[int],
    draws: Tensor | None = None,
) -> ConditionedDensity:
    """Run sequences along their records, differentiable by the angles and the first matrices.

    Args:
        simulator: The compiled step.
        tables: Angles (B, T, 2^m, P) in radians by the bits of the step before.
        bits: (B, T, m) the record, 0, 1, or NaN for a missing bit, as past the end of a sequence.
        density: First matrices (B, 2^m, 2^n, 2^n), complex, or None for |0...0> with bits 0.
        ends: The last valid step of each sequence, counted from 1.
        draws: (B, T, m) numbers in [0, 1) from which the bits are drawn, instead of the record.
    """
    batch, steps, m = bits.shape
    has_bit = torch.arange(1 << m)[:, None] >> torch.arange(m) & 1 == 1
    last = torch.tensor(ends)
    least = (16 * torch.finfo(tables.dtype).eps) ** 2
    ones, logs, record = [], [], []
    ended: Tensor | None = None
    for t in range(steps):
        run = run_measured(simulator, tables[:, t : t + 1], density, [1] * batch)
        values = run.probabilities[:, 0]
        agrees = torch.ones_like(values, dtype=torch.bool)
        weight = values.sum(1)
        for a in range(m):
            one = (values * (agrees & has_bit[:, a])).sum(1) / weight
            bit = bits[:, t, a]
            if draws is not None:
                bit = (draws[:, t, a] < one).to(bits.dtype)
            agrees = agrees & (bit.isnan()[:, None] | (has_bit[:, a] == (bit == 1)[:, None]))
            left = (values * agrees).sum(1)
            is_possible = left > least * weight
            ones.append(one)
            logs.append(torch.where(is_possible, left / weight, 0.0).log())
            record.append(bit)
            weight = torch.where(is_possible, left, 1.0)
        density = run.density * (agrees / weight[:, None])[:, :, None, None]
        is_end = (last == t + 1)[:, None, None, None]
        ended = density if ended is None else torch.where(is_end, density, ended)
    assert ended is not None

    def shape(columns: list[Tensor]) -> Tensor:
        return torch.stack(columns, 1).reshape(batch, steps, m)

    return ConditionedDensity(shape(ones), shape(logs), ended, shape(record))

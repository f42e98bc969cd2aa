"""Records with missing bits: every way to complete them, and the sum over these ways.

A pure state follows one complete record. A sequence of which k bits are missing is therefore run
2^k times, and what these runs say is averaged by their likelihoods.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from circuits.errors import InvalidValueError

__all__ = ["MOST_MISSING", "average_completions", "complete_record", "sum_completions"]

MOST_MISSING = 10


def complete_record(bits: Tensor, remedy: str) -> tuple[Tensor, Tensor]:
    """Return all completions of a record (B, T, m) whose missing bits are NaN.

    Args:
        bits: The record.
        remedy: What to do where too many bits are missing, for the message.

    Returns:
        The completed records (S, T, m), and the sequence (S,) that each belongs to.

    Raises:
        ValueError: A sequence has more than ``MOST_MISSING`` missing bits.
    """
    rows, completed = [], []
    for sequence, record in enumerate(bits):
        places = record.isnan().nonzero(as_tuple=True)
        count = len(places[0])
        if count > MOST_MISSING:
            raise InvalidValueError(
                f"{count} bits of sequence {sequence} are missing (NaN), and each doubles the "
                f"states that are simulated; at most {MOST_MISSING} can be summed over. {remedy}"
            )
        values = torch.arange(1 << count)[:, None] >> torch.arange(count) & 1
        copies = record.repeat(1 << count, 1, 1)
        copies[:, places[0], places[1]] = values.to(record.dtype)
        completed.append(copies)
        rows.append(torch.full((1 << count,), sequence))
    return torch.cat(completed), torch.cat(rows)


def sum_completions(
    ones: Tensor, logs: Tensor, rows: Tensor, missing: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum over the completions of records.

    Args:
        ones: (S, T, m) probability of a 1 in each completed record.
        logs: (S, T, m) logarithm of the probability of its bit; -infinity where it is impossible.
        rows: (S,) the sequence that each belongs to.
        missing: (B, T, m) bool, the missing bits.

    Returns:
        The probability (B, T, m) of a 1, the logarithm (B, T, m) of the probability of the known
        bit, 0 for a missing one; and the weight (S,) of each completion at the end, which sum to 1
        for each sequence.
    """
    shape = missing.shape
    impossible = logs.isneginf().flatten(1)
    is_dead = impossible.cumsum(1) > 0
    after = logs.flatten(1).masked_fill(impossible, 0.0).cumsum(1)
    after = after.masked_fill(is_dead, -math.inf)
    start = after.new_zeros(len(rows), 1)
    before = torch.cat((start, after[:, :-1]), 1)
    totals, weights = _sum(before, rows, shape[0])
    sums, _ = _sum(after, rows, shape[0])
    found = after.new_zeros(shape[0], after.shape[1])
    found = found.index_add(0, rows, weights * ones.flatten(1))
    # A prefix of the record stands for all completions of the bits after it, so that the sum before
    # a missing bit counts each prefix twice as often as the sum after it.
    known = sums - totals + math.log(2) * missing.flatten(1).to(sums.dtype)
    last = after[:, -1:]
    return found.reshape(shape), known.reshape(shape), _sum(last, rows, shape[0])[1][:, 0]


def average_completions(values: Tensor, weights: Tensor, rows: Tensor, count: int) -> Tensor:
    """Return the means (B, K) of values (S, K) of completions by their weights (S,)."""
    return values.new_zeros(count, values.shape[1]).index_add(0, rows, weights[:, None] * values)


def _sum(logs: Tensor, rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the logarithm (B, L) of the sums of exp(logs) (S, L), and each one's share (S, L)."""
    index = rows[:, None].expand_as(logs)
    peak = logs.new_full((count, logs.shape[1]), -math.inf)
    peak = peak.scatter_reduce(0, index, logs.detach(), "amax").clamp(
        min=torch.finfo(logs.dtype).min
    )
    relative = (logs - peak[rows]).exp()
    total = logs.new_zeros(count, logs.shape[1]).index_add(0, rows, relative)
    return total.log() + peak, relative / total[rows]

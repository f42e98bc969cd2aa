"""Metrics with one value for each sequence, so that every mean has a standard error."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from circuits.errors import InvalidValueError

__all__ = [
    "NON_NEGATIVE",
    "SHARE",
    "TWO_SIDED_95",
    "MeanAndError",
    "accuracy",
    "cross_entropy",
    "estimate_interval",
    "estimate_mean",
    "normalized_squared_error",
]

# The smallest and the largest possible value of a metric.
SHARE = (0.0, 1.0)
NON_NEGATIVE = (0.0, math.inf)
TWO_SIDED_95 = 1.959963984540054  # standard errors


class MeanAndError(NamedTuple):
    """A mean over sequences with its standard error.

    Attributes:
        value: The mean.
        standard_error: Standard error of the mean; None for a single sequence, which has no spread
            to estimate it from.
    """

    value: float
    standard_error: float | None


def estimate_mean(values: Tensor) -> MeanAndError:
    """Estimate the mean of values (N,), one for each sequence, with its standard error.

    The standard error is the sample standard deviation over the square root of N.

    Raises:
        ValueError: There is no value, or ``values`` is not of rank 1.
    """
    if values.ndim != 1 or len(values) == 0:
        raise InvalidValueError(
            "expected values of shape (sequences,) with at least one sequence, got "
            f"{tuple(values.shape)}"
        )
    exact = values.detach().double()
    mean = exact.mean().item()
    if len(exact) == 1:
        return MeanAndError(mean, None)
    return MeanAndError(mean, exact.std(correction=1).item() / math.sqrt(len(exact)))


def estimate_interval(share: float, count: int) -> tuple[float, float]:
    """Estimate the interval of 95 % of a proportion by Wilson's score.

    Unlike the standard error it has a width also where all or none of the sequences are right, and
    it stays within [0, 1]. Source: Wilson, J. Am. Stat. Assoc. 22, 209 (1927).

    Args:
        share: The share of the sequences that are right.
        count: The number of sequences.

    Raises:
        ValueError: ``share`` is not from 0 to 1, or ``count`` is less than 1.
    """
    if not 0 <= share <= 1 or count < 1:
        raise InvalidValueError(
            f"expected a share from 0 to 1 of at least one sequence, got {share} of {count}"
        )
    squared = TWO_SIDED_95**2
    centre = (share + squared / (2 * count)) / (1 + squared / count)
    half = (
        TWO_SIDED_95
        * math.sqrt(share * (1 - share) / count + squared / (4 * count**2))
        / (1 + squared / count)
    )
    # At a share of 0 or 1 one end is exactly that share, which rounding would miss.
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low, high


def cross_entropy(logits: Tensor, targets: Tensor, padding: int | None = None) -> Tensor:
    """Compute the cross-entropy of each sequence in nats, averaged over its steps if it has steps.

    Args:
        logits: (N, C), or (N, T, C) with steps.
        targets: (N,) or (N, T) int64 classes.
        padding: Target of steps that do not count; all steps count by default.

    Returns:
        (N,) in the dtype of ``logits``.

    Raises:
        ValueError: Shapes or dtypes do not match.
    """
    _require_matching(logits, targets)
    values = functional.cross_entropy(logits.movedim(-1, 1), targets, reduction="none")
    return _average_steps(values, targets, padding)


def accuracy(logits: Tensor, targets: Tensor, padding: int | None = None) -> Tensor:
    """Compute the fraction of correct predictions of each sequence: 0 or 1 for a single target.

    Arguments, result and errors are those of :func:`cross_entropy`.
    """
    _require_matching(logits, targets)
    right = (logits.argmax(dim=-1) == targets).to(logits.dtype)
    return _average_steps(right, targets, padding)


def normalized_squared_error(prediction: Tensor, targets: Tensor, variance: float = 1.0) -> Tensor:
    """Compute the mean squared error of each sequence over the horizon, divided by a variance.

    The mean of the result is the NMSE.

    Args:
        prediction: (N, H).
        targets: (N, H).
        variance: One fixed number, not the variance of the batch, so that the value of a sequence
            does not depend on the others.

    Returns:
        (N,) in the dtype of ``prediction``.

    Raises:
        ValueError: The shapes differ or are not of rank 2.
    """
    if prediction.shape != targets.shape or prediction.ndim != 2:
        raise InvalidValueError(
            "expected prediction and targets of the same shape (sequences, horizon), got "
            f"{tuple(prediction.shape)} and {tuple(targets.shape)}"
        )
    return (prediction - targets).square().mean(dim=1) / variance


def _average_steps(values: Tensor, targets: Tensor, padding: int | None) -> Tensor:
    """Average (N, T) over the steps that count; return (N,) unchanged."""
    if values.ndim == 1:
        return values
    if padding is None:
        return values.mean(dim=1)
    counted = (targets != padding).to(values.dtype)
    return (values * counted).sum(dim=1) / counted.sum(dim=1)


def _require_matching(logits: Tensor, targets: Tensor) -> None:
    if logits.shape[:-1] != targets.shape or targets.dtype != torch.int64:
        raise InvalidValueError(
            "expected targets as int64 classes with the shape of the logits without their last "
            f"axis, got targets {tuple(targets.shape)} of {targets.dtype} for logits "
            f"{tuple(logits.shape)}"
        )

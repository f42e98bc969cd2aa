"""Metrics with one value for each sequence, so that a mean always comes with its standard error."""

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
    "MeanAndError",
    "accuracy",
    "cross_entropy",
    "estimate_mean",
    "normalized_squared_error",
]

# The least and the largest value of a metric.
SHARE = (0.0, 1.0)
NON_NEGATIVE = (0.0, math.inf)


class MeanAndError(NamedTuple):
    """A mean over sequences and the standard error of that mean.

    ``standard_error`` is None for a single sequence, which has no spread to estimate it from.
    """

    value: float
    standard_error: float | None


def estimate_mean(values: Tensor) -> MeanAndError:
    """Mean and standard error (sample deviation over root N) of per-sequence values (N,).

    Raises ValueError when there is no value or when ``values`` is not of rank 1.
    """
    if values.ndim != 1 or len(values) == 0:
        raise InvalidValueError(
            f"per-sequence values have shape {tuple(values.shape)}; "
            "one value for each of at least one sequence is required"
        )
    exact = values.detach().double()
    mean = exact.mean().item()
    if len(exact) == 1:
        return MeanAndError(mean, None)
    return MeanAndError(mean, exact.std(correction=1).item() / math.sqrt(len(exact)))


def cross_entropy(logits: Tensor, targets: Tensor, padding: int | None = None) -> Tensor:
    """Cross-entropy in nats for each sequence, its mean over the steps where there are steps.

    ``logits`` (N, C) with ``targets`` (N,) int64, or (N, T, C) with (N, T); returns (N,). Steps
    whose target is ``padding`` do not count.
    """
    _require_matching(logits, targets)
    values = functional.cross_entropy(logits.movedim(-1, 1), targets, reduction="none")
    return _average_steps(values, targets, padding)


def accuracy(logits: Tensor, targets: Tensor, padding: int | None = None) -> Tensor:
    """Share of right predictions for each sequence: 0 or 1 for one target, a mean over steps.

    Shapes as in ``cross_entropy``; returns (N,) in the dtype of ``logits``.
    """
    _require_matching(logits, targets)
    right = (logits.argmax(dim=-1) == targets).to(logits.dtype)
    return _average_steps(right, targets, padding)


def normalized_squared_error(prediction: Tensor, targets: Tensor, variance: float = 1.0) -> Tensor:
    """Squared error of each sequence, its mean over the horizon, divided by a fixed variance.

    ``prediction`` and ``targets`` are (N, H); returns (N,). Their mean is the NMSE. The variance
    is one number given by the caller, not that of the batch: only then does every sequence have
    a value of its own that does not depend on the others.
    """
    if prediction.shape != targets.shape or prediction.ndim != 2:
        raise InvalidValueError(
            f"prediction {tuple(prediction.shape)} and targets {tuple(targets.shape)}: "
            "both must have the same shape (sequences, horizon)"
        )
    return (prediction - targets).square().mean(dim=1) / variance


def _average_steps(values: Tensor, targets: Tensor, padding: int | None) -> Tensor:
    """The mean of (N, T) over the steps that count; (N,) as it is."""
    if values.ndim == 1:
        return values
    if padding is None:
        return values.mean(dim=1)
    counted = (targets != padding).to(values.dtype)
    return (values * counted).sum(dim=1) / counted.sum(dim=1)


def _require_matching(logits: Tensor, targets: Tensor) -> None:
    if logits.shape[:-1] != targets.shape or targets.dtype != torch.int64:
        raise InvalidValueError(
            f"logits {tuple(logits.shape)} with targets {tuple(targets.shape)} of {targets.dtype}: "
            "targets must be int64 classes in the shape of the logits without their last axis"
        )

"""Targets of sequences: classes or values, one for each sequence or one for each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.tasks.data.data_error import DataError

__all__ = ["GOALS", "PADDING", "Targets", "encode", "find_goal"]

GOALS = ("classes", "values")
PADDING = -100  # the class of steps past the length of a sequence


@dataclass(frozen=True)
class Targets:
    """Targets as the model learns them.

    Attributes:
        goal: "classes" or "values".
        is_stepwise: Whether each step has a target.
        numbers: Classes as positions in ``labels``, (N,) or (N, T) int64, ``PADDING`` past the
            length of a sequence; or values, (N, k) or (N, T, k) float64, 0 past it.
        labels: (C,) integers or texts, the classes as they were given; empty for values.
        classes: Names of the classes; empty for values.
        is_flat: Whether values were given without the axis k, as (N,).
    """

    goal: str
    is_stepwise: bool
    numbers: NDArray[Any]
    labels: NDArray[Any]
    classes: tuple[str, ...]
    is_flat: bool = False

    @property
    def size(self) -> int:
        """The number of classes C, or of values k."""
        return len(self.classes) or int(self.numbers.shape[-1])


def find_goal(y: NDArray[Any]) -> str:
    """Find the goal of targets: numbers with a decimal point are values, all others classes."""
    return "values" if y.dtype.kind == "f" else "classes"


def encode(
    y: NDArray[Any],
    ends: NDArray[np.int64],
    num_steps: int,
    classes: Sequence[str] | None = None,
    goal: str | None = None,
) -> Targets:
    """Encode targets as the model learns them.

    Args:
        y: Classes (N,) or (N, T), as integers, booleans or texts; values (N,), (N, k) or (N, T, k).
        ends: (N,) valid steps of each sequence.
        num_steps: T, the steps of the inputs.
        classes: Names of the classes: of integers from 0, or the texts themselves.
        goal: "classes" or "values"; unless given, numbers with a decimal point are values.

    Raises:
        DataError: The targets cannot be used; the message names the first sequence at fault.
    """
    if y.dtype.kind not in "iubfU":
        raise DataError(
            f"expected y as integers or texts (classes) or as numbers with a decimal point "
            f"(values), got {y.dtype}; convert it, for example with y.astype(str)"
        )
    if len(y) != len(ends):
        raise DataError(
            f"expected a target for each of {len(ends)} sequences, got {len(y)}; give x and y of "
            "the same length"
        )
    if (goal or find_goal(y)) == "values":
        if classes is not None:
            raise DataError(
                f"expected no classes for values, got {list(classes)} and y of {y.dtype}; give y "
                "as integers or texts, or leave classes out"
            )
        return _encode_values(y, ends, num_steps)
    return _encode_classes(y, ends, num_steps, classes)


def _encode_values(y: NDArray[Any], ends: NDArray[np.int64], num_steps: int) -> Targets:
    if y.dtype.kind == "U":
        raise DataError("expected y as numbers for the goal 'values', got texts")
    expected = f"expected values y of shape (N,), (N, k) or (N, T, k) with T = {num_steps}"
    if y.ndim not in (1, 2, 3) or (y.ndim == 3 and y.shape[1] != num_steps) or 0 in y.shape:
        raise DataError(f"{expected}, got {y.shape}")
    is_stepwise = y.ndim == 3
    values = y.astype(np.float64)
    if y.ndim == 1:
        values = values[:, None]
    if is_stepwise:
        values = np.where((np.arange(num_steps) < ends[:, None])[:, :, None], values, 0.0)
    finite = np.isfinite(values)
    if not finite.all():
        place = np.argwhere(~finite)[0]
        step = f", step {place[1]}" if is_stepwise else ""
        raise DataError(
            f"y must be finite, but sequence {place[0]}{step} has {values[tuple(place)]}; correct "
            "the target or leave the sequence out (sequences and steps count from 0)"
        )
    return Targets("values", is_stepwise, values, np.empty(0, np.int64), (), y.ndim == 1)


def _encode_classes(
    y: NDArray[Any], ends: NDArray[np.int64], num_steps: int, names: Sequence[str] | None
) -> Targets:
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] != num_steps):
        raise DataError(
            f"expected classes y of shape (N,), or (N, T) with T = {num_steps} for a class of each "
            f"step, got {y.shape} of {y.dtype}; values need a decimal point, such as "
            "y.astype(float)"
        )
    if y.dtype.kind == "f":
        y = _round(y)
    is_valid = np.ones(len(y), bool)
    if y.ndim == 2:
        is_valid = np.arange(num_steps) < ends[:, None]
    labels = np.unique(y[is_valid])
    classes = tuple(str(label) for label in labels)
    if names is not None:
        labels, classes = _name(y, is_valid, names)
    if len(labels) < 2:
        raise DataError(
            f"expected at least 2 classes, got only {classes[0]!r} in {len(y)} sequences; there is "
            "nothing to learn"
        )
    numbers = np.full(y.shape, PADDING, np.int64)
    order = np.argsort(labels)
    numbers[is_valid] = order[np.searchsorted(labels, y[is_valid], sorter=order)]
    return Targets("classes", y.ndim == 2, numbers, labels, classes)


def _round(y: NDArray[Any]) -> NDArray[np.int64]:
    """Return classes that were given with a decimal point as integers."""
    with np.errstate(invalid="ignore"):
        whole = y.astype(np.int64)
    if not (whole == y).all():
        wrong = np.argwhere(whole != y)[0]
        raise DataError(
            f"expected classes as integers or texts for the goal 'classes', got {y[tuple(wrong)]} "
            f"for sequence {wrong[0]}; give the goal 'values' to learn numbers"
        )
    return whole


def _name(
    y: NDArray[Any], is_valid: NDArray[np.bool_], names: Sequence[str]
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the labels of the named classes, and the names."""
    classes = tuple(str(name) for name in names)
    if isinstance(names, str) or len(set(classes)) < len(classes):
        raise DataError(f"expected classes as a list of different names, got {names!r}")
    labels = np.array(classes) if y.dtype.kind == "U" else np.arange(len(classes))
    known = np.isin(y, labels) | ~is_valid
    if not known.all():
        place = np.argwhere(~known)[0]
        expected = f"0 to {len(classes) - 1}" if y.dtype.kind != "U" else "one of them"
        raise DataError(
            f"expected y within the {len(classes)} classes {list(classes)} ({expected}), got "
            f"{y[tuple(place)].item()!r} for sequence {place[0]} (counted from 0)"
        )
    return labels, classes

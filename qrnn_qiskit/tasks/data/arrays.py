"""Sequences of real numbers as one array with their lengths; every message names the sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from circuits.limits import MOST_DATA
from qrnn_qiskit.tasks.data.data_error import DataError

__all__ = ["join_sequences", "join_targets", "to_array"]


def to_array(value: Any) -> NDArray[Any]:
    """Return an array, a tensor, a list or a column of pandas as an array."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
        # pandas holds texts as objects.
        is_text = array.dtype == object and all(isinstance(item, str) for item in array.flat)
        return array.astype(str) if is_text and array.size else array
    except ValueError as error:  # lists of unequal lengths
        raise DataError(f"expected an array, a tensor or a list of equal rows, got {error}") from (
            error
        )


def join_sequences(
    x: Any, lengths: Any = None, width: int | None = None
) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Join sequences to one array.

    Args:
        x: (N, T, E) real numbers, or a list of N arrays (T_i, E).
        lengths: (N,) integers, the valid steps of each sequence of an array.
        width: E, where it is known.

    Returns:
        (N, T, E) float32 or float64, 0 past the length of a sequence; and the lengths, (N,) int64,
        or None when all T steps are valid.

    Raises:
        DataError: Another rank, dtype or width, a length out of range, or a number that is not
            finite.
    """
    if isinstance(x, list | tuple):
        if lengths is not None:
            raise DataError(
                "expected lengths only for an array x (N, T, E), got a list of sequences, which "
                "have their own lengths; leave lengths out"
            )
        joined, ends = _pad(x)
    else:
        joined = _check_array(to_array(x), "x", 3, "(N, T, E)")
        ends = _check_lengths(lengths, joined)
    if 0 in joined.shape:
        raise DataError(
            f"expected x of shape (N, T, E) with at least one sequence, step and feature, got "
            f"{joined.shape}"
        )
    if width is not None and joined.shape[2] != width:
        raise DataError(
            f"expected {width} features (E), as in the training data, got x of shape {joined.shape}"
        )
    if joined.size > MOST_DATA:
        raise DataError(f"x has {joined.size} numbers, more than {MOST_DATA}; give fewer sequences")
    is_valid = np.arange(joined.shape[1]) < ends[:, None]
    joined = np.where(is_valid[:, :, None], joined, joined.dtype.type(0))
    _check_finite(joined)
    return joined, None if is_valid.all() else ends


def _pad(sequences: Sequence[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Pad sequences (T_i, E) with zeros to one array."""
    if len(sequences) == 0:
        raise DataError("expected x with at least one sequence, got an empty list")
    parts = [
        _check_array(to_array(part), f"sequence {number} of x", 2, "(T_i, E)")
        for number, part in enumerate(sequences)
    ]
    width = parts[0].shape[1]
    for number, part in enumerate(parts):
        if part.shape[1] != width or len(part) == 0:
            raise DataError(
                f"expected every sequence of x with at least one step of {width} features, as "
                f"sequence 0 has, got {part.shape} for sequence {number}"
            )
    ends = np.array([len(part) for part in parts])
    joined = np.zeros((len(parts), ends.max(), width), np.result_type(*parts))
    for row, part in zip(joined, parts, strict=True):
        row[: len(part)] = part
    return joined, ends


def _check_array(array: NDArray[Any], name: str, rank: int, shape: str) -> NDArray[Any]:
    """Return real numbers of this rank as float32 or float64."""
    if array.dtype.kind not in "iuf":
        raise DataError(
            f"expected {name} as real numbers of shape {shape}, got {array.dtype}; convert it, "
            "for example with astype(float)"
        )
    if array.ndim != rank:
        hint = ""
        if array.ndim == rank - 1:
            hint = "; add the axis E of the features with [..., None] if each step is one number"
        raise DataError(
            f"expected {name} of shape {shape}, got {array.shape} of rank {array.ndim}{hint}"
        )
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array.astype(np.float32) if array.dtype.itemsize < 4 else array


def _check_lengths(lengths: Any, x: NDArray[Any]) -> NDArray[np.int64]:
    if lengths is None:
        return np.full(len(x), x.shape[1])
    ends = to_array(lengths)
    if ends.dtype.kind not in "iu" or ends.shape != (len(x),):
        raise DataError(
            f"expected lengths as {len(x)} integers, one for each sequence, got {ends.dtype} of "
            f"shape {ends.shape}"
        )
    for number, end in enumerate(ends.tolist()):
        if not 1 <= end <= x.shape[1]:
            raise DataError(
                f"expected lengths from 1 to the {x.shape[1]} steps of x, got {end} for sequence "
                f"{number} (counted from 0)"
            )
    return ends.astype(np.int64)


def _check_finite(x: NDArray[Any]) -> None:
    finite = np.isfinite(x)
    if not finite.all():
        sequence, step, feature = np.argwhere(~finite)[0]
        raise DataError(
            f"x must be finite, but sequence {sequence}, step {step}, feature {feature} is "
            f"{x[sequence, step, feature]} (all counted from 0); fill the gap or leave the "
            "sequence out"
        )


def join_targets(y: Any, ends: NDArray[np.int64], num_steps: int) -> NDArray[Any]:
    """Return targets as one array; those of each step are padded to T steps.

    Args:
        y: An array, a tensor, or a list of N targets, each with one entry for each step or none.
        ends: (N,) valid steps of each sequence.
        num_steps: T.

    Raises:
        DataError: A list of targets does not have an entry for each step of its sequence.
    """
    if not isinstance(y, list | tuple) or not len(y):
        return to_array(y)
    parts = [to_array(part) for part in y]
    if len({part.shape for part in parts}) == 1:
        return np.stack(parts)
    if len(parts) != len(ends):
        raise DataError(f"expected targets for {len(ends)} sequences, got {len(parts)}")
    for number, (part, end) in enumerate(zip(parts, ends.tolist(), strict=True)):
        if part.shape[:1] != (end,) or part.shape[1:] != parts[0].shape[1:]:
            raise DataError(
                f"expected a target for each of the {end} steps of sequence {number} (counted from "
                f"0), got shape {part.shape}"
            )
    joined = np.zeros((len(parts), num_steps, *parts[0].shape[1:]), np.result_type(*parts))
    for row, part in zip(joined, parts, strict=True):
        row[: len(part)] = part
    return joined

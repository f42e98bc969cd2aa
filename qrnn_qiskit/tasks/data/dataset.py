"""Sequences with targets in memory, from arrays, and their file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.tasks.data.arrays import join_sequences, join_targets, to_array
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.targets import Targets, encode

__all__ = ["SPLITS", "Dataset"]

SPLITS = ("train", "validation", "test")


class Dataset:
    """Sequences of real numbers with their targets.

    Sequences, steps and features count from 0 in messages.

    Args:
        x: (N, T, E) array or tensor of real numbers; or a list of N arrays (T_i, E) for sequences
            of unequal lengths.
        y: The targets: classes (N,) as integers or texts, or values (N,) or (N, k) with a decimal
            point; for a target of each step classes (N, T) or values (N, T, k), also as a list of
            N arrays. What lies past the length of a sequence is not read.
        classes: Names of the classes: of the integers 0, 1, ... in ``y``, or the texts in ``y`` in
            the order of the logits.
        lengths: (N,) integers, the valid steps of each sequence of an array; all T by default.
        split: (N,) names "train", "validation" or "test". Unless given, the settings of the task
            draw the splits, and also those that ``split`` does not name.
        goal: "classes" or "values"; by default integers and texts are classes.

    Attributes:
        x: (N, T, E) float32 or float64, 0 past the length of a sequence.
        lengths: (N,) int64, or None when all T steps are valid.
        y: The targets as given, as an array.
        targets: The targets as the model learns them.
        is_named: Whether ``classes`` were given.
        split: (N,) positions in ``SPLITS`` as int8; None where all splits are to be drawn.

    Raises:
        DataError: Arrays do not fit each other, or a number is not finite; the message names the
            sequence and the step.

    >>> data = Dataset(np.zeros((4, 8, 3)), [0, 1, 1, 0], classes=["up", "down"])
    >>> data
    Dataset(4 sequences of 8 steps, 3 features, 2 classes: up, down)
    """

    x: NDArray[Any]
    lengths: NDArray[np.int64] | None
    y: NDArray[Any]
    targets: Targets
    is_named: bool
    split: NDArray[np.int8] | None

    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        classes: Sequence[str] | None = None,
        lengths: Any = None,
        split: Sequence[str] | NDArray[Any] | None = None,
        goal: str | None = None,
    ) -> None:
        self.x, self.lengths = join_sequences(x, lengths)
        self.y = join_targets(y, self.ends, self.x.shape[1])
        self.targets = encode(self.y, self.ends, self.x.shape[1], classes, goal)
        self.is_named = classes is not None
        self.split = None if split is None else _encode_split(split, len(self.x))

    @classmethod
    def of_splits(
        cls,
        train: tuple[Any, Any],
        validation: tuple[Any, Any] | None = None,
        test: tuple[Any, Any] | None = None,
        **settings: Any,
    ) -> Dataset:
        """Make a dataset of given splits, each a pair of sequences and targets.

        Args:
            train: Sequences and targets, as for :class:`Dataset`.
            validation, test: The same; unless given, they are drawn from ``train``.
            settings: ``classes`` and ``goal`` of :class:`Dataset`.
        """
        xs: list[Any] = []
        ys: list[Any] = []
        split: list[str] = []
        for name, part in zip(SPLITS, (train, validation, test), strict=True):
            if part is None:
                continue
            if len(part[0]) != len(part[1]):
                raise DataError(
                    f"expected a target for each of {len(part[0])} sequences of the split "
                    f"{name!r}, got {len(part[1])}"
                )
            xs += [to_array(sequence) for sequence in part[0]]
            ys += [to_array(target) for target in part[1]]
            split += [name] * len(part[0])
        return cls(xs, ys, split=split, **settings)

    @property
    def ends(self) -> NDArray[np.int64]:
        """(N,) int64, the valid steps of each sequence."""
        if self.lengths is None:
            return np.full(len(self.x), self.x.shape[1])
        return self.lengths

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        count, steps, width = self.x.shape
        found = self.targets
        what = f"{found.size} values" if found.goal == "values" else f"{found.size} classes"
        if found.classes:
            what += f": {', '.join(found.classes[:10])}" + (", ..." if found.size > 10 else "")
        if found.is_stepwise:
            what = f"for each step {what}"
        unequal = "up to " if self.lengths is not None else ""
        return f"Dataset({count} sequences of {unequal}{steps} steps, {width} features, {what})"

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of a .npz file, from which :meth:`of_arrays` makes the same dataset."""
        arrays = {"x": self.x, "y": self.y, "goal": np.array(self.targets.goal)}
        if self.is_named:
            arrays["classes"] = np.array(self.targets.classes)
        if self.lengths is not None:
            arrays["lengths"] = self.lengths
        if self.split is not None:
            arrays["split"] = np.array(SPLITS)[self.split]
        return arrays

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any], place: str) -> Dataset:
        """Make a dataset of the arrays x, y and optionally lengths, classes, split and goal.

        Raises:
            DataError: An array is missing, unknown or unusable; the message begins with ``place``.
        """
        for name in ("x", "y"):
            if name not in arrays:
                raise DataError(f"{place}: the array {name} is missing; found: {sorted(arrays)}")
        known = {"x", "y", "lengths", "classes", "split", "goal"}
        if unknown := sorted(set(arrays) - known):
            raise DataError(f"{place}: unknown arrays {unknown}; expected {sorted(known)}")
        values = dict(arrays)
        if "goal" in values:
            values["goal"] = str(values["goal"])
        try:
            return cls(values.pop("x"), values.pop("y"), **values)
        except DataError as error:
            raise DataError(f"{place}: {error}") from error

    def save(self, file: IO[bytes]) -> None:
        """Write the dataset as a .npz file."""
        np.savez(file, allow_pickle=False, **self.to_arrays())

    def fingerprint(self) -> str:
        """Return the SHA-256 of all arrays, in hexadecimal."""
        digest = hashlib.sha256()
        for name, array in sorted(self.to_arrays().items()):
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _encode_split(split: Sequence[str] | NDArray[Any], count: int) -> NDArray[np.int8]:
    names = to_array(split).astype(str)
    if names.shape != (count,):
        raise DataError(
            f"expected split as {count} names, one for each sequence, got shape {names.shape}"
        )
    if unknown := sorted(set(names.tolist()) - set(SPLITS)):
        raise DataError(f"expected the splits {', '.join(SPLITS)}, got {unknown[0]!r}")
    return np.array([SPLITS.index(name) for name in names.tolist()], np.int8)

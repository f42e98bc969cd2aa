"""Splits of data into training, validation and test sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks.base import DataSettings

__all__ = ["SplitSettings", "split_stratified"]


class SplitSettings(DataSettings):
    """Settings of a task that splits a file itself; the remaining rows are for training."""

    validation_fraction: float = Field(
        default=0.15, gt=0, lt=1, description="share of the rows for validation"
    )
    test_fraction: float = Field(
        default=0.15, gt=0, lt=1, description="share of the rows for testing"
    )

    @model_validator(mode="after")
    def _leave_training_rows(self) -> SplitSettings:
        held_out = self.validation_fraction + self.test_fraction
        if held_out >= 1:
            raise InvalidValueError(
                f"expected validation_fraction and test_fraction to add up to less than 1, which "
                f"leaves rows for training, got {held_out:g}"
            )
        return self

    def divide(self, count: int) -> tuple[int, int, int]:
        """Divide ``count`` rows into numbers for training, validation and test."""
        validation = round(self.validation_fraction * count)
        test = round(self.test_fraction * count)
        return count - validation - test, validation, test


def split_stratified(
    labels: NDArray[np.int64], sizes: Sequence[int], seed: int
) -> list[NDArray[np.int64]]:
    """Draw disjoint random index sets, each with the class shares of ``labels``.

    The members of a class are spread evenly over the unit interval in random order; cutting the
    interval at the sizes gives each part its share of each class to within about one member.

    Args:
        labels: Classes, (N,).
        sizes: Sizes of the parts, which add up to N.
        seed: Seed of the random numbers.

    Returns:
        The indices of each part, in random order.

    Raises:
        ValueError: The sizes do not add up to N.
    """
    if sum(sizes) != len(labels):
        raise InvalidValueError(
            f"expected sizes that add up to {len(labels)}, got {tuple(sizes)} with sum {sum(sizes)}"
        )
    # RandomState is frozen across NumPy versions, so a trained model keeps its split.
    random = np.random.RandomState(seed)
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        ranks = random.permutation(len(members))
        position[members] = (ranks + random.uniform(size=len(members))) / len(members)
    order = np.argsort(position, kind="stable").astype(np.int64)
    parts = np.split(order, np.cumsum(sizes)[:-1])
    return [random.permutation(part) for part in parts]

"""Dividing data into training, validation and test sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks.base import DataSettings

__all__ = ["SplitSettings", "split_stratified"]


class SplitSettings(DataSettings):
    """Settings of a task that divides a file itself; what the two shares leave is for training."""

    validation_fraction: float = Field(default=0.15, gt=0, lt=1, description="share of the rows")
    test_fraction: float = Field(default=0.15, gt=0, lt=1, description="share of the rows")

    @model_validator(mode="after")
    def _leave_training_rows(self) -> SplitSettings:
        held_out = self.validation_fraction + self.test_fraction
        if held_out >= 1:
            raise InvalidValueError(
                f"validation_fraction and test_fraction add up to {held_out:g}; "
                "less than 1 is required to leave rows for training"
            )
        return self

    def divide(self, count: int) -> tuple[int, int, int]:
        """How many of ``count`` rows go to training, validation and test."""
        validation = round(self.validation_fraction * count)
        test = round(self.test_fraction * count)
        return count - validation - test, validation, test


def split_stratified(
    labels: NDArray[np.int64], sizes: Sequence[int], seed: int
) -> list[NDArray[np.int64]]:
    """Disjoint random index sets of the given sizes, each with the class shares of ``labels``.

    ``labels`` (N,) are classes and ``sizes`` add up to N. The members of a class are spread
    evenly over the unit interval in random order; cutting the interval at the sizes gives each
    part its share of each class within about one member. Each part is returned in random order.
    """
    if sum(sizes) != len(labels):
        raise InvalidValueError(
            f"sizes {tuple(sizes)} add up to {sum(sizes)}, not to {len(labels)}"
        )
    # RandomState is frozen across numpy versions: a split never changes under a trained model.
    random = np.random.RandomState(seed)
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        ranks = random.permutation(len(members))
        position[members] = (ranks + random.uniform(size=len(members))) / len(members)
    order = np.argsort(position, kind="stable").astype(np.int64)
    parts = np.split(order, np.cumsum(sizes)[:-1])
    return [random.permutation(part) for part in parts]

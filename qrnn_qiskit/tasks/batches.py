"""The data of a task: sequences with their targets, and the splits of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from circuits.errors import InvalidValueError

__all__ = ["Sequences", "Splits", "number_rows"]


@dataclass(frozen=True)
class Sequences:
    """Sequences with their targets: a split or a batch.

    Attributes:
        inputs: (N, T, E) float, or (N, T) int64 tokens.
        targets: (N,) int64 classes, (N, T) int64 classes of each step, or (N, H) float; (N, 0) for
            new inputs, whose targets are unknown.
        lengths: (N,) int64, the valid steps of each sequence; None when all T are valid.
        rows: (N,) int64, the row of the data that a sequence comes from (for a window its last
            row), counted from 1; None for generated sequences.
        continued: Whether each sequence continues the previous one, as the windows of a long text
            do: they stay in order, and the state of the model is carried from one to the next.

    Raises:
        ValueError: ``targets``, ``lengths`` or ``rows`` do not have N entries.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    rows: Tensor | None = None
    continued: bool = False

    def __post_init__(self) -> None:
        for name in ("targets", "lengths", "rows"):
            tensor = getattr(self, name)
            if tensor is not None and len(tensor) != len(self.inputs):
                raise InvalidValueError(
                    f"expected {name} for each of {len(self.inputs)} sequences, got {len(tensor)}"
                )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def has_targets(self) -> bool:
        """Whether the targets are known; False for new inputs to predict."""
        return self.targets.ndim != 2 or self.targets.shape[1] > 0

    def select(self, indices: Tensor | slice) -> Sequences:
        """Select the sequences at these positions, in this order; continued only for a slice."""
        return Sequences(
            self.inputs[indices],
            self.targets[indices],
            None if self.lengths is None else self.lengths[indices],
            None if self.rows is None else self.rows[indices],
            self.continued and isinstance(indices, slice),
        )

    def to(self, device: torch.device) -> Sequences:
        """Move the sequences to a device; ``rows`` stay on the CPU, since only tables read them."""
        return replace(
            self,
            inputs=self.inputs.to(device),
            targets=self.targets.to(device),
            lengths=None if self.lengths is None else self.lengths.to(device),
        )

    def drop_targets(self) -> Sequences:
        """Return the same sequences as new inputs, without targets."""
        return replace(self, targets=torch.empty(len(self), 0))


@dataclass(frozen=True)
class Splits:
    """Training, validation and test sequences.

    Attributes:
        train: Training sequences.
        validation: Validation sequences.
        test: Test sequences.
        fresh: Generates new training sequences for an epoch, counted from 0. It depends only on the
            settings and the epoch, so that a resumed run sees the same data. None where ``train``
            is used in every epoch.
    """

    train: Sequences
    validation: Sequences
    test: Sequences
    fresh: Callable[[int], Sequences] | None = None


def number_rows(batch: Sequences) -> list[int]:
    """Number the rows of a table: rows of the data, or 1, 2, ... for generated sequences."""
    if batch.rows is None:
        return list(range(1, len(batch) + 1))
    rows: list[int] = batch.rows.tolist()
    return rows

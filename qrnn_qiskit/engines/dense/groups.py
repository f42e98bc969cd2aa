"""Groups of neighbouring qubits, for which states (B, 2^n) are batches of matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Group", "divide_qubits"]

MAX_GROUP = 5
"""The largest number of qubits of a group: a matrix of 32 rows keeps a GPU's multipliers busy."""


@dataclass(frozen=True)
class Group:
    """Qubits ``start`` to ``start + size - 1`` of ``num_qubits``.

    Qubit ``start + j`` is bit j of the rows and columns of the group's matrices.
    """

    start: int
    size: int
    num_qubits: int

    @property
    def dim(self) -> int:
        """The number of rows of the group's matrices."""
        return 1 << self.size

    @property
    def mask(self) -> int:
        """The bits of the group's qubits in the index of a state."""
        return (self.dim - 1) << self.start

    def expose(self, states: Tensor) -> Tensor:
        """Return states (B, 2^n) as (B, 2^size, rest), copied if other qubits lie on both sides."""
        parts = states.reshape(len(states), -1, self.dim, 1 << self.start)
        return parts.transpose(1, 2).flatten(2)

    def apply(self, matrices: Tensor, states: Tensor) -> Tensor:
        """Return matrices (B, 2^size, 2^size) times states (B, 2^n)."""
        if self.start == 0:  # the group's index is the innermost one: no transposition of states
            rows = states.reshape(len(states), -1, self.dim)
            return torch.bmm(rows, matrices.transpose(1, 2)).flatten(1)
        moved = torch.bmm(matrices, self.expose(states))
        parts = moved.reshape(len(states), self.dim, -1, 1 << self.start)
        return parts.transpose(1, 2).flatten(1)

    def contract(self, left: Tensor, right: Tensor) -> Tensor:
        """Return (B, 2^size, 2^size), the sums of left_i conj(right_j) over all other qubits."""
        return torch.bmm(self.expose(left), self.expose(right).mH)


def divide_qubits(num_qubits: int) -> list[Group]:
    """Return as few groups as possible, of sizes that differ by at most one, larger ones first."""
    count = -(-num_qubits // MAX_GROUP)
    sizes = [num_qubits // count + (place < num_qubits % count) for place in range(count)]
    starts = [sum(sizes[:place]) for place in range(count)]
    return [Group(start, size, num_qubits) for start, size in zip(starts, sizes, strict=True)]

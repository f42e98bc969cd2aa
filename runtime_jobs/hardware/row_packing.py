"""Rows of values distributed over patches of a device, and their measured bits reassembled."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BitArray

from runtime_jobs.estimation.bits import Bits

__all__ = ["Deal", "deal_rows", "name_on_patch"]


@dataclass(frozen=True)
class Deal:
    """The execution and the patch of each of R rows.

    Attributes:
        rows: Row (executions, patches) on each patch in each execution. The first patch has the
            most rows; a patch with fewer repeats its last one, and the repetitions are not read.
        places: Execution and patch (R, 2) of each row.
    """

    rows: NDArray[np.int64]
    places: NDArray[np.int64]

    @property
    def patches(self) -> int:
        """Number of patches in use."""
        return int(self.rows.shape[1])

    def find_rows(self, patch: int) -> NDArray[np.int64]:
        """Find the rows on a patch, in order."""
        return np.flatnonzero(self.places[:, 1] == patch)

    def pack(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Arrange values (R, P) of single circuits as (executions, patches * P) of packed ones.

        The values of each patch are contiguous, the first patch first.
        """
        return np.ascontiguousarray(values[self.rows].reshape(len(self.rows), -1))

    def split(self, bits: Bits) -> Bits:
        """Split the bits of packed circuits into those of single circuits, in the order of rows."""
        if self.patches == 1:
            return {name: array[self.places[:, 0]] for name, array in bits.items()}
        executions, patches = self.places.T
        found = {}
        for name in dict.fromkeys(label.partition("_")[2] for label in bits):
            copies = [bits[name_on_patch(name, p, self.patches)] for p in range(self.patches)]
            arrays = np.stack([copy.array for copy in copies])
            found[name] = BitArray(arrays[patches, executions], copies[0].num_bits)
        return found


def deal_rows(groups: NDArray[np.int64], patches: int) -> Deal:
    """Distribute rows over at most ``patches`` patches, in as few executions as groups allow.

    The rows of a group stay on one patch, so that rows that are compared have the same errors.
    Large groups come first, each on the patch with the fewest rows, so groups of equal size take
    the patches in turn.

    Args:
        groups: Group number (R,) of each row.
        patches: Number of patches; no more are used than there are groups.
    """
    _, members, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    used = min(patches, len(sizes))
    loads = [(0, patch) for patch in range(used)]
    patch_of = np.zeros(len(sizes), np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        load, patch = loads[0]
        patch_of[group] = patch
        heapq.heapreplace(loads, (load + int(sizes[group]), patch))
    on = patch_of[members]
    piles = [np.flatnonzero(on == patch) for patch in range(used)]
    piles.sort(key=len, reverse=True)
    length = len(piles[0])
    places = np.zeros((len(groups), 2), np.int64)
    for patch, pile in enumerate(piles):
        places[pile] = np.stack((np.arange(len(pile)), np.full(len(pile), patch)), 1)
    rows = [np.pad(pile, (0, length - len(pile)), mode="edge") for pile in piles]
    return Deal(np.stack(rows, 1), places)


def name_on_patch(name: str, patch: int, patches: int) -> str:
    """Name a register or a parameter after its patch; on a single patch the name is unchanged.

    >>> name_on_patch("final", 3, 12)
    'patch03_final'
    """
    return name if patches == 1 else f"patch{patch:0{len(str(patches - 1))}}_{name}"

"""Finds missing barriers in Triton kernels while its interpreter runs them.

The interpreter runs one operation after another for all threads, so a missing barrier does not
change its results. This module records every load and store between two barriers. A thread must
wait at a barrier before it touches a number that another thread has written, and before it writes a
number that another thread has read. It may overwrite a number that it has read itself: a load and a
store of blocks of the same shape, with the same address at the same position.
"""

from __future__ import annotations

import traceback
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Access(NamedTuple):
    """Addresses of a block, 0 where masked, and the lowest and highest of those not masked."""

    addresses: NDArray[np.uint64]
    is_store: bool
    lowest: int
    highest: int


class BarrierWatch:
    """Records the memory accesses of the builder of Triton's interpreter.

    Attributes:
        found: The lines of code that should have waited at a barrier.
    """

    def __init__(self, builder: Any) -> None:
        self.found: set[str] = set()
        self._seen: list[Access] = []
        load, store = builder.create_masked_load, builder.create_masked_store
        place = builder.set_grid_idx

        def watch_load(pointers: Any, mask: Any, *rest: Any) -> Any:
            self._note(pointers, mask, is_store=False)
            return load(pointers, mask, *rest)

        def watch_store(pointers: Any, value: Any, mask: Any, *rest: Any) -> Any:
            self._note(pointers, mask, is_store=True)
            return store(pointers, value, mask, *rest)

        def watch_program(*index: int) -> Any:
            self._seen.clear()
            return place(*index)

        builder.create_masked_load = watch_load
        builder.create_masked_store = watch_store
        builder.set_grid_idx = watch_program
        builder.create_barrier = self._seen.clear

    def _note(self, pointers: Any, mask: Any, is_store: bool) -> None:
        shape = np.shape(pointers.data)
        inside = np.broadcast_to(np.asarray(mask.data, bool), shape)
        touched = pointers.data[inside]
        if not touched.size:
            return
        addresses = np.where(inside, pointers.data, 0)
        access = Access(addresses, is_store, int(touched.min()), int(touched.max()))
        if any(_is_race(other, access) for other in self._seen):
            frames = reversed(traceback.extract_stack())
            lines = (f"{each.name}: {each.line}" for each in frames if "qrnn" in each.filename)
            self.found.add(next(lines, "elsewhere"))
        self._seen.append(access)


def _is_race(before: Access, after: Access) -> bool:
    """Whether two accesses, at least one of them a store, share an address in different threads."""
    if not (before.is_store or after.is_store):
        return False
    if before.highest < after.lowest or after.highest < before.lowest:
        return False
    common = np.intersect1d(before.addresses, after.addresses)
    common = common[common != 0]
    if before.is_store or before.addresses.shape != after.addresses.shape:
        return common.size > 0
    if before.addresses.size == 1:  # all threads read this number
        return common.size > 0
    addresses = np.concatenate((before.addresses.ravel(), after.addresses.ravel()))
    places = np.tile(np.arange(before.addresses.size, dtype=np.uint64), 2)
    meets = np.isin(addresses, common)
    pairs = np.unique(np.stack((addresses[meets], places[meets])), axis=1)
    return pairs.shape[1] > common.size

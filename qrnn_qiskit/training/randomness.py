"""The random numbers of a training run: seeds, order of the batches, generator states."""

from __future__ import annotations

import random
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "Reseedable",
    "capture_random_states",
    "restore_random_states",
    "seed_everything",
    "shuffle",
]


@runtime_checkable
class Reseedable(Protocol):
    """An executor whose shots can be made a function of the position of the training."""

    def reseed(self, *numbers: int) -> None:
        """Seed the shots from now on with the executor's seed and these numbers."""
        ...


def seed_everything(seed: int) -> None:
    """Seed the global generators of torch, NumPy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the global generator, which takes 32 bits
    random.seed(seed)


def shuffle(count: int, seed: int, epoch: int) -> Tensor:
    """Return the order of ``count`` sequences in an epoch, (count,) int64.

    It is a pure function of the arguments, so that an epoch resumed in its middle keeps its order.
    """
    return torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(count))


def capture_random_states() -> dict[str, Any]:
    """Return the states of the three global generators as values for a safe checkpoint."""
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002 - a task may draw from it
    return {
        "torch": torch.get_rng_state(),
        "numpy": numpy | {"state": {**numpy["state"], "key": numpy["state"]["key"].tolist()}},
        "python": random.getstate(),
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Restore the three global generators to captured states."""
    torch.set_rng_state(states["torch"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    random.setstate(states["python"])

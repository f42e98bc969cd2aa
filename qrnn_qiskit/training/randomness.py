"""Every random number of a training run: seeds, the order of the batches, states to keep."""

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
    """An executor whose shots can be made a function of where training stands."""

    def reseed(self, *numbers: int) -> None:
        """Draw from now on as the executor's own seed and these numbers say."""
        ...


def seed_everything(seed: int) -> None:
    """Seed the generators of torch, NumPy and Python, which are global."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the global generator, which takes 32 bits
    random.seed(seed)


def shuffle(count: int, seed: int, epoch: int) -> Tensor:
    """The order of ``count`` sequences in an epoch, (count,) int64.

    A pure function of its arguments, so an epoch that is entered in its middle has the order it
    began with.
    """
    return torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(count))


def capture_random_states() -> dict[str, Any]:
    """States of the three global generators as values that a safe checkpoint can hold."""
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002 - a task may draw from it
    return {
        "torch": torch.get_rng_state(),
        "numpy": numpy | {"state": {**numpy["state"], "key": numpy["state"]["key"].tolist()}},
        "python": random.getstate(),
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Set the three global generators back to captured states."""
    torch.set_rng_state(states["torch"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    random.setstate(states["python"])

from __future__ import annotations

import random

import numpy as np
import torch

from qrnn_qiskit.training.randomness import (
    capture_random_states,
    restore_random_states,
    seed_everything,
    shuffle,
)


def draw() -> list[float]:
    return [torch.rand(()).item(), np.random.normal(), random.gauss(0, 1)]  # noqa: NPY002


def test_captured_states_give_the_same_numbers_again() -> None:
    seed_everything(2**40 + 1)
    draw()  # leaves half of a pair of normal numbers behind
    states = capture_random_states()
    first = draw()
    restore_random_states(states)
    assert draw() == first


def test_seeds_give_the_same_numbers_and_others_with_another_seed() -> None:
    numbers = []
    for seed in (1, 1, 2):
        seed_everything(seed)
        numbers.append(draw())
    assert numbers[0] == numbers[1]
    assert all(first != second for first, second in zip(numbers[0], numbers[2], strict=True))


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    order = shuffle(50, seed=3, epoch=2)
    draw()
    assert torch.equal(order, shuffle(50, seed=3, epoch=2))
    assert torch.equal(order.sort().values, torch.arange(50))
    assert not torch.equal(order, shuffle(50, seed=3, epoch=3))
    assert not torch.equal(order, shuffle(50, seed=2, epoch=3))

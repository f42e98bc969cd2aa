from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from qrnn_qiskit.tasks.data.splitting import SplitSettings, split_stratified


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    shares=st.tuples(st.floats(0.05, 0.4), st.floats(0.05, 0.4)),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_part_has_its_size_and_its_share_of_each_class(
    counts: list[int], shares: tuple[float, float], seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    total = len(labels)
    held_out = [int(share * total) for share in shares]
    sizes = [total - sum(held_out), *held_out]
    parts = split_stratified(labels, sizes, seed)
    assert [len(part) for part in parts] == sizes
    assert sorted(np.concatenate(parts).tolist()) == list(range(total))
    for part, size in zip(parts, sizes, strict=True):
        for label, count in enumerate(counts):
            assert abs(np.sum(labels[part] == label) - count * size / total) < len(counts) + 1


def test_split_depends_on_its_seed_alone() -> None:
    labels = np.arange(60) % 3
    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    first = split_stratified(labels, [40, 10, 10], seed=5)
    np.random.seed(2)  # noqa: NPY002
    again = split_stratified(labels, [40, 10, 10], seed=5)
    other = split_stratified(labels, [40, 10, 10], seed=6)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert set(first[2].tolist()) != set(other[2].tolist())


def test_every_member_can_land_in_every_part() -> None:
    labels = np.zeros(10, dtype=np.int64)
    tested = {int(split_stratified(labels, [8, 1, 1], seed)[2][0]) for seed in range(100)}
    assert tested == set(range(10))


def test_sizes_must_add_up() -> None:
    with pytest.raises(ValueError, match=r"add up to 5, got \(3, 3\) with sum 6"):
        split_stratified(np.zeros(5, dtype=np.int64), [3, 3], 0)


def test_fractions_must_leave_training_rows() -> None:
    assert SplitSettings().divide(100) == (70, 15, 15)
    with pytest.raises(ValidationError, match="less than 1"):
        SplitSettings(validation_fraction=0.5, test_fraction=0.5)

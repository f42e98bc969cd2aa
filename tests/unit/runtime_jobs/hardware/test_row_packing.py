from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.primitives import BitArray

from runtime_jobs.hardware.row_packing import deal_rows, name_on_patch

GROUPS = st.lists(st.integers(0, 30), min_size=1, max_size=120).map(np.array)
PATCHES = st.integers(1, 25)


@settings(max_examples=200, deadline=None)
@given(groups=GROUPS, patches=PATCHES)
def test_every_row_runs_once_and_groups_stay_together(groups, patches) -> None:
    deal = deal_rows(groups, patches)
    assert deal.patches == min(patches, len(set(groups)))
    executions, on = deal.places.T
    assert (deal.rows[executions, on] == np.arange(len(groups))).all()
    assert len(set(map(tuple, deal.places))) == len(groups)
    for group in set(groups):
        assert len(set(on[groups == group])) == 1
    loads = Counter(on.tolist())
    assert set(loads) == set(range(deal.patches))  # none is idle all the time
    assert loads[0] == max(loads.values()) == len(deal.rows)
    # no longer than the largest group beyond an even share
    assert len(deal.rows) <= len(groups) / deal.patches + max(Counter(groups.tolist()).values())


@settings(max_examples=100, deadline=None)
@given(rows=st.integers(1, 200), patches=PATCHES)
def test_rows_of_their_own_take_the_least_executions(rows, patches) -> None:
    deal = deal_rows(np.arange(rows), patches)
    assert len(deal.rows) == math.ceil(rows / min(patches, rows))
    assert (deal.places[:, 1] == np.arange(rows) % deal.patches).all()  # in turn


@settings(max_examples=100, deadline=None)
@given(groups=GROUPS, patches=PATCHES, seed=st.integers(0, 2**16))
def test_what_was_packed_is_split_again(groups, patches, seed) -> None:
    random = np.random.default_rng(seed)
    deal = deal_rows(groups, patches)
    values = random.normal(size=(len(groups), 3))
    packed = deal.pack(values)
    assert packed.shape == (len(deal.rows), 3 * deal.patches)
    # a device that measures the first value of each patch, as bits of a register of each patch
    shots = (packed.view(np.uint8).reshape(len(packed), deal.patches, 3, 8))[:, :, 0]
    bits = {
        name_on_patch("a_b", patch, deal.patches): BitArray(shots[:, patch, :, None], 8)
        for patch in range(deal.patches)
    }
    split = deal.split(bits)
    assert list(split) == ["a_b"]
    assert split["a_b"].num_bits == 8
    assert (split["a_b"].array[:, :, 0] == values[:, :1].copy().view(np.uint8)).all()


@pytest.mark.parametrize(("groups", "expected"), [([0, 1, 2, 0, 1, 2], 2), ([0, 0, 0, 1], 3)])
def test_a_group_stays_on_one_patch(groups: list[int], expected: int) -> None:
    assert len(deal_rows(np.array(groups), 3).rows) == expected


def test_one_patch_changes_nothing() -> None:
    values = np.arange(6.0).reshape(3, 2)
    deal = deal_rows(np.array([2, 0, 1]), 1)
    assert (deal.pack(values) == values).all()
    assert name_on_patch("final", 0, 1) == "final"

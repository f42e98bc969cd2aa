from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuits.profile import CircuitProfile
from runtime_jobs.hardware.job_limits import (
    JobLimits,
    LimitError,
    Load,
    estimate_seconds,
    reserve_seconds,
    split_loads,
    weigh_job,
)

profiles = st.builds(
    CircuitProfile,
    seconds=st.integers(0, 1000).map(lambda microseconds: microseconds * 1e-6),
    two_qubit_gates=st.integers(0, 100),
    two_qubit_depth=st.integers(0, 100),
    instructions=st.integers(60, 5000),
    broadcasts=st.integers(0, 200).map(float),
)
loads = st.lists(
    st.builds(Load, label=st.just("a circuit"), profile=profiles, circuits=st.integers(1, 9000)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(loads=loads, shots=st.integers(1, 20_000))
def test_every_row_is_in_one_job_in_order_and_no_job_exceeds_a_limit(
    loads: list[Load], shots: int
) -> None:
    jobs = split_loads(loads, shots)
    for index, load in enumerate(loads):
        pieces = [piece for job in jobs for piece in job if piece.load == index]
        rows = [row for piece in pieces for row in range(piece.start, piece.stop)]
        assert rows == list(range(load.circuits))
    for job in jobs:
        assert all(len(piece) > 0 for piece in job)
        shares = weigh_job(loads, job, shots)
        assert max(shares.values()) <= 1 + 1e-9
        assert reserve_seconds(estimate_seconds(loads, job, shots)) <= JobLimits().seconds


@settings(max_examples=60, deadline=None)
@given(loads=loads, shots=st.integers(1, 20_000))
def test_jobs_are_full_before_another_one_is_begun(loads: list[Load], shots: int) -> None:
    jobs = split_loads(loads, shots)
    for job, following in itertools.pairwise(jobs):
        first = following[0]
        more = [*job, dataclasses.replace(first, stop=first.start + 1)]
        assert max(weigh_job(loads, more, shots).values()) > 1 - 1e-9


def test_ten_million_executions_are_one_job_and_one_more_is_two() -> None:
    profile = CircuitProfile(1e-6, 1, 1, 60, 0.0)
    limits = JobLimits(seconds=1e9)
    assert len(split_loads([Load("a", profile, 10_000)], 1000, limits)) == 1
    assert len(split_loads([Load("a", profile, 10_001)], 1000, limits)) == 2


def test_a_circuit_that_no_job_takes_is_refused_with_the_limit() -> None:
    load = Load("the prefix of 9 steps", CircuitProfile(1e-6, 1, 1, 30_000_000, 0.0), 1)
    with pytest.raises(LimitError, match=r"prefix of 9 steps takes 30,000,000 instructions"):
        split_loads([load], 10)
    load = Load("it", CircuitProfile(1e-6, 6_000_000, 1, 60, 0.0), 1)
    with pytest.raises(LimitError, match="two qubit gates"):
        split_loads([load], 10)

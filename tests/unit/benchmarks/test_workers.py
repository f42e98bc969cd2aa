"""Processes of the grid that hang, fail, or end are distinguished from those that answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from workers import Failed, Over, Worker, measure_growth

pytestmark = pytest.mark.process


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("qrnn", memory=8 << 30)
    yield made
    made.stop()


def test_an_error_is_told_and_the_process_goes_on(worker: Worker) -> None:
    for _ in range(2):
        with pytest.raises(Failed, match="no attribute 'nothing'"):
            worker.ask(60.0, "nothing")


def test_a_call_that_takes_too_long_is_ended_and_the_next_one_starts_anew(worker: Worker) -> None:
    with pytest.raises(Over, match=r"over 0.01 s"):
        worker.ask(0.01, "nothing")
    with pytest.raises(Failed, match="no attribute 'nothing'"):
        worker.ask(60.0, "nothing")


def test_a_process_over_its_memory_is_ended() -> None:
    small = Worker("qrnn", memory=1)
    with pytest.raises(Over, match="over 0 GiB"):
        small.ask(60.0, "nothing", Sleep())


def test_a_process_that_ends_is_reported(worker: Worker) -> None:
    with pytest.raises(Failed, match="exit status"):
        worker.ask(60.0, "__init__", Crash())


class Sleep:
    """Keeps the process that reads it busy for longer than between two looks at its memory."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        import time

        return time.sleep, (10,)


class Crash:
    """Ends the process that reads it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        import os

        return os._exit, (3,)


def test_growth_is_that_of_the_call() -> None:
    kept = np.ones(1 << 22)  # 32 MiB that are there before
    grown = measure_growth(lambda: np.ones(1 << 23).sum())  # 64 MiB, for a moment
    assert 60 << 20 < grown < 80 << 20
    assert len(kept) == 1 << 22

"""Seconds of calls. The shortest of a few counts: what else the machine does only adds to them."""

from __future__ import annotations

import time
from collections.abc import Callable

REPEAT_SECONDS, MOST_REPEATS = 0.1, 100


def time_call(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def find_shortest(measure: Callable[[], float]) -> float:
    """The least of what ``measure`` returns, repeated up to 0.1 s and 100 times, at least once."""
    shortest, begun = float("inf"), time.perf_counter()
    for _ in range(MOST_REPEATS):
        shortest = min(shortest, measure())
        if time.perf_counter() - begun > REPEAT_SECONDS:
            break
    return shortest

"""Time calls. The shortest of a few counts, since other work on the machine only adds time."""

from __future__ import annotations

import time
from collections.abc import Callable

REPEAT_SECONDS, MOST_REPEATS = 0.1, 100


def time_call(call: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def find_shortest(measure: Callable[[], float]) -> float:
    """Return the least result of ``measure``, repeated for up to 0.1 s and 100 times."""
    shortest, begun = float("inf"), time.perf_counter()
    for _ in range(MOST_REPEATS):
        shortest = min(shortest, measure())
        if time.perf_counter() - begun > REPEAT_SECONDS:
            break
    return shortest

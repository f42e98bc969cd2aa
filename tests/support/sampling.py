"""Sweeps of which a few cases run in every suite, and all in the slow one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow(cases: Iterable[Any]) -> list[Any]:
    """Return the cases of a sweep that `make test` leaves to `make slow`, one argument each."""
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


def slow_pairs(cases: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Return such cases of several arguments."""
    return [pytest.param(*case, marks=pytest.mark.slow) for case in cases]

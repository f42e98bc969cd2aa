"""Hostile values of ``--set``: resolved and built within limits, or refused in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import try_settings

PROGRAM = Path(try_settings.__file__)


def try_seeds(folder: Path, first: int, count: int) -> list[dict[str, Any]]:
    paths = os.pathsep.join([str(Path(__file__).parents[4]), str(PROGRAM.parent)])
    process = subprocess.run(
        [sys.executable, PROGRAM, folder, str(first), str(count)],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in process.stdout.splitlines()]


def check_outcomes(outcomes: list[dict[str, Any]], count: int) -> Counter[str]:
    assert len(outcomes) == count
    for outcome in outcomes:
        assert outcome["answer"].startswith(("built", "refused")), outcome
        assert "\n" not in outcome["answer"], outcome
        assert len(outcome["answer"]) < 5000, outcome
        assert outcome["bytes"] < try_settings.BYTES, outcome
        assert outcome["seconds"] < try_settings.SECONDS, outcome
    return Counter(outcome["answer"].partition(":")[0] for outcome in outcomes)


@pytest.mark.process
def test_24_hostile_settings_are_built_or_refused(tmp_path: Path) -> None:
    check_outcomes(try_seeds(tmp_path / "files", 0, 24), 24)


@pytest.mark.slow
def test_300_hostile_settings_are_built_or_refused(tmp_path: Path) -> None:
    kinds = check_outcomes(try_seeds(tmp_path / "files", 24, 300), 300)
    assert kinds["built"] >= 30
    assert kinds["refused"] >= 150

from __future__ import annotations

import re

import pytest

from runtime_jobs.ibm.queue_watch import Waiting
from runtime_jobs.runs.waiting_bar import WaitingBar


def show(capfd: pytest.CaptureFixture[str], waiting: Waiting, planned: int | None = 8) -> str:
    with WaitingBar(planned, cap=120, enabled=True) as bar:
        assert bar.watch is not None
        bar.watch(waiting)
    shown = capfd.readouterr()
    assert shown.out == ""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.err)


@pytest.mark.parametrize(
    ("position", "pending", "place"),
    [
        (4, 9, "position 4 in the queue"),
        (None, 9, "9 jobs in the queue of the device"),
        (None, 0, "running or about to"),
    ],
)
def test_the_bar_tells_place_jobs_and_seconds(
    position: int | None,
    pending: int,
    place: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    shown = show(capfd, Waiting(3, 1, position, pending, 12.34))
    assert "3 of 8 jobs done, 1 open" in shown
    assert place in shown
    assert "QPU 12.3 of 120 s used" in shown


def test_jobs_are_counted_where_the_plan_is_not_known(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert "3 jobs done, 2 open" in show(capfd, Waiting(3, 2, None, 0, 0.0), planned=None)


def test_nobody_is_asked_and_nothing_shown_where_nobody_watches(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with WaitingBar(8, cap=120) as bar:
        assert bar.watch is None
    assert capfd.readouterr() == ("", "")

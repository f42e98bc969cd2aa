"""Damaged results, full disks, jumping clocks, and jobs that never start."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from localqpu.control_client import LocalqpuControl
from loopback import collect, submit

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.ledger import Ledger, database
from runtime_jobs.ledger.records import JobState

Change = Callable[[str], str]


@pytest.fixture
def spoil(loopback: Any) -> Iterator[Callable[[Change], None]]:
    """Change the results that the service sends: spoil(lambda payload: ...)."""
    manager = loopback.context.jobs
    finish = manager._finish

    def set_change(change: Change) -> None:
        def finish_spoiled(job: Any) -> None:
            finish(job)
            job.result_payload = change(job.result_payload)

        manager._finish = finish_spoiled

    yield set_change
    manager._finish = finish


def lose_pub(payload: str) -> str:
    content = json.loads(payload)
    content["data"].pop()
    return json.dumps(content)


def lose_rows(payload: str) -> str:
    content = json.loads(payload)
    content["data"][0] = content["data"][0] | {"results": {}}
    return json.dumps(content)


@pytest.mark.parametrize("change", [lambda payload: payload[:-50], lose_pub, lose_rows])
def test_a_result_of_another_shape_is_reported_and_never_recorded(
    folder: Path,
    service: LocalqpuControl,
    spoil: Callable[[Change], None],
    change: Change,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(change)
    assert submit(folder) == ExitCode.DONE
    while (code := run(["collect", str(folder)])) == ExitCode.NOT_READY:
        capsys.readouterr()
    assert code == ExitCode.FAILED
    (job,) = service.jobs()
    error = capsys.readouterr().err
    assert job["id"] in error
    assert "please report it" not in error
    with Ledger(folder) as kept:
        assert kept.list_jobs()[0].state is JobState.SENT


class FullDisk:
    """A connection whose disk is full at one commit."""

    def __init__(self, connection: sqlite3.Connection, commits: Iterator[int], full: int) -> None:
        self._connection, self._commits, self._full = connection, commits, full

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *arguments: Any) -> Any:
        if statement == "COMMIT" and next(self._commits) == self._full:
            self._connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, *arguments)


@pytest.mark.parametrize("moment", [0, 10, 12, 13, 16, 18])
def test_a_full_disk_at_any_commit_loses_nothing_and_sends_nothing_twice(
    folder: Path,
    service: LocalqpuControl,
    moment: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Submit makes commits 0 to 13: 10 is the identity of the run, the last two intent and job id;
    collect makes the others.
    """
    open_database, commits = database.open_database, itertools.count()
    with monkeypatch.context() as patch:
        patch.setattr(
            database, "open_database", lambda file: FullDisk(open_database(file), commits, moment)
        )
        code = submit(folder)
        while code in (ExitCode.DONE, ExitCode.NOT_READY):
            assert not is_collected(folder)
            code = run(["collect", str(folder)])
    assert code == ExitCode.FAILED
    assert "disk is full" in capsys.readouterr().err
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    assert len(service.jobs()) == 1


def is_collected(folder: Path) -> bool:
    return any((folder / "evaluations").glob("*ibm*.json"))


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_changes_nothing(
    folder: Path, service: LocalqpuControl, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert submit(folder) == ExitCode.DONE
    now = time.time
    monkeypatch.setattr("time.time", lambda: now() + jump)
    collect(folder)
    assert submit(folder, sequences=4) == ExitCode.DONE
    collect(folder)
    assert len(service.jobs()) == 2
    with Ledger(folder) as kept:
        assert [job.circuits for job in kept.list_jobs()] == [72, 96]  # in the order of intents


def test_a_job_that_never_starts_holds_its_part_of_the_cap_until_it_is_cancelled(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    service.set_scenario({"queue": {"delay_seconds": 1e9}})
    assert submit(folder, cap=12) == ExitCode.DONE
    (job,) = service.jobs()
    for _ in range(5):
        assert run(["collect", str(folder)]) == ExitCode.NOT_READY
        assert job["id"] in capsys.readouterr().err
    assert submit(folder, cap=12, sequences=4) == ExitCode.OVER_BUDGET
    assert run(["cancel", str(folder)]) == ExitCode.DONE
    service.set_scenario({})
    collect(folder, "resume")  # what was cancelled is settled first: it cost nothing
    assert len(service.jobs()) == 2

"""Jobs beyond those of a ledger, several attempts at a job, and rows that are damaged."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from runtime_jobs.ledger import (
    BudgetError,
    FrozenCircuit,
    JobRequest,
    JobState,
    Ledger,
    LedgerError,
    Workload,
)
from runtime_jobs.ledger.records import WorkloadMode
from runtime_jobs.runs.jobs import describe_jobs

REQUEST = JobRequest("ibm_kingston", "round 1", ("c",), "p", "{}", "t", 3, 100, 10)


def test_a_stray_counts_with_its_limit_until_its_charge_is_known(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        job = ledger.intend(REQUEST, cap=10)
        assert ledger.strays.record("second", job.tag, 10)
        assert not ledger.strays.record("second", job.tag, 10)
        assert ledger.committed_seconds() == 20
        with pytest.raises(BudgetError, match="--max-qpu-seconds 20"):
            ledger.require_admitted(job, cap=19)
        ledger.require_admitted(job, cap=20)
        ledger.strays.record_usage("second", 2.5)
        assert ledger.committed_seconds() == 12.5
        assert [(stray.job_id, stray.usage) for stray in ledger.strays.list_all()] == [
            ("second", 2.5)
        ]
        ledger.strays.remove("second")
        assert ledger.committed_seconds() == 10


def test_a_stray_is_paid_from_the_budget_of_its_job(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        former = ledger.intend(REQUEST, cap=100)
        ledger.record_sent(former.tag, "job-1")
        ledger.strays.record("second", former.tag, 10)
        assert ledger.committed_seconds() == 20
        ledger.start_budget({})
        assert ledger.committed_seconds() == 0
        assert ledger.is_free(former.tag)
        ledger.strays.record("third", former.tag, 10)  # found after the new budget began
        assert ledger.committed_seconds() == 0
        own = ledger.intend(replace(REQUEST, round="round 2", shots=200), cap=100)
        ledger.strays.record("fourth", own.tag, 10)
        assert not ledger.is_free(own.tag)
        assert ledger.committed_seconds() == 20
        with pytest.raises(BudgetError):
            ledger.intend(replace(REQUEST, shots=300), cap=29)


def test_a_post_without_a_clear_answer_is_remembered_and_shown(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        job = ledger.intend(REQUEST, cap=100)
        ledger.strays.record_unsure(job.tag)
        ledger.strays.record_unsure(job.tag)
        ledger.strays.record("second", job.tag, 10)
        ((tag, posted),) = ledger.strays.list_unsure()
        assert tag == job.tag
        assert abs(posted - time.time()) < 60
    (line,) = describe_jobs(tmp_path, {}).notes
    assert "20.0 s" in line
    assert "second" in line
    assert f"qrnn collect {tmp_path}" in line
    with Ledger(tmp_path) as ledger:
        ledger.strays.settle_unsure(job.tag)
        assert ledger.strays.list_unsure() == []


def test_an_attempt_that_was_revived_is_the_job(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        first = ledger.intend(REQUEST, cap=100)
        ledger.record_failure(first.tag, JobState.REJECTED, "no")
        second = ledger.intend(REQUEST, cap=100)
        ledger.record_failure(second.tag, JobState.REJECTED, "no")
        found = ledger.find(REQUEST.key)
        assert found is not None
        assert found.tag == second.tag
        ledger.record_sent(first.tag, "job-1")
        found = ledger.find(REQUEST.key)
        assert found is not None
        assert (found.tag, found.reason) == (first.tag, None)


def test_a_ledger_from_before_strays_is_read(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.intend(REQUEST, cap=100)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection:
        drop = "DROP TABLE strays; DROP TABLE misfits; DROP TABLE unsure"
        connection.executescript(f"{drop}; PRAGMA user_version = 2")
    with Ledger(tmp_path) as ledger:
        assert ledger.committed_seconds() == 10
        ledger.strays.keep_result("job-1", b"content", "no register")
        assert ledger.strays.list_kept_results() == [("job-1", b"content", "no register")]
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection:
        connection.executescript("DROP TABLE unsure; PRAGMA user_version = 3")
    with Ledger(tmp_path) as ledger:
        assert ledger.strays.list_unsure() == []


@pytest.mark.parametrize("usage", [-5000.0, 1e300, "9e999"])
def test_a_charge_that_cannot_be_true_is_unknown(tmp_path: Path, usage: float | str) -> None:
    with Ledger(tmp_path) as ledger:
        job = ledger.intend(REQUEST, cap=100)
        ledger.record_sent(job.tag, "job-1")
        with ledger._database.transaction() as connection:
            connection.execute("UPDATE jobs SET usage = ?", (usage,))
        assert ledger.committed_seconds() == 10
        assert ledger.list_jobs()[0].usage is None


DAMAGES: dict[str, tuple[str, Callable[[Ledger], object]]] = {
    **{
        damage: (f"UPDATE jobs SET {damage}", lambda ledger: ledger.list_jobs())
        for damage in (
            "state = 'lost'",
            "state = x'00'",
            "tag = x'ff'",
            "job_id = x'00'",
            "shots = 'many'",
            "usage = 'much'",
            "created = 'now'",
        )
    },
    "result": ("DELETE FROM results", lambda ledger: ledger.read_result(1)),
    "content": ("UPDATE results SET content = 'text'", lambda ledger: ledger.read_result(1)),
    "setting": (
        "UPDATE settings SET value = '{'",
        lambda ledger: ledger.read_setting("submission"),
    ),
    "profile": (
        "UPDATE circuits SET profile = '{'",
        lambda ledger: ledger.find_circuit("c", "t"),
    ),
    "mode": ("UPDATE workloads SET mode = 'x'", lambda ledger: ledger.list_workloads()),
}


@pytest.mark.parametrize(("statement", "read"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_row_is_an_error_of_the_ledger(
    tmp_path: Path, statement: str, read: Callable[[Ledger], object]
) -> None:
    with Ledger(tmp_path) as ledger:
        job = ledger.intend(REQUEST, cap=100)
        ledger.record_result(job.tag, b"bits")
        ledger.write_setting("submission", {})
        ledger.freeze_circuit("c", "t", FrozenCircuit(b"qpy", "{}"))
        ledger.open_workload(Workload("w", WorkloadMode.BATCH, "ibm_kingston", None), cap=100)
        with ledger._database.transaction() as connection:
            connection.execute(statement)
        with pytest.raises(LedgerError, match=r"ledger.sqlite is damaged .* backup"):
            read(ledger)

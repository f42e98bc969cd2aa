from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime_jobs.ledger import (
    BudgetError,
    FrozenCircuit,
    FrozenDevice,
    JobRequest,
    Ledger,
    LedgerError,
)
from runtime_jobs.ledger.records import JobState


def make_request(parameters: str = "p", seconds: int = 10, **changes: object) -> JobRequest:
    values: dict[str, object] = {
        "device": "ibm_kingston",
        "round": "step 1",
        "circuit_hashes": ("c",),
        "parameters_hash": parameters,
        "options": "{}",
        "target_hash": "t",
        "circuits": 3,
        "shots": 100,
        "max_execution_time": seconds,
    }
    return JobRequest(**values | changes)


def test_a_job_is_found_again_with_its_result(tmp_path: Path) -> None:
    request = make_request()
    with Ledger(tmp_path) as ledger:
        assert ledger.find(request.key) is None
        intended = ledger.intend(request, cap=10)
        assert (intended.state, intended.job_id, intended.attempt) == (JobState.INTENDED, None, 1)
        ledger.record_sent(intended.tag, "job-1")
        ledger.record_result(intended.tag, b"bits" * 1000)
        ledger.record_usage(intended.tag, 2.5)
    with Ledger(tmp_path) as ledger:
        found = ledger.find(request.key)
        assert found is not None
        assert (found.state, found.job_id, found.usage) == (JobState.DONE, "job-1", 2.5)
        assert ledger.read_result(found.number) == b"bits" * 1000
        assert ledger.committed_seconds() == 2.5


@pytest.mark.parametrize(
    "change",
    [
        {"device": "ibm_fez"},
        {"circuit_hashes": ("d",)},
        {"circuit_hashes": ("c", "c")},
        {"parameters_hash": "q"},
        {"options": "{1}"},
        {"target_hash": "u"},
        {"shots": 101},
        {"repetition": 1},
    ],
)
def test_any_difference_is_another_key(change: dict[str, object]) -> None:
    assert make_request(**change).key != make_request().key


def test_the_name_of_a_round_and_its_time_limit_are_not_in_the_key() -> None:
    assert make_request(round="step 2", seconds=99).key == make_request().key


def test_a_job_beyond_the_cap_is_refused_and_not_recorded(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        first = ledger.intend(make_request("a"), cap=15)
        with pytest.raises(BudgetError, match=r"--max-qpu-seconds 20 or more"):
            ledger.intend(make_request("b"), cap=15)
        assert len(ledger.list_jobs()) == 1
        ledger.record_usage(first.tag, 5.0)  # less than it was allowed to take
        ledger.intend(make_request("b"), cap=15)


def test_what_was_never_accepted_costs_nothing_and_what_failed_does(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        rejected = ledger.intend(make_request("a"), cap=100)
        ledger.record_failure(rejected.tag, JobState.REJECTED, "too large")
        assert ledger.committed_seconds() == 0
        failed = ledger.intend(make_request("b"), cap=100)
        ledger.record_sent(failed.tag, "job")
        ledger.record_failure(failed.tag, JobState.FAILED, "calibration")
        assert ledger.committed_seconds() == 10  # until the service says what it charged
        assert ledger.intend(make_request("b"), cap=100).attempt == 2


@settings(max_examples=60, deadline=None)
@given(
    cap=st.integers(0, 60),
    actions=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3), st.floats(0, 1)), max_size=8),
)
def test_no_order_of_jobs_exceeds_the_cap(cap, actions, tmp_path_factory) -> None:
    with Ledger(tmp_path_factory.mktemp("ledger")) as ledger:
        charged = 0.0
        for number, (seconds, fate, share) in enumerate(actions):
            try:
                job = ledger.intend(make_request(str(number), seconds), cap)
            except BudgetError:
                continue
            if fate == 0:
                ledger.record_failure(job.tag, JobState.REJECTED, "no")
            elif fate == 1:  # the service charges no more than max_execution_time
                ledger.record_usage(job.tag, share * seconds)
                charged += share * seconds
            else:
                charged += seconds
        assert charged <= cap + 1e-9


def test_circuits_and_devices_stay_as_they_were_first_sent(tmp_path: Path) -> None:
    device = FrozenDevice("ibm_kingston", ((5, 4, 3), (8, 9, 10)), "t", "2026-11-21", spacing=1)
    with Ledger(tmp_path) as ledger:
        ledger.freeze_circuit("c", "t", FrozenCircuit(b"qpy", "{}"))
        ledger.freeze_device(device)
        ledger.write_setting("cap", 30)
    with Ledger(tmp_path) as ledger:
        assert ledger.find_circuit("c", "t") == FrozenCircuit(b"qpy", "{}")
        assert ledger.find_circuit("c", "other") is None
        assert ledger.find_device("ibm_kingston") == device
        assert ledger.read_setting("cap") == 30
        assert ledger.read_setting("none") is None


def test_a_layout_from_before_patches_is_a_single_patch(tmp_path: Path) -> None:
    device = FrozenDevice("ibm_kingston", ((5, 4, 3),), "t", "2026-11-21")
    with Ledger(tmp_path) as ledger:
        ledger.freeze_device(device)
        with ledger._database.transaction() as connection:
            connection.execute("UPDATE devices SET qubits = '[5, 4, 3]'")
        assert ledger.find_device("ibm_kingston") == device


def fill_disk(ledger: Ledger) -> None:
    ((pages,),) = ledger._database.read("PRAGMA page_count")
    ledger._database.read(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        job = ledger.intend(make_request(), cap=100)
        ledger.record_sent(job.tag, "job")
        fill_disk(ledger)
        with pytest.raises(LedgerError, match=r"disk is full"):
            ledger.record_result(job.tag, bytes(range(256)) * 4000)
    with Ledger(tmp_path) as ledger:
        found = ledger.find(make_request().key)
        assert found is not None
        assert found.state is JobState.SENT
        ledger.record_result(job.tag, b"the same again")


@pytest.mark.parametrize("kept", [50, 100, 4096, 12288])
def test_a_file_cut_short_is_reported(tmp_path: Path, kept: int) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.intend(make_request(), cap=100)
        file = ledger.file
    content = file.read_bytes()
    file.write_bytes(content[:kept])
    with pytest.raises(LedgerError, match=r"cut short|is no ledger"):
        Ledger(tmp_path)


def test_another_file_and_another_version_are_reported(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("not a database" * 100)
    with pytest.raises(LedgerError, match="is no ledger"):
        Ledger(tmp_path)
    (tmp_path / "ledger.sqlite").unlink()
    connection = sqlite3.connect(tmp_path / "ledger.sqlite")
    connection.execute("PRAGMA user_version = 7")
    connection.execute("CREATE TABLE a (b)")
    connection.close()
    with pytest.raises(LedgerError, match="version 7"):
        Ledger(tmp_path)


def test_a_damaged_result_is_an_error_of_the_ledger(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        job = ledger.intend(make_request(), cap=100)
        ledger.record_result(job.tag, b"bits")
        with ledger._database.transaction() as connection:
            connection.execute("UPDATE results SET content = ?", (b"not compressed",))
        with pytest.raises(LedgerError, match=r"ledger.sqlite is damaged .* backup"):
            ledger.read_result(job.number)


def test_ten_thousand_jobs_are_listed_in_less_than_a_second(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        job = ledger.intend(make_request(), cap=100)
        with ledger._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO jobs SELECT ?, key || ?, attempt, tag || ?, round, device, circuits, "
                "shots, max_execution_time, state, job_id, usage, reason, created, updated, "
                "hashes, workload FROM jobs WHERE number = 1",
                [(number, number, number) for number in range(2, 10_001)],
            )
        start = time.process_time()
        jobs = ledger.list_jobs()
        assert time.process_time() - start < 1.0  # the clock's time is that of all processes
    assert len(jobs) == 10_000
    assert jobs[0] == job


def test_a_ledger_of_the_version_before_is_read(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.write_setting("a", 1)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("ALTER TABLE jobs DROP COLUMN workload")
        connection.execute("DROP TABLE workloads")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with Ledger(tmp_path) as ledger:
        assert ledger.read_setting("a") == 1
        assert ledger.list_jobs() == []
        assert ledger.list_workloads() == []
        assert ledger.committed_seconds() == 0

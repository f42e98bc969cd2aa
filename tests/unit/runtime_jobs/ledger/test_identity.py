"""The identity of a run folder: made once, kept when the folder moves, noticed in a copy."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import pytest

from runtime_jobs.ledger import BudgetError, JobRequest, Ledger, LedgerError
from runtime_jobs.ledger.errors import IdentityError
from runtime_jobs.ledger.identity import (
    explain_loss,
    find_original,
    list_own_jobs,
    require_identity,
    start_new_budget,
)
from runtime_jobs.ledger.records import JobState, Workload, WorkloadMode

Found = list[tuple[str, Collection[str]]]


def find_none(tag: str) -> Found:
    return []


def intend(ledger: Ledger, number: int, seconds: int = 10, cap: float = 1e9) -> str:
    request = JobRequest("d", "r", ("c",), str(number), "{}", "t", 1, 1, seconds)
    return ledger.intend(request, cap).tag


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with an identity and a job that was sent."""
    place = tmp_path / "run"
    place.mkdir()
    with Ledger(place) as ledger:
        require_identity(ledger, find_none)
        ledger.record_sent(intend(ledger, 1), "id-1")
    return place


def copy(folder: Path) -> Path:
    return Path(shutil.copytree(folder, folder.parent / "copy"))


def test_it_is_made_once(folder: Path) -> None:
    with Ledger(folder) as ledger:
        tag = require_identity(ledger, find_none)
        assert require_identity(ledger, find_none) == tag
    assert (folder / "identity.txt").read_text() == f"{tag}\n"


def test_what_the_service_has_and_the_ledger_knows_is_no_fault(folder: Path) -> None:
    with Ledger(folder) as ledger:
        own = intend(ledger, 2)
        found: Found = [("id-1", []), ("twice", [own]), ("late", [own, "x"])]
        require_identity(ledger, lambda tag: found)
        found += [(f"foreign-{number}", ["qrnn-other"]) for number in range(7)]
        with pytest.raises(IdentityError, match=r"7 jobs \(foreign-0, .*-4 and 2 more\)"):
            require_identity(ledger, lambda tag: found)


def test_a_copy_is_known_by_its_original(folder: Path) -> None:
    other = copy(folder)
    with Ledger(other) as ledger:
        assert find_original(ledger) == folder
        with pytest.raises(BudgetError, match=r"is a copy of .*run.*Nothing was sent.*new-budget"):
            require_identity(ledger, find_none)
        (folder / "identity.txt").unlink()  # its ledger still has it
        assert find_original(ledger) == folder
        (folder / "ledger.sqlite").write_bytes(b"no ledger")
        assert find_original(ledger) is None
    with Ledger(other) as ledger:
        before = (other / "identity.txt").read_text()
        require_identity(ledger, find_none)  # the original is no run any more
        assert (other / "identity.txt").read_text() == before
        assert ledger.read_setting("identity")["path"] == str(other)


def test_a_moved_folder_and_a_link_are_no_copies(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    with Ledger(link) as ledger:
        tag = require_identity(ledger, find_none)
    moved = folder.rename(folder.parent / "moved")
    with Ledger(moved) as ledger:
        assert find_original(ledger) is None
        assert require_identity(ledger, find_none) == tag
    copied = Path(shutil.copytree(moved, folder))  # a copy where the original was
    with Ledger(moved) as ledger:
        assert find_original(ledger) is None
    with Ledger(copied) as ledger:
        assert find_original(ledger) == moved


def test_a_lost_ledger_and_one_of_another_run_are_noticed(folder: Path, tmp_path: Path) -> None:
    tag = (folder / "identity.txt").read_text().strip()
    asked = []

    def find(wanted: str) -> Found:
        asked.append(wanted)
        return [("id-1", [wanted])]

    (folder / "ledger.sqlite").rename(tmp_path / "kept.sqlite")
    with Ledger(folder) as ledger:
        assert tag in explain_loss(ledger)
        with pytest.raises(IdentityError, match=rf"is gone: .*{tag}.* 1 job \(id-1\)"):
            require_identity(ledger, find)
        with pytest.raises(IdentityError, match="has 0 jobs"):
            require_identity(ledger, find_none)
    assert asked == [tag]
    (folder / "ledger.sqlite").unlink()
    (tmp_path / "kept.sqlite").rename(folder / "ledger.sqlite")
    (folder / "identity.txt").write_text(f"qrnn-run-{32 * 'a'}\n")
    with Ledger(folder) as ledger:
        assert explain_loss(ledger) == ""
        with pytest.raises(IdentityError, match="belongs to another run"):
            require_identity(ledger, find)


def test_a_new_budget_counts_only_later_jobs_and_sessions(folder: Path) -> None:
    with Ledger(folder) as ledger:
        session = Workload("s-1", WorkloadMode.SESSION, "d", 50)
        ledger.open_workload(session, 1e9)
        intend(ledger, 2)
        assert ledger.committed_seconds() == 70
    other = copy(folder)
    with Ledger(other) as ledger:
        said = start_new_budget(ledger, find_none)
        assert "the jobs in its ledger (1) count as results" in said
        tag = require_identity(ledger, find_none)
        assert (other / "identity.txt").read_text() == f"{tag}\n"
        assert [(job.job_id, job.state) for job in ledger.list_jobs()] == [("id-1", JobState.SENT)]
        assert not any(workload.is_open for workload in ledger.list_workloads())
        assert ledger.committed_seconds() == 0
        intend(ledger, 2, seconds=20, cap=20)
        assert ledger.committed_seconds() == 20
        with pytest.raises(BudgetError):
            intend(ledger, 3, seconds=1, cap=20)
        ledger.open_workload(Workload("s-2", WorkloadMode.SESSION, "d", 5), 25)
        assert ledger.committed_seconds() == 25
        assert [job.max_execution_time for job in list_own_jobs(ledger)] == [20]
        assert "changes nothing" in start_new_budget(ledger, find_none)
        assert ledger.committed_seconds() == 25
    with Ledger(folder) as ledger:
        assert ledger.committed_seconds() == 70
        require_identity(ledger, find_none)


@pytest.mark.parametrize("text", ["", "qrnn-run-12", "\0\0", "qrnn-run-" + 33 * "0"])
def test_a_damaged_identity_is_named(folder: Path, text: str) -> None:
    (folder / "identity.txt").write_text(text)
    with Ledger(folder) as ledger, pytest.raises(LedgerError, match=r"identity\.txt is damaged"):
        require_identity(ledger, find_none)


@pytest.mark.parametrize("kept", [1, [], "x", {}, {"tag": 1, "path": 2, "device": 3, "inode": 4}])
def test_a_damaged_identity_in_the_ledger_is_named(folder: Path, kept: object) -> None:
    with Ledger(folder) as ledger:
        ledger.write_setting("identity", kept)
        with pytest.raises(LedgerError, match=r"ledger\.sqlite is damaged \(the identity"):
            require_identity(ledger, find_none)

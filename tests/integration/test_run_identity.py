"""Copies, moved folders and lost ledgers: no job is paid from two budgets without a word."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from localqpu.control_client import LocalqpuControl
from loopback import POST, collect, count_posts, submit

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.ledger import Ledger
from runtime_jobs.ledger.records import JobState

TAG = r"qrnn-run-[0-9a-f]{32}"


def copy(folder: Path, name: str = "copy") -> Path:
    return Path(shutil.copytree(folder, folder.parent / name))


def read_tag(folder: Path) -> str:
    text = (folder / "identity.txt").read_text().strip()
    assert re.fullmatch(TAG, text)
    return text


def list_tags(loopback, control: LocalqpuControl) -> list[list[str]]:
    return [loopback.context.jobs.get(job["id"]).metadata["tags"] for job in control.jobs()]


def wait(folder: Path, *words: str) -> int:
    """Run a command to the end of its jobs, collect by default."""
    return run([*(words or ["collect"]), str(folder), "--wait"])


def test_every_job_carries_the_tag_of_its_run_beside_its_own(
    replay: Path, service: LocalqpuControl, loopback
) -> None:
    assert submit(replay, cap=120) == ExitCode.DONE
    assert wait(replay) == ExitCode.DONE
    with Ledger(replay) as ledger:
        own = {job.tag for job in ledger.list_jobs()}
    found = list_tags(loopback, service)
    assert len(found) == 8
    assert {tags[0] for tags in found} == own
    assert {tags[1] for tags in found} == {read_tag(replay)}


def test_a_copy_is_refused_before_anything_is_sent(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    other = copy(folder)
    collect(other)  # it has the result: nothing is sent
    posts = count_posts(service)
    capsys.readouterr()
    assert submit(other, sequences=4) == ExitCode.OVER_BUDGET
    error = " ".join(capsys.readouterr().err.split())
    assert f"{other} is a copy of {folder}" in error
    assert read_tag(folder) in error
    assert "--new-budget" in error
    assert "Nothing was sent" in error
    assert run(["resume", str(other)]) == ExitCode.OVER_BUDGET
    assert count_posts(service) == posts == 1
    assert submit(folder, sequences=4) == ExitCode.DONE  # the original goes on
    collect(folder)
    assert len(service.jobs()) == 2


def test_a_copy_of_a_replay_sends_no_later_step(
    replay: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(replay, cap=120) == ExitCode.DONE
    other = copy(replay)
    assert wait(other) == ExitCode.OVER_BUDGET  # it fetches the first step, which costs nothing
    assert "is a copy of" in capsys.readouterr().err
    assert len(service.jobs()) == 1
    assert wait(replay) == ExitCode.DONE
    assert len(service.jobs()) == 8
    shutil.rmtree(replay)  # now the copy is the run, but its ledger lacks seven jobs
    assert wait(other) == ExitCode.OVER_BUDGET
    error = " ".join(capsys.readouterr().err.split())
    assert "is older than its run" in error
    assert "7 jobs" in error
    assert len(service.jobs()) == 8


@pytest.mark.parametrize("command", ["submit", pytest.param("resume", marks=pytest.mark.slow)])
def test_a_copy_with_a_new_budget_has_the_results_and_its_own_cap(
    replay: Path,
    service: LocalqpuControl,
    loopback,
    command: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert submit(replay, cap=120) == ExitCode.DONE
    while len(service.jobs()) < 2:
        assert run(["collect", str(replay)]) == ExitCode.NOT_READY
    other = copy(replay)
    before = len(service.jobs())
    with Ledger(other) as ledger:
        limit = ledger.list_jobs()[0].max_execution_time
        count = len(ledger.list_jobs())
    capsys.readouterr()
    if command == "submit":
        assert submit(other, "--new-budget", cap=8 * limit) in (ExitCode.DONE, ExitCode.NOT_READY)
    else:
        code = run(["resume", str(other), "--new-budget"])
        assert code in (ExitCode.DONE, ExitCode.NOT_READY)
    error = " ".join(capsys.readouterr().err.split())
    assert f"{other} has a new budget: the jobs in its ledger ({count}) count as results" in error
    assert read_tag(other) != read_tag(replay)
    assert wait(other) == ExitCode.DONE
    assert len(service.jobs()) == before + 8 - count  # the results of the copied jobs are used
    with Ledger(other) as ledger:
        jobs = ledger.list_jobs()
        assert ledger.committed_seconds() <= (8 - count) * limit
    assert len(jobs) == 8
    tags = {tuple(tags) for tags in list_tags(loopback, service)}
    assert {(job.tag, read_tag(other)) for job in jobs[count:]} <= tags
    assert {(job.tag, read_tag(replay)) for job in jobs[:count]} <= tags
    assert wait(replay) == ExitCode.DONE  # the original sends what it lacks, from its own cap
    assert len(service.jobs()) == before + 2 * (8 - count)
    capsys.readouterr()
    assert submit(other, "--new-budget", cap=8 * limit) == ExitCode.DONE
    assert "changes nothing" in capsys.readouterr().err


def test_the_new_cap_holds(folder: Path, service: LocalqpuControl) -> None:
    assert submit(folder) == ExitCode.DONE
    other = copy(folder)
    assert submit(other, "--new-budget", cap=1, sequences=4) == ExitCode.OVER_BUDGET
    assert len(service.jobs()) == 1
    assert submit(other, sequences=4) == ExitCode.DONE
    with Ledger(other) as ledger:
        limit = ledger.list_jobs()[-1].max_execution_time
        assert ledger.committed_seconds() == limit  # without the open job of the original
    assert submit(other, cap=2 * limit - 1, sequences=5) == ExitCode.OVER_BUDGET
    assert len(service.jobs()) == 2


def test_jobs_that_the_original_may_be_sending_are_left_to_it(
    folder: Path, service: LocalqpuControl
) -> None:
    service.set_scenario({"http_faults": [POST | {"status": 503, "times": 20}]})
    assert submit(folder) == ExitCode.FAILED
    with Ledger(folder) as ledger:
        assert [job.state for job in ledger.list_jobs()] == [JobState.INTENDED]
    service.set_scenario({})
    other = copy(folder)
    assert submit(other) == ExitCode.OVER_BUDGET
    assert service.jobs() == []
    assert submit(other, "--new-budget") == ExitCode.DONE
    collect(other)
    with Ledger(folder) as first, Ledger(other) as second:
        assert {job.tag for job in first.list_jobs()}.isdisjoint(
            {job.tag for job in second.list_jobs()}
        )
    collect(folder, "resume")
    assert len(service.jobs()) == 2


def test_a_copy_neither_cancels_nor_closes_what_the_original_has_open(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    service.set_scenario({"queue": {"polls_before_running": 1000}})
    assert submit(folder) == ExitCode.DONE
    other = copy(folder)
    assert run(["cancel", str(other)]) == ExitCode.OVER_BUDGET
    assert f"qrnn cancel {folder}" in " ".join(capsys.readouterr().err.split())
    assert submit(other, sequences=4) == ExitCode.OVER_BUDGET
    with Ledger(folder) as ledger:
        (workload,) = ledger.list_workloads()
    assert submit(other, "--new-budget", sequences=4) == ExitCode.DONE
    with Ledger(other) as ledger:
        assert workload.id not in {each.id for each in ledger.list_workloads() if each.is_open}
    assert run(["cancel", str(other)]) == ExitCode.DONE
    states = [job["status"] for job in service.jobs()]
    assert states.count("Cancelled") == 1
    assert submit(folder, sequences=5) == ExitCode.DONE
    with Ledger(folder) as ledger:  # its batch is still open
        assert [each.id for each in ledger.list_workloads()] == [workload.id]


def test_a_moved_folder_goes_on(replay: Path, service: LocalqpuControl) -> None:
    assert submit(replay, cap=120) == ExitCode.DONE
    tag = read_tag(replay)
    first = replay.rename(replay.parent / "first")
    assert run(["collect", str(first)]) == ExitCode.NOT_READY
    second = Path(shutil.copytree(first, first.parent / "second"))  # to another file system
    shutil.rmtree(first)
    assert wait(second) == ExitCode.DONE
    assert read_tag(second) == tag
    assert len(service.jobs()) == 8


def test_a_link_to_the_folder_is_the_folder(folder: Path, service: LocalqpuControl) -> None:
    assert submit(folder) == ExitCode.DONE
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert submit(link, sequences=4) == ExitCode.DONE
    assert len(service.jobs()) == 2


def test_the_original_that_was_moved_is_the_original_beside_a_copy_at_its_old_place(
    folder: Path, service: LocalqpuControl
) -> None:
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    moved = folder.rename(folder.parent / "moved")
    shutil.copytree(moved, folder)
    assert submit(moved, sequences=4) == ExitCode.DONE
    assert submit(folder, sequences=4) == ExitCode.OVER_BUDGET
    assert len(service.jobs()) == 2


def test_a_ledger_that_is_gone_is_noticed(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    (job,) = service.jobs()
    tag = read_tag(folder)
    (folder / "ledger.sqlite").unlink()
    capsys.readouterr()
    assert run(["collect", str(folder)]) == ExitCode.BAD_INPUT
    assert "its ledger is gone" in capsys.readouterr().err
    for _ in range(2):
        assert submit(folder) == ExitCode.OVER_BUDGET
        error = " ".join(capsys.readouterr().err.split())
        assert "is gone" in error
        assert tag in error
        assert f"1 job ({job['id']})" in error
        assert "--new-budget" in error
    assert count_posts(service) == 1
    assert submit(folder, "--new-budget") == ExitCode.DONE
    error = " ".join(capsys.readouterr().err.split())
    assert "has a new budget: the jobs in its ledger (0)" in error
    assert read_tag(folder) != tag
    collect(folder)
    assert len(service.jobs()) == 2


def test_the_ledger_of_another_run_is_noticed(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    other = copy(folder)
    assert submit(folder) == submit(other) == ExitCode.DONE
    assert read_tag(folder) != read_tag(other)  # copied before the first job: two runs
    shutil.copyfile(folder / "ledger.sqlite", other / "ledger.sqlite")
    capsys.readouterr()
    assert submit(other, sequences=4) == ExitCode.OVER_BUDGET
    error = " ".join(capsys.readouterr().err.split())
    assert "belongs to another run" in error
    assert read_tag(other) in error
    assert len(service.jobs()) == 2


def test_an_older_ledger_is_noticed(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    backup = (folder / "ledger.sqlite").read_bytes()
    assert submit(folder, sequences=4) == ExitCode.DONE
    collect(folder)
    (folder / "ledger.sqlite").write_bytes(backup)
    capsys.readouterr()
    assert submit(folder, sequences=4) == ExitCode.OVER_BUDGET
    error = " ".join(capsys.readouterr().err.split())
    assert "is older than its run" in error
    assert service.jobs()[-1]["id"] in error or service.jobs()[0]["id"] in error
    assert len(service.jobs()) == 2


def test_an_identity_that_is_gone_is_written_anew(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    tag = read_tag(folder)
    (folder / "identity.txt").unlink()
    other = copy(folder)
    assert submit(other, sequences=4) == ExitCode.OVER_BUDGET  # also without it, it is a copy
    assert submit(folder, sequences=4) == ExitCode.DONE
    assert read_tag(folder) == tag
    (folder / "identity.txt").write_text(tag[:20])
    capsys.readouterr()
    assert submit(folder, sequences=5) == ExitCode.FAILED
    assert "identity.txt is damaged" in " ".join(capsys.readouterr().err.split())
    assert len(service.jobs()) == 2


def test_a_folder_from_before_identities_gets_one_with_its_next_job(
    folder: Path, service: LocalqpuControl
) -> None:
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    (folder / "identity.txt").unlink()
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        connection.execute("DELETE FROM settings WHERE name = 'identity'")
    connection.close()
    collect(folder)
    assert not (folder / "identity.txt").exists()
    assert submit(folder, sequences=4) == ExitCode.DONE
    read_tag(folder)
    collect(folder)
    assert len(service.jobs()) == 2


def test_new_budget_without_a_submission_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["resume", str(folder), "--new-budget"]) == ExitCode.BAD_INPUT
    assert "no open submission" in capsys.readouterr().err
    assert not (folder / "identity.txt").exists()


HOLDER = """
import sys
from pathlib import Path
from qrnn_qiskit.training.lock import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_beside_another_process_no_command_sends_or_writes(
    folder: Path, service: LocalqpuControl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(folder) == ExitCode.DONE
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    try:
        for words in (
            ["collect", str(folder)],
            ["resume", str(folder)],
            ["cancel", str(folder)],
            ["evaluate", str(folder)],
        ):
            capsys.readouterr()
            assert run(words) == ExitCode.FAILED
            error = capsys.readouterr().err
            assert f"process {holder.pid} on " in error
            assert len(error.splitlines()) == 1
        assert submit(folder, sequences=4) == ExitCode.FAILED
        after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert after == before
    finally:
        holder.kill()
        holder.communicate()
    assert count_posts(service) == 1
    collect(folder)  # a process that was killed leaves no lock

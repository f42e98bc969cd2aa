"""A ledger and other processes: killed in the middle of writing, or working at the same time."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime_jobs.ledger import Ledger, LedgerBusyError, hold_lock
from runtime_jobs.ledger.records import JobState

pytestmark = pytest.mark.process

# Writes jobs until it is killed, and says each step after it is on the disk.
WRITER = """
import sys
from pathlib import Path
from runtime_jobs.ledger import JobRequest, Ledger, hold_lock
folder = Path(sys.argv[1])
with hold_lock(folder), Ledger(folder) as ledger:
    number = len(ledger.list_jobs())
    while True:
        number += 1
        request = JobRequest("d", "r", ("c",), str(number), "{}", "t", 1, 1, 1)
        job = ledger.intend(request, 1e9)
        print("intended", job.tag, flush=True)
        ledger.record_sent(job.tag, f"id-{number}")
        print("sent", job.tag, flush=True)
        ledger.record_result(job.tag, b"x" * 20_000)
        print("done", job.tag, flush=True)
"""
RANK = {"intended": 0, "sent": 1, "done": 2}


def start_writer(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_what_was_written_before_a_kill_is_there(tmp_path: Path, kills: int) -> None:
    choose = random.Random(0)
    for _ in range(kills):
        writer = start_writer(tmp_path)
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(choose.uniform(0, 0.05))
        writer.kill()
        said = [line.split() for line in [first, *writer.stdout] if line.endswith("\n")]
        writer.wait()
        writer.stdout.close()
        with Ledger(tmp_path) as ledger:
            jobs = {job.tag: job for job in ledger.list_jobs()}
            for word, tag in said:
                assert RANK[jobs[tag].state] >= RANK[word]
            for job in jobs.values():
                if job.state is JobState.DONE:
                    assert ledger.read_result(job.number) == b"x" * 20_000


def test_a_second_process_is_told_and_may_still_read(tmp_path: Path) -> None:
    writer = start_writer(tmp_path)
    assert writer.stdout is not None
    writer.stdout.readline()
    try:
        with pytest.raises(LedgerBusyError, match="another qrnn process"), hold_lock(tmp_path):
            pass
        with Ledger(tmp_path) as ledger:
            assert ledger.list_jobs()
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    with hold_lock(tmp_path):  # the system released it
        pass

"""One process at a time writes to a run folder, and writers never share a temporary file."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from qrnn_qiskit.training.checkpoint import write_atomically, write_text
from qrnn_qiskit.training.config import Config
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.lock import LockError, RunBusyError, hold_lock, require_unlocked
from qrnn_qiskit.training.processes import Processes, ProcessLostError
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.trainer import hold_run, resume, train

# Holds the lock of the folder in argv[1] until it is killed or its input ends.
HOLDER = """
import sys
from pathlib import Path
from qrnn_qiskit.training.lock import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def start_holder(folder: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def end(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.communicate()


def read_files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.process
def test_who_comes_second_learns_by_whom_and_writes_nothing(
    create: Callable[..., RunFolder], configure: Callable[..., Config]
) -> None:
    run = create(epochs=1)
    train(run)
    holder = start_holder(run.path)
    before = read_files(run.path)
    attempts: list[Callable[[], object]] = [
        lambda: resume(RunFolder.open(run.path)),
        lambda: train(RunFolder.open(run.path)),
        lambda: evaluate(RunFolder.open(run.path)),
        lambda: create_run(run.path, configure()),
    ]
    try:
        for attempt in attempts:
            name = f"process {holder.pid} on {socket.gethostname()}, since 20"
            with pytest.raises(RunBusyError) as refused:
                attempt()
            assert name in str(refused.value)
            assert str(run.path) in str(refused.value)
        assert read_files(run.path) == before
    finally:
        end(holder)
    for attempt in attempts[0], attempts[2]:  # a process that was killed leaves no lock
        attempt()
    assert (run.path / "run.lock").read_bytes() == b""


def test_it_may_be_nested_only_where_the_same_thread_holds_it(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def work() -> None:
        try:
            with hold_lock(tmp_path, nested=True):
                pass
        except RunBusyError as error:
            errors.append(error)

    with hold_lock(tmp_path):
        with hold_lock(tmp_path / ".." / tmp_path.name, nested=True):
            require_unlocked(tmp_path)
        with pytest.raises(RunBusyError), hold_lock(tmp_path):  # the inner one released nothing
            pass
        other = threading.Thread(target=work)
        other.start()
        other.join()
    assert len(errors) == 1
    require_unlocked(tmp_path)


def test_neither_a_copy_of_the_folder_nor_a_forked_process_takes_it_away(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with hold_lock(folder):
        shutil.copytree(folder, tmp_path / "copy")  # opens and closes the lock file
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with hold_lock(folder, nested=True):
                    pass
            except RunBusyError:
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        with pytest.raises(RunBusyError, match=f"process {os.getpid()} on"), hold_lock(folder):
            pass
    with hold_lock(tmp_path / "copy"):
        pass


def test_a_forked_process_that_lives_on_does_not_hold_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with hold_lock(tmp_path):
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    try:
        with hold_lock(tmp_path):
            pass
    finally:
        os.close(writing)
        os.close(reading)
        os.waitpid(child, 0)


def test_a_folder_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LockError, match=r"run\.lock cannot be opened"), hold_lock(tmp_path / "no"):
        pass

    def refuse(*args: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(LockError, match=r"not implemented.*file system"), hold_lock(tmp_path):
        pass


@pytest.mark.process
def test_of_several_processes_the_first_holds_it_for_all(
    create: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create()
    shared: list[object] = []
    monkeypatch.setattr(Processes, "tell", lambda self, value: shared.append(value) or shared[0])
    with hold_run(run, Processes(0, 2)), hold_run(run, Processes(1, 2)):  # noqa: SIM117
        with pytest.raises(RunBusyError), hold_lock(run.path):
            pass
    shared.clear()
    holder = start_holder(run.path)
    try:
        with pytest.raises(RunBusyError) as first, hold_run(run, Processes(0, 2)):
            pass
        with pytest.raises(ProcessLostError) as second, hold_run(run, Processes(1, 2)):
            pass
    finally:
        end(holder)
    assert str(first.value) == str(second.value)


def test_two_writers_never_share_a_temporary_file(tmp_path: Path) -> None:
    place = tmp_path / "checkpoint.pt"
    names = []

    def write_slowly(file: object) -> None:
        (half,) = tmp_path.glob(".*.tmp")
        names.append(half)
        write_text(place, "second")
        assert half.exists()

    write_atomically(place, write_slowly)
    assert place.read_bytes() == b""  # the first one ended last
    assert len(names) == 1
    assert list(tmp_path.iterdir()) == [place]


def test_a_write_that_fails_leaves_the_file_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "checkpoint.pt"
    place.write_text("whole")

    def fail(file: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomically(place, fail)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert place.read_text() == "whole"


def test_halves_of_killed_processes_are_deleted_at_the_next_start(
    create: Callable[..., RunFolder],
) -> None:
    run = create(epochs=1)
    half = run.path / ".checkpoint.pt.4711-0123456789ab.tmp"
    other = run.path / ".notes.tmp"
    for path in half, other:
        path.write_bytes(b"half")
    train(run)
    assert not half.exists()
    assert other.exists()
    half.write_bytes(b"half")
    resume(RunFolder.open(run.path))
    assert not half.exists()

"""The lock by which one process at a time writes to a run folder."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from circuits.errors import OperationError
from qrnn_qiskit.training.checkpoint import explain_failure

__all__ = ["LockError", "RunBusyError", "hold_lock", "require_unlocked"]

_FILE = "run.lock"
_held: dict[tuple[str, int], int] = {}  # descriptors by folder and thread


class LockError(OperationError):
    """The lock of a run folder cannot be taken; the message gives the reason."""


class RunBusyError(LockError):
    """Another process is writing to this run folder."""


@contextmanager
def hold_lock(folder: Path, *, nested: bool = False) -> Iterator[None]:
    """Hold the lock of a run folder in this context.

    The system releases it when the process ends or is killed. Processes that this one forks do not
    hold it.

    Args:
        folder: The run folder, which must exist.
        nested: Whether the lock may be held already by a caller in the same thread.

    Raises:
        RunBusyError: Another process holds the lock; the message gives its number, its host and
            the time since when. Nothing is written then.
        LockError: The lock file cannot be opened, or the file system has no locks.
    """
    key = (os.path.realpath(folder), threading.get_ident())
    if nested and key in _held:
        yield
        return
    opened = _open(folder)
    _held[key] = opened
    try:
        with explain_failure(Path(folder) / _FILE):
            _write_holder(opened)
        yield
    finally:
        if _held.pop(key, None) is not None:  # a forked process has closed it already
            try:
                os.ftruncate(opened, 0)
                _unlock(opened)  # closing is not enough while a forked process starts
            finally:
                os.close(opened)


def require_unlocked(folder: Path) -> None:
    """Require that no other process is writing to a folder.

    Raises:
        RunBusyError: Another process is.
    """
    if (folder / _FILE).exists():
        with hold_lock(folder, nested=True):
            pass


def _open(folder: Path) -> int:
    """Return the descriptor of the lock file, which is locked."""
    file = folder / _FILE
    try:
        opened = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:
        raise LockError(f"{file} cannot be opened: {error.strerror}") from error
    try:
        _lock(opened)
    except (BlockingIOError, PermissionError) as error:
        holder = _read_holder(opened)
        os.close(opened)
        raise RunBusyError(
            f"another qrnn process is working on {folder}{holder}; wait until it ends, or stop it. "
            "Nothing was written. Meanwhile, 'qrnn jobs' lists the jobs"
        ) from error
    except OSError as error:
        os.close(opened)
        raise LockError(
            f"{file} cannot be locked: {error.strerror}. Put the run on a file system that has "
            "locks"
        ) from error
    return opened


if sys.platform == "win32":
    import msvcrt

    def _lock(opened: int) -> None:
        os.lseek(opened, 2**30, os.SEEK_SET)  # beyond the content, which others read
        msvcrt.locking(opened, msvcrt.LK_NBLCK, 1)

    def _unlock(opened: int) -> None:
        os.lseek(opened, 2**30, os.SEEK_SET)
        msvcrt.locking(opened, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(opened: int) -> None:
        # Unlike the locks of lockf, this one stays when the process closes another descriptor of
        # the file, such as that of a copy of the folder.
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(opened: int) -> None:
        fcntl.flock(opened, fcntl.LOCK_UN)


def _write_holder(opened: int) -> None:
    """Write which process holds the lock, for the message of others."""
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(opened, 0)
    os.lseek(opened, 0, os.SEEK_SET)
    os.write(opened, json.dumps(holder).encode())


def _read_holder(opened: int) -> str:
    """Return which process holds the lock, in brackets; empty if it has not been written yet."""
    os.lseek(opened, 0, os.SEEK_SET)
    try:
        holder = json.loads(os.read(opened, 4096))
        return f" (process {holder['pid']} on {holder['host']}, since {holder['since']})"
    except (ValueError, TypeError, KeyError):
        return ""


def _forget() -> None:
    """Close the locks of the parent process, which keeps them, in a forked one."""
    for opened in _held.values():
        os.close(opened)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

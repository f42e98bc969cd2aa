"""The lock by which one process at a time sends and collects the jobs of a run folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from runtime_jobs.ledger.errors import LedgerBusyError, LedgerError

__all__ = ["hold_lock"]


@contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; the system releases it when the process ends or is killed.

    It is the lock of an empty SQLite database, and so works wherever SQLite does.

    Raises:
        LedgerBusyError: Another process holds the lock.
        LedgerError: The lock file cannot be opened or locked.
    """
    file = folder / "ledger.lock"
    try:
        connection = sqlite3.connect(file, timeout=0.0, isolation_level=None)
    except sqlite3.Error as error:
        raise LedgerError(f"{file} cannot be opened: {error}") from error
    with closing(connection):
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise LedgerError(f"{file} cannot be locked: {error}") from error
            raise LedgerBusyError(
                f"another qrnn process is sending or collecting jobs of {folder}; wait until it "
                "ends, or stop it. Meanwhile, 'qrnn jobs' lists the jobs"
            ) from error
        yield

"""The SQLite file of a ledger: its schema, checks, transactions and errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtime_jobs.ledger.errors import LedgerError
from runtime_jobs.ledger.records import LONGEST_CHARGE, JobState, WorkloadMode

__all__ = ["COMMITTED_SECONDS", "START_BUDGET", "Database", "open_database"]

_VERSION = 5
_SCHEMA = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    tag TEXT NOT NULL UNIQUE,
    round TEXT NOT NULL,
    device TEXT NOT NULL,
    circuits INTEGER NOT NULL,
    shots INTEGER NOT NULL,
    max_execution_time INTEGER NOT NULL,
    state TEXT NOT NULL,
    job_id TEXT,
    usage REAL,
    reason TEXT,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    hashes TEXT NOT NULL,
    workload TEXT,
    UNIQUE (key, attempt)
);
CREATE TABLE results (number INTEGER PRIMARY KEY REFERENCES jobs, content BLOB NOT NULL);
CREATE TABLE circuits (
    circuit TEXT NOT NULL,
    target TEXT NOT NULL,
    isa BLOB NOT NULL,
    profile TEXT NOT NULL,
    PRIMARY KEY (circuit, target)
);
CREATE TABLE devices (
    name TEXT PRIMARY KEY,
    qubits TEXT NOT NULL,
    target TEXT NOT NULL,
    calibration TEXT NOT NULL
);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_WORKLOADS = """
CREATE TABLE workloads (
    id TEXT PRIMARY KEY,
    mode TEXT NOT NULL,
    device TEXT NOT NULL,
    max_time INTEGER,
    is_open INTEGER NOT NULL,
    usage REAL
);
"""
_STRAYS = """
CREATE TABLE IF NOT EXISTS strays (
    job_id TEXT PRIMARY KEY,
    tag TEXT NOT NULL,
    max_execution_time INTEGER NOT NULL,
    usage REAL
);
CREATE TABLE IF NOT EXISTS misfits (
    job_id TEXT PRIMARY KEY,
    content BLOB NOT NULL,
    reason TEXT NOT NULL,
    created REAL NOT NULL
);
"""
# Tags under which a job may arrive late, with the time of the last POST in seconds since 1970.
_UNSURE = "CREATE TABLE IF NOT EXISTS unsure (tag TEXT PRIMARY KEY, posted REAL NOT NULL);"
_ORIGINS = """
CREATE TABLE IF NOT EXISTS origins (
    tag TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    instance TEXT,
    circuit_dt TEXT NOT NULL
);
"""
# The statements that bring a file of each earlier version to this one; version 0 is an empty file.
_STEPS = {
    0: _SCHEMA + _WORKLOADS + _STRAYS + _UNSURE + _ORIGINS,
    1: "ALTER TABLE jobs ADD COLUMN workload TEXT;" + _WORKLOADS + _STRAYS + _UNSURE + _ORIGINS,
    2: _STRAYS + _UNSURE + _ORIGINS,
    3: _UNSURE + _ORIGINS,
    4: _ORIGINS,
}

# Jobs and sessions up to these numbers were paid from the budget of another folder.
START_BUDGET = """
INSERT OR REPLACE INTO settings
    SELECT 'free_jobs', coalesce(max(number), 0) FROM jobs
    UNION SELECT 'free_workloads', coalesce(max(rowid), 0) FROM workloads
"""
_FREE = "(SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM settings WHERE name = 'free_{}')"

# The cost of each job: its charge, or its limit while the charge is unknown or cannot be true. The
# jobs of a session cost the time of the session, which may exceed its limit by the job that runs at
# its end. Strays are charged like any other job, from the budget of the job with their tag.
_CHARGE = f"CASE WHEN usage BETWEEN 0 AND {LONGEST_CHARGE} THEN usage END"
COMMITTED_SECONDS = f"""
WITH costs AS (
    SELECT workload, CASE WHEN state = '{JobState.REJECTED}' THEN 0
        ELSE coalesce({_CHARGE}, max_execution_time) END AS seconds,
        CASE WHEN state = '{JobState.REJECTED}' THEN 0 ELSE max_execution_time END AS most
    FROM jobs WHERE number > {_FREE.format("jobs")}),
sessions AS (SELECT * FROM workloads WHERE mode = '{WorkloadMode.SESSION}'
    AND rowid > {_FREE.format("workloads")})
SELECT (SELECT coalesce(sum(seconds), 0) FROM costs
        WHERE workload IS NULL OR workload NOT IN (SELECT id FROM sessions))
    + (SELECT coalesce(sum(coalesce({_CHARGE}, max_time + (
        SELECT coalesce(max(most), 0) FROM costs WHERE workload = sessions.id))), 0) FROM sessions)
    + (SELECT coalesce(sum(coalesce({_CHARGE}, max_execution_time)), 0) FROM strays
        WHERE tag IN (SELECT tag FROM jobs WHERE number > {_FREE.format("jobs")}))
"""


class Database:
    """An open ledger file, created if it does not exist.

    Raises:
        LedgerError: The file is not a ledger, has another version or is truncated, or the disk is
            full. Every method raises it if the file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection = open_database(file)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def read(self, query: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with _translate_errors(self._file):
            return self._connection.execute(query, arguments).fetchall()

    def read_first(self, query: str, arguments: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query; None if there is none."""
        found = self.read(query, arguments)
        return found[0] if found else None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements as one transaction, which is on the disk when it ends."""
        with _translate_errors(self._file):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def open_database(file: Path) -> sqlite3.Connection:
    """Open the file; every commit reaches the disk before it returns."""
    with _translate_errors(file):
        _check_length(file)
        connection = sqlite3.connect(file, timeout=30.0, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA foreign_keys = ON")
            if _read_version(connection, file) != _VERSION:
                connection.execute("BEGIN IMMEDIATE")
                version = _read_version(connection, file)
                if version != _VERSION:  # another process was not faster
                    for statement in _STEPS[version].split(";"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {_VERSION}")
                connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def _translate_errors(file: Path) -> Iterator[None]:
    """Turn errors of SQLite into LedgerError with the remedy."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error) or "disk I/O" in str(error):
            raise LedgerError(
                f"{file} cannot be written ({error}): the disk is full or has failed. Nothing is "
                "lost: jobs that were sent are found again by their tags. Free some space and run "
                "the same command again"
            ) from error
        raise LedgerError(f"{file} cannot be used: {error}") from error
    except sqlite3.IntegrityError:
        raise  # a bug of this program; the file is intact
    except sqlite3.DatabaseError as error:
        raise LedgerError(
            f"{file} is damaged ({error}); restore it from a backup. Without a backup, find the "
            "jobs at the service by their tags, which begin with 'qrnn-'"
        ) from error


def _read_version(connection: sqlite3.Connection, file: Path) -> int:
    """Return the version of the ledger, 0 for an empty file; LedgerError if it is unknown."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version not in (*_STEPS, _VERSION) or (version == 0 and tables):
        raise LedgerError(
            f"expected a ledger of version {_VERSION} or lower, got version {version} in {file}; "
            "use the version of qrnn-qiskit that wrote it"
        )
    return int(version)


def _check_length(file: Path) -> None:
    """Refuse a truncated file, which SQLite would read until it misses a page."""
    if not file.exists() or file.stat().st_size == 0:
        return
    with file.open("rb") as opened:
        header = opened.read(100)
    size = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    expected = (65536 if size == 1 else size) * pages
    found = file.stat().st_size
    # With a journal beside the file, SQLite still has to roll back, which restores the length.
    if not header.startswith(b"SQLite format 3\0") or len(header) < 100:
        raise LedgerError(f"{file} is no ledger; restore it from a backup or move it away")
    if found < expected and not file.with_name(file.name + "-journal").exists():
        raise LedgerError(
            f"{file} was cut short: expected {expected} bytes, got {found}. Restore it from a "
            "backup. Without a backup, find the jobs at the service by their tags, which begin "
            "with 'qrnn-'"
        )

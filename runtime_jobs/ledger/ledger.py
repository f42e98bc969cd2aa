"""The ledger of a run folder: intents, jobs, results, usage and the cap."""

from __future__ import annotations

import json
import math
import sqlite3
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any

from runtime_jobs.ledger.database import open_database, tell_failures
from runtime_jobs.ledger.errors import BudgetError
from runtime_jobs.ledger.records import (
    FrozenCircuit,
    FrozenDevice,
    JobRecord,
    JobRequest,
    JobState,
)

__all__ = ["Ledger"]

_NAMES = [field.name for field in fields(JobRecord)]
_COLUMNS = ", ".join(_NAMES)
# What each job may have cost: what was charged, else all that it was allowed to.
_COMMITTED = f"""SELECT coalesce(sum(CASE WHEN state = '{JobState.REJECTED}' THEN 0
    ELSE coalesce(usage, max_execution_time) END), 0) FROM jobs"""


class Ledger:
    """The file ``ledger.sqlite`` of a run folder.

    Args:
        folder: of the run; the file is made where there is none.

    Raises:
        LedgerError: the file cannot be used; so does every method.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "ledger.sqlite"
        self._connection = open_database(self.file)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def intend(self, request: JobRequest, cap: float) -> JobRecord:
        """Record that a job is about to be sent, if the cap admits it, in one transaction.

        The cap is never exceeded: what was charged and what open jobs may still take, this one
        included, stay within it.

        Raises:
            BudgetError: the cap does not admit it; nothing is recorded.
        """
        now = time.time()
        with self._transaction() as connection:
            (committed,) = connection.execute(_COMMITTED).fetchone()
            if not committed + request.max_execution_time <= cap:
                raise BudgetError(
                    f"the job '{request.round}' may take {request.max_execution_time} s of QPU "
                    f"time; {committed:.1f} s of the cap of {cap:g} s are used or held by open "
                    f"jobs. Nothing was sent. Give --max-qpu-seconds "
                    f"{math.ceil(committed + request.max_execution_time)} or more to allow it"
                )
            (before,) = connection.execute(
                "SELECT coalesce(max(attempt), 0) FROM jobs WHERE key = ?", (request.key,)
            ).fetchone()
            tag = f"qrnn-{uuid.uuid4().hex}"
            hashes = {
                "circuits": request.circuit_hashes,
                "parameters": request.parameters_hash,
                "options": request.options,
                "target": request.target_hash,
            }
            connection.execute(
                "INSERT INTO jobs (key, attempt, tag, round, device, circuits, shots, "
                "max_execution_time, state, created, updated, hashes) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    request.key,
                    before + 1,
                    tag,
                    request.round,
                    request.device,
                    request.circuits,
                    request.shots,
                    request.max_execution_time,
                    JobState.INTENDED,
                    now,
                    now,
                    json.dumps(hashes),
                ),
            )
            return self._select("tag = ?", (tag,))[0]

    def record_sent(self, tag: str, job_id: str) -> None:
        """The service has accepted a job."""
        self._update(tag, state=JobState.SENT, job_id=job_id)

    def record_result(self, tag: str, content: bytes) -> None:
        """The result of a job has come; its usage may follow."""
        with self._transaction() as connection:
            self._write(connection, tag, state=JobState.DONE)
            connection.execute(
                "INSERT INTO results SELECT number, ? FROM jobs WHERE tag = ?",
                (zlib.compress(content), tag),
            )

    def record_usage(self, tag: str, seconds: float) -> None:
        """What a job has been charged."""
        self._update(tag, usage=seconds)

    def record_failure(self, tag: str, state: JobState, reason: str) -> None:
        """A job has ended without a result."""
        self._update(tag, state=state, reason=reason)

    def find(self, key: str) -> JobRecord | None:
        """The last attempt at a job; None where there is none."""
        found = self._select("key = ? ORDER BY attempt DESC LIMIT 1", (key,))
        return found[0] if found else None

    def read_result(self, number: int) -> bytes:
        """The result of the job of this number, which is done."""
        with tell_failures(self.file):
            (content,) = self._connection.execute(
                "SELECT content FROM results WHERE number = ?", (number,)
            ).fetchone()
        return zlib.decompress(content)

    def list_jobs(self) -> list[JobRecord]:
        """All jobs in the order of their intents."""
        return self._select("1 ORDER BY number", ())

    def committed_seconds(self) -> float:
        """What was charged, and what open jobs may still take."""
        with tell_failures(self.file):
            (seconds,) = self._connection.execute(_COMMITTED).fetchone()
        return float(seconds)

    def freeze_circuit(self, circuit: str, target: str, frozen: FrozenCircuit) -> None:
        """Keep a compiled circuit under the hash of the circuit that it was compiled from."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO circuits VALUES (?, ?, ?, ?)",
                (circuit, target, zlib.compress(frozen.isa), frozen.profile),
            )

    def find_circuit(self, circuit: str, target: str) -> FrozenCircuit | None:
        """A circuit as it was compiled before; None where it was not."""
        with tell_failures(self.file):
            row = self._connection.execute(
                "SELECT isa, profile FROM circuits WHERE circuit = ? AND target = ?",
                (circuit, target),
            ).fetchone()
        return None if row is None else FrozenCircuit(zlib.decompress(row[0]), row[1])

    def freeze_device(self, device: FrozenDevice) -> None:
        """Keep the qubits of a run on a device; another layout takes the place of the former."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?)",
                (device.name, _write_layout(device), device.target_hash, device.calibration),
            )

    def find_device(self, name: str) -> FrozenDevice | None:
        """The qubits of the run on a device; None before the first job."""
        with tell_failures(self.file):
            row = self._connection.execute(
                "SELECT name, qubits, target, calibration FROM devices WHERE name = ?", (name,)
            ).fetchone()
        if row is None:
            return None
        patches, spacing = _read_layout(row[1])
        return FrozenDevice(row[0], patches, row[2], row[3], spacing)

    def write_setting(self, name: str, value: Any) -> None:
        """Keep what later commands need to go on, as JSON."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value))
            )

    def read_setting(self, name: str) -> Any:
        """A setting; None where it was never written."""
        with tell_failures(self.file):
            row = self._connection.execute(
                "SELECT value FROM settings WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def _update(self, tag: str, **values: Any) -> None:
        with self._transaction() as connection:
            self._write(connection, tag, **values)

    def _write(self, connection: sqlite3.Connection, tag: str, **values: Any) -> None:
        values["updated"] = time.time()
        names = ", ".join(f"{name} = ?" for name in values)
        connection.execute(f"UPDATE jobs SET {names} WHERE tag = ?", (*values.values(), tag))

    def _select(self, condition: str, arguments: tuple[Any, ...]) -> list[JobRecord]:
        with tell_failures(self.file):
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE {condition}", arguments
            ).fetchall()
        return [_read_record(row) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on the disk when it ends."""
        with tell_failures(self.file):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _write_layout(device: FrozenDevice) -> str:
    return json.dumps({"patches": device.patches, "spacing": device.spacing})


def _read_layout(text: str) -> tuple[tuple[tuple[int, ...], ...], int]:
    """Patches and spacing; a list of qubits, as it was once written, is a single patch."""
    kept = json.loads(text)
    if isinstance(kept, list):
        return (tuple(kept),), 0
    return tuple(map(tuple, kept["patches"])), kept["spacing"]


def _read_record(row: tuple[Any, ...]) -> JobRecord:
    values = dict(zip(_NAMES, row, strict=True))
    return JobRecord(**values | {"state": JobState(values["state"])})

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
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from runtime_jobs.ledger.closing import Closing
from runtime_jobs.ledger.database import COMMITTED_SECONDS, START_BUDGET, Database
from runtime_jobs.ledger.errors import BudgetError, LedgerError
from runtime_jobs.ledger.origins import OriginTable
from runtime_jobs.ledger.records import (
    FrozenCircuit,
    FrozenDevice,
    JobRecord,
    JobRequest,
    JobState,
    Workload,
)
from runtime_jobs.ledger.rows import (
    read_json,
    read_layout,
    read_record,
    read_workload,
    write_layout,
)
from runtime_jobs.ledger.strays import StrayTable

__all__ = ["Ledger"]

_NAMES = [field.name for field in fields(JobRecord)]
_COLUMNS = ", ".join(_NAMES)


class Ledger(Closing):
    """The file ``ledger.sqlite`` of a run folder.

    Args:
        folder: The run folder; the file is created if it does not exist.

    Attributes:
        strays: Jobs that the service has in addition to those of the ledger.
        origins: Where the results come from.

    Raises:
        LedgerError: The file cannot be used. Every method raises it for this reason.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "ledger.sqlite"
        self._database = Database(self.file)
        self.strays = StrayTable(self._database)
        self.origins = OriginTable(self._database)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def intend(self, request: JobRequest, cap: float, workload: str | None = None) -> JobRecord:
        """Record that a job is about to be sent, if the cap admits it, in one transaction.

        The cap is never exceeded: all charges, plus the time that open jobs and sessions may still
        take, this job included, stay within it.

        Args:
            request: The job.
            cap: QPU time of all jobs of the run, in seconds.
            workload: Id of the batch or session of the job.

        Raises:
            BudgetError: The cap does not admit the job; nothing is recorded.
        """
        now = time.time()
        tag = f"qrnn-{uuid.uuid4().hex}"
        hashes = {
            "circuits": request.circuit_hashes,
            "parameters": request.parameters_hash,
            "options": request.options,
            "target": request.target_hash,
        }
        with self._admit(cap, f"the job '{request.round}'") as connection:
            (attempt,) = connection.execute(
                "SELECT 1 + coalesce(max(attempt), 0) FROM jobs WHERE key = ?", (request.key,)
            ).fetchone()
            values = {
                "key": request.key,
                "attempt": attempt,
                "tag": tag,
                "round": request.round,
                "device": request.device,
                "circuits": request.circuits,
                "shots": request.shots,
                "max_execution_time": request.max_execution_time,
                "state": JobState.INTENDED,
                "created": now,
                "updated": now,
                "hashes": json.dumps(hashes),
                "workload": workload,
            }
            places = ", ".join("?" * len(values))
            connection.execute(
                f"INSERT INTO jobs ({', '.join(values)}) VALUES ({places})", (*values.values(),)
            )
            return self._select("tag = ?", (tag,))[0]

    def move(self, tag: str, workload: str | None, cap: float) -> JobRecord:
        """Move a job that the service has not accepted to another batch or session.

        Raises:
            BudgetError: The cap does not admit it; nothing is recorded.
        """
        with self._admit(cap, "the job in another session") as connection:
            self._write(connection, tag, workload=workload)
            return self._select("tag = ?", (tag,))[0]

    def open_workload(self, workload: Workload, cap: float) -> None:
        """Record a batch or session before its first job.

        Raises:
            BudgetError: The cap does not admit the time of the session; nothing is recorded.
        """
        with self._admit(cap, f"the {workload.mode}") as connection:
            connection.execute("INSERT INTO workloads VALUES (?, ?, ?, ?, ?, ?)", astuple(workload))

    def close_workload(self, id: str, usage: float | None = None) -> None:
        """Record that a batch or session accepts no more jobs, with its ``usage`` once final."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE workloads SET is_open = 0, usage = coalesce(?, usage) WHERE id = ?",
                (usage, id),
            )

    def list_workloads(self) -> list[Workload]:
        """Return all batches and sessions in the order in which they were opened."""
        rows = self._database.read("SELECT * FROM workloads ORDER BY rowid")
        return [read_workload(row, self.file) for row in rows]

    def record_sent(self, tag: str, job_id: str) -> None:
        """Record that the service has a job under this id, whose charge is not known yet."""
        self._update(tag, state=JobState.SENT, job_id=job_id, usage=None, reason=None)

    def record_result(self, tag: str, content: bytes) -> None:
        """Record the result of a job; its usage may follow."""
        with self._database.transaction() as connection:
            self._write(connection, tag, state=JobState.DONE)
            connection.execute(
                "INSERT INTO results SELECT number, ? FROM jobs WHERE tag = ?",
                (zlib.compress(content), tag),
            )

    def record_usage(self, tag: str, seconds: float) -> None:
        """Record the charge of a job, in seconds of QPU time."""
        self._update(tag, usage=seconds)

    def record_failure(self, tag: str, state: JobState, reason: str) -> None:
        """Record that a job has ended without a result."""
        self._update(tag, state=state, reason=reason)

    def is_free(self, tag: str) -> bool:
        """Return whether the job of a tag was paid from the budget of another folder."""
        last = self.read_setting("free_jobs") or 0
        return not self._select("tag = ? AND number > ?", (tag, last))

    def find_workload(self, id: str | None) -> Workload | None:
        """Return the batch or session of an id; None if there is none."""
        found = [workload for workload in self.list_workloads() if workload.id == id]
        return found[0] if found else None

    def find(self, key: str) -> JobRecord | None:
        """Return the attempt at a job that has or may have a result, or else the last one."""
        found = self.list_attempts(key)
        usable = [job for job in found if job.state.is_open or job.state is JobState.DONE]
        return (usable or found)[0] if found else None

    def list_attempts(self, key: str) -> list[JobRecord]:
        """Return all attempts at a job, the last one first."""
        return self._select("key = ? ORDER BY attempt DESC", (key,))

    def require_admitted(self, job: JobRecord, cap: float) -> None:
        """Raise BudgetError if the cap does not admit a job that is recorded but not sent."""
        committed = self.committed_seconds()
        if not committed <= cap:
            raise BudgetError(
                f"the job '{job.round}' may take {job.max_execution_time} s of QPU time, and with "
                f"it {committed:.1f} s are used or held by jobs of the run, above the cap of "
                f"{cap:g} s. It was not sent. Allow it with --max-qpu-seconds "
                f"{math.ceil(committed)} or more"
            )

    def read_result(self, number: int) -> bytes:
        """Return the result of the job of this number, which must be done."""
        row = self._database.read_first("SELECT content FROM results WHERE number = ?", (number,))
        if row is None:
            raise LedgerError(
                f"{self.file} is damaged (no result of job {number}); restore it from a backup"
            )
        return self._decompress(row[0])

    def list_jobs(self) -> list[JobRecord]:
        """Return all jobs in the order in which they were recorded."""
        return self._select("1 ORDER BY number", ())

    def committed_seconds(self) -> float:
        """Return the seconds charged so far plus those that open jobs may still take."""
        ((seconds,),) = self._database.read(COMMITTED_SECONDS)
        return float(seconds)

    def freeze_circuit(self, circuit: str, target: str, frozen: FrozenCircuit) -> None:
        """Record a compiled circuit under the hash of its source circuit."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO circuits VALUES (?, ?, ?, ?)",
                (circuit, target, zlib.compress(frozen.isa), frozen.profile),
            )

    def find_circuit(self, circuit: str, target: str) -> FrozenCircuit | None:
        """Return a circuit that was compiled before; None if it was not."""
        return self._read_circuit("circuit = ? AND target = ?", (circuit, target))

    def find_first_circuit(self, target: str) -> FrozenCircuit | None:
        """Return the first circuit that was compiled for a target; None if there is none."""
        return self._read_circuit("target = ? ORDER BY rowid LIMIT 1", (target,))

    def freeze_device(self, device: FrozenDevice) -> None:
        """Record the qubits of a run on a device, replacing an earlier layout."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?)",
                (device.name, write_layout(device), device.target_hash, device.calibration),
            )

    def find_device(self, name: str) -> FrozenDevice | None:
        """Return the qubits of the run on a device; None before the first job."""
        row = self._database.read_first(
            "SELECT name, qubits, target, calibration FROM devices WHERE name = ?", (name,)
        )
        if row is None:
            return None
        patches, spacing = read_layout(row[1], self.file)
        return FrozenDevice(row[0], patches, row[2], row[3], spacing)

    def write_setting(self, name: str, value: Any, *, forget: str | None = None) -> None:
        """Record a setting for later commands, as JSON.

        Args:
            name: Name of the setting.
            value: Its value, of JSON types.
            forget: Device whose qubits are forgotten, so that the next job chooses new ones; jobs
                and their circuits are kept.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value))
            )
            connection.execute("DELETE FROM devices WHERE name = ?", (forget,))

    def start_budget(self, settings: dict[str, Any]) -> None:
        """Let only later jobs, batches and sessions count against the cap.

        Jobs of which it is not known that they were sent are dropped. Batches and sessions get no
        more jobs from here.

        Args:
            settings: Settings to record in the same transaction.
        """
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM jobs WHERE state = ?", (JobState.INTENDED,))
            connection.execute("UPDATE workloads SET is_open = 0")
            connection.execute(START_BUDGET)
            for name, value in settings.items():
                connection.execute(
                    "INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value))
                )

    def read_setting(self, name: str) -> Any:
        """Return a setting; None if it was never written."""
        row = self._database.read_first("SELECT value FROM settings WHERE name = ?", (name,))
        return None if row is None else read_json(row[0], self.file)

    @contextmanager
    def _admit(self, cap: float, what: str) -> Iterator[sqlite3.Connection]:
        """Open a transaction that records ``what``; BudgetError undoes it if it exceeds the cap."""
        with self._database.transaction() as connection:
            (before,) = connection.execute(COMMITTED_SECONDS).fetchone()
            yield connection
            (after,) = connection.execute(COMMITTED_SECONDS).fetchone()
            if not after <= cap:
                raise BudgetError(
                    f"{what} may take {after - before:g} s of QPU time, and {before:.1f} s of the "
                    f"cap of {cap:g} s are used or held by open jobs. It was not sent. Allow it "
                    f"with --max-qpu-seconds {math.ceil(after)} or more"
                )

    def _decompress(self, content: bytes) -> bytes:
        try:
            return zlib.decompress(content)
        except (zlib.error, TypeError) as error:
            raise LedgerError(
                f"{self.file} is damaged ({error}); restore it from a backup"
            ) from error

    def _update(self, tag: str, **values: Any) -> None:
        with self._database.transaction() as connection:
            self._write(connection, tag, **values)

    def _write(self, connection: sqlite3.Connection, tag: str, **values: Any) -> None:
        values["updated"] = time.time()
        names = ", ".join(f"{name} = ?" for name in values)
        connection.execute(f"UPDATE jobs SET {names} WHERE tag = ?", (*values.values(), tag))

    def _read_circuit(self, condition: str, arguments: tuple[Any, ...]) -> FrozenCircuit | None:
        row = self._database.read_first(
            f"SELECT isa, profile FROM circuits WHERE {condition}", arguments
        )
        if row is None:
            return None
        read_json(row[1], self.file)  # a damaged profile is found here and not at its use
        return FrozenCircuit(self._decompress(row[0]), row[1])

    def _select(self, condition: str, arguments: tuple[Any, ...]) -> list[JobRecord]:
        rows = self._database.read(f"SELECT {_COLUMNS} FROM jobs WHERE {condition}", arguments)
        return [read_record(row, self.file) for row in rows]

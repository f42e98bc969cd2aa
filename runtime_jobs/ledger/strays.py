"""Jobs at the service beyond the one of the ledger, also late ones, and results that do not fit."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass

from runtime_jobs.ledger.database import Database

__all__ = ["Stray", "StrayTable"]


@dataclass(frozen=True)
class Stray:
    """A job that the service has in addition to the one in the ledger, under the same tag.

    Attributes:
        job_id: Id at the service.
        tag: Tag of both jobs.
        max_execution_time: Seconds that it may be charged.
        usage: Charged QPU time in seconds; None until known.
    """

    job_id: str
    tag: str
    max_execution_time: int
    usage: float | None


class StrayTable:
    """The strays of a ledger, which count against the cap, late POSTs, and results kept aside.

    Args:
        database: File of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, job_id: str, tag: str, max_execution_time: int) -> bool:
        """Record a stray; return whether it is a new one."""
        with self._database.transaction() as connection:
            done = connection.execute(
                "INSERT OR IGNORE INTO strays VALUES (?, ?, ?, NULL)",
                (job_id, tag, max_execution_time),
            )
            return done.rowcount == 1

    def remove(self, job_id: str) -> None:
        """Forget a stray that has become the job of the ledger."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM strays WHERE job_id = ?", (job_id,))

    def record_usage(self, job_id: str, seconds: float) -> None:
        """Record the charge of a stray, in seconds of QPU time."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE strays SET usage = ? WHERE job_id = ?", (seconds, job_id))

    def list_all(self) -> list[Stray]:
        """Return all strays in the order in which they were found."""
        rows = self._database.read(
            "SELECT job_id, tag, max_execution_time, usage FROM strays ORDER BY rowid"
        )
        return [Stray(*row) for row in rows]

    def record_unsure(self, tag: str) -> None:
        """Record that a POST under this tag may have left, and arrive late, without an answer."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO unsure VALUES (?, ?)", (tag, time.time()))

    def list_unsure(self) -> list[tuple[str, float]]:
        """Return tag and time of the last POST, in seconds since 1970, of each such POST."""
        rows = self._database.read("SELECT tag, posted FROM unsure ORDER BY rowid")
        return [(str(tag), float(posted)) for tag, posted in rows]

    def settle_unsure(self, tag: str) -> None:
        """Forget a tag under which no further job can arrive."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM unsure WHERE tag = ?", (tag,))

    def keep_result(self, job_id: str, content: bytes, reason: str) -> None:
        """Keep the last result of a job that does not fit it, for a report to the service."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO misfits VALUES (?, ?, ?, ?)",
                (job_id, zlib.compress(content), reason, time.time()),
            )

    def list_kept_results(self) -> list[tuple[str, bytes, str]]:
        """Return job id, content and reason of each result that was kept aside."""
        rows = self._database.read("SELECT job_id, content, reason FROM misfits ORDER BY rowid")
        return [(job_id, zlib.decompress(content), reason) for job_id, content, reason in rows]

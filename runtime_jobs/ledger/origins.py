"""Where the results of jobs come from: the service, its instance, and the timing it reported."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from runtime_jobs.ledger.database import Database

__all__ = ["Origin", "OriginTable"]

_REAL = ("ibm.com",)  # domains of IBM's services; anything else only stands in for them


@dataclass(frozen=True)
class Origin:
    """The origin of the result of a job.

    Attributes:
        address: URL of the service that ran it.
        instance: Name of the instance of the account; None if it could not be asked for.
        circuit_dt: Duration of the circuit of each PUB in steps dt of the device, as the service
            scheduled it; None for a PUB without one.
    """

    address: str
    instance: str | None = None
    circuit_dt: tuple[int | None, ...] = ()

    @property
    def is_stand_in(self) -> bool:
        """Whether the service is not IBM's, so that no QPU has run the job."""
        host = urlsplit(self.address).hostname or ""
        return not any(host == name or host.endswith(f".{name}") for name in _REAL)


class OriginTable:
    """The origins of the results of a ledger; results of earlier versions have none.

    Args:
        database: File of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, tag: str, origin: Origin) -> None:
        """Record the origin of the result of the job with this tag."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO origins VALUES (?, ?, ?, ?)",
                (tag, origin.address, origin.instance, json.dumps(origin.circuit_dt)),
            )

    def find(self, tag: str) -> Origin | None:
        """Return the origin of the result of the job with this tag; None if it is unknown."""
        row = self._database.read_first(
            "SELECT address, instance, circuit_dt FROM origins WHERE tag = ?", (tag,)
        )
        return None if row is None else Origin(row[0], row[1], tuple(json.loads(row[2])))

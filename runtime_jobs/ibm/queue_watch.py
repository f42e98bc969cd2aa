"""Progress of a computation that waits for results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runtime_jobs.ibm.service import Service
from runtime_jobs.ledger import JobRecord, Ledger

__all__ = ["Waiting", "Watch", "look_at"]


@dataclass(frozen=True)
class Waiting:
    """The progress of a computation at one poll of its jobs.

    Attributes:
        done: Jobs of this computation that have results, including those of earlier processes.
        open: Jobs whose results are outstanding.
        position: Queue position of the open job that starts next; None if no job waits or the
            service reports no position.
        pending: Jobs in the queue of the device, including those of other users.
        used: QPU time that the run has been charged, in seconds.
    """

    done: int
    open: int
    position: int | None
    pending: int
    used: float


Watch = Callable[[Waiting], None]


def look_at(service: Service, ledger: Ledger, jobs: Sequence[JobRecord], done: int) -> Waiting:
    """Poll the service for open jobs; ServiceError if it cannot be reached."""
    positions = [service.find_position(job.job_id) for job in jobs if job.job_id is not None]
    return Waiting(
        done=done,
        open=len(jobs),
        position=min((position for position in positions if position is not None), default=None),
        pending=service.count_pending(jobs[0].device),
        used=sum(job.usage or 0.0 for job in ledger.list_jobs()),
    )

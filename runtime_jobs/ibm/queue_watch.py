"""What there is to tell while results are waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runtime_jobs.ibm.service import Service
from runtime_jobs.ledger import JobRecord, Ledger

__all__ = ["Waiting", "Watch", "look_at"]


@dataclass(frozen=True)
class Waiting:
    """Where a computation stands at one look at its jobs.

    Attributes:
        done: jobs of this computation whose results are there, those of earlier processes too.
        open: jobs whose results are to come.
        position: in the queue, of the open job that is nearest to its start; None where none waits
            or the service does not say.
        pending: jobs in the queue of the device, those of other people too.
        used: seconds of QPU time that the run has been charged.
    """

    done: int
    open: int
    position: int | None
    pending: int
    used: float


Watch = Callable[[Waiting], None]


def look_at(service: Service, ledger: Ledger, jobs: Sequence[JobRecord], done: int) -> Waiting:
    """Ask the service about open jobs; ServiceError where it cannot be reached."""
    positions = [service.find_position(job.job_id) for job in jobs if job.job_id is not None]
    return Waiting(
        done=done,
        open=len(jobs),
        position=min((position for position in positions if position is not None), default=None),
        pending=service.count_pending(jobs[0].device),
        used=sum(job.usage or 0.0 for job in ledger.list_jobs()),
    )

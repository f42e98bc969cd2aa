"""What the service says of its backends, jobs, batches and sessions."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BackendStatus", "Progress", "WorkloadProgress"]


@dataclass(frozen=True)
class BackendStatus:
    """A backend as it is now.

    Attributes:
        name: ``ibm_kingston``.
        num_qubits: of the device.
        state: "active", or why it takes no jobs.
        pending: jobs in its queue.
        calibration: when it was calibrated, as the service says it.
    """

    name: str
    num_qubits: int
    state: str
    pending: int
    calibration: str


@dataclass(frozen=True)
class Progress:
    """Where a job stands at the service.

    Attributes:
        status: "INITIALIZING", "QUEUED", "RUNNING", "DONE", "ERROR" or "CANCELLED".
        reason: why it failed.
        usage: seconds that were charged, None until it is final.
    """

    status: str
    reason: str | None = None
    usage: float | None = None


@dataclass(frozen=True)
class WorkloadProgress:
    """Where a batch or session stands at the service.

    Attributes:
        is_accepting: whether it takes jobs.
        usage: seconds that it was charged, None until it is final.
    """

    is_accepting: bool
    usage: float | None = None

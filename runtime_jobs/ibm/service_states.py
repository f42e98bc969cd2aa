"""States of backends, jobs, batches and sessions at the service."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BackendStatus", "Progress", "WorkloadProgress"]


@dataclass(frozen=True)
class BackendStatus:
    """The current state of a backend.

    Attributes:
        name: Name of the backend, such as ``ibm_kingston``.
        num_qubits: Number of qubits of the device.
        state: "active", or the reason why it accepts no jobs.
        pending: Number of jobs in its queue.
        calibration: Time of its calibration, as the service formats it.
    """

    name: str
    num_qubits: int
    state: str
    pending: int
    calibration: str


@dataclass(frozen=True)
class Progress:
    """The state of a job at the service.

    Attributes:
        status: "INITIALIZING", "QUEUED", "RUNNING", "DONE", "ERROR" or "CANCELLED".
        reason: Reason of a failure.
        usage: Charged QPU time in seconds; None until it is final.
    """

    status: str
    reason: str | None = None
    usage: float | None = None


@dataclass(frozen=True)
class WorkloadProgress:
    """The state of a batch or session at the service.

    Attributes:
        is_accepting: Whether it accepts jobs.
        usage: Charged time in seconds; None until it is final.
    """

    is_accepting: bool
    usage: float | None = None

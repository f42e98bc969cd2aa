"""The records of a ledger: jobs, batches and sessions, circuits and devices."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "LONGEST_CHARGE",
    "FrozenCircuit",
    "FrozenDevice",
    "JobRecord",
    "JobRequest",
    "JobState",
    "Workload",
    "WorkloadMode",
    "hash_bytes",
]

LONGEST_CHARGE = 604_800.0  # seconds, a week; the service ends jobs after 3 hours, sessions after 8


class JobState(StrEnum):
    """The state of a job.

    INTENDED is recorded before the job is sent; whether the service has it is unknown. SENT has an
    id at the service. REJECTED was never accepted and is not charged.
    """

    INTENDED = "intended"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"

    @property
    def is_open(self) -> bool:
        """Whether the job may still end with a result."""
        return self in (JobState.INTENDED, JobState.SENT)


class WorkloadMode(StrEnum):
    """The grouping of the jobs of a run at the service.

    A BATCH is billed by the QPU time of its jobs. A SESSION reserves the device for them and is
    billed by wall-clock time from its first job until it closes. A JOB is sent separately.
    """

    JOB = "job"
    BATCH = "batch"
    SESSION = "session"


@dataclass(frozen=True)
class JobRequest:
    """A job to be sent; its ``key`` covers everything that the result depends on.

    Attributes:
        device: Name of the backend.
        round: The purpose of the job, in words.
        circuit_hashes: SHA-256 of the bytes of each PUB's circuit.
        parameters_hash: SHA-256 of the bytes of all parameter values.
        options: Other inputs of the service, as JSON.
        target_hash: SHA-256 of instruction set, coupling map and layout.
        circuits: Number of sets of parameter values in all PUBs.
        shots: Shots per set of values.
        max_execution_time: Seconds after which the service cancels the job.
        repetition: 0, or a higher number for a job that is repeated on purpose.
    """

    device: str
    round: str
    circuit_hashes: tuple[str, ...]
    parameters_hash: str
    options: str
    target_hash: str
    circuits: int
    shots: int
    max_execution_time: int
    repetition: int = 0

    @property
    def key(self) -> str:
        """The SHA-256 of device, circuits, parameters, options, target, shots and repetition."""
        parts = [
            self.device,
            *self.circuit_hashes,
            self.parameters_hash,
            self.options,
            self.target_hash,
            self.shots,
            self.repetition,
        ]
        return hash_bytes(json.dumps(parts).encode())


@dataclass(frozen=True)
class JobRecord:
    """A job in the ledger.

    Attributes:
        number: Number of the job, from 1 in the order of recording.
        key: Key of its request.
        attempt: Number of the attempt, from 1; higher if earlier ones had no result.
        tag: Unique tag by which the service finds the job.
        round, device, circuits, shots, max_execution_time: As requested, see :class:`JobRequest`.
        state: State of the job.
        job_id: Id at the service; None until known.
        usage: Charged QPU time in seconds; None until known.
        reason: Reason for a missing result.
        created, updated: Times in seconds since 1970.
        workload: Id of its batch or session; None for a job that was sent separately.
    """

    number: int
    key: str
    attempt: int
    tag: str
    round: str
    device: str
    circuits: int
    shots: int
    max_execution_time: int
    state: JobState
    job_id: str | None
    usage: float | None
    reason: str | None
    created: float
    updated: float
    workload: str | None


@dataclass(frozen=True)
class Workload:
    """A batch or a session.

    Attributes:
        id: Id at the service.
        mode: BATCH or SESSION.
        device: Name of the backend.
        max_time: Seconds after which the service closes it; None for a batch.
        is_open: Whether it accepted jobs at the last poll.
        usage: Wall-clock time in seconds that a session was charged; None until known and for a
            batch.
    """

    id: str
    mode: WorkloadMode
    device: str
    max_time: int | None
    is_open: bool = True
    usage: float | None = None

    @property
    def is_settled(self) -> bool:
        """Whether its cost beyond that of its jobs is known; a batch has none."""
        return self.mode is not WorkloadMode.SESSION or self.usage is not None


@dataclass(frozen=True)
class FrozenCircuit:
    """A circuit, compiled when it was first sent.

    Attributes:
        isa: QPY bytes of the ISA circuit on the qubits of the device.
        profile: Its profile as JSON, by which rounds are split into jobs.
    """

    isa: bytes
    profile: str

    @property
    def hash(self) -> str:
        """The SHA-256 of the QPY bytes."""
        return hash_bytes(self.isa)


@dataclass(frozen=True)
class FrozenDevice:
    """The device at the time of the first job.

    Attributes:
        name: Name of the backend.
        patches: Physical qubits of each copy of a circuit.
        target_hash: SHA-256 of instruction set, coupling map and layout, without error rates.
        calibration: Time of its calibration, as the service formats it.
        spacing: Requested spacing between patches.
    """

    name: str
    patches: tuple[tuple[int, ...], ...]
    target_hash: str
    calibration: str
    spacing: int = 0

    def __str__(self) -> str:
        """Return the qubits in one line."""
        qubits = ", ".join("-".join(map(str, patch)) for patch in self.patches)
        return f"qubits {qubits}, calibrated {self.calibration}"


def hash_bytes(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()

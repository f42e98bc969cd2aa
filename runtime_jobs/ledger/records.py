"""What a ledger keeps of a job, a circuit and a device."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "FrozenCircuit",
    "FrozenDevice",
    "JobRecord",
    "JobRequest",
    "JobState",
    "Workload",
    "WorkloadMode",
    "hash_bytes",
]


class JobState(StrEnum):
    """Where a job stands.

    INTENDED is written before the job is sent: whether the service has it is not known. SENT has
    the service's id. REJECTED was never accepted and costs nothing.
    """

    INTENDED = "intended"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"

    @property
    def is_open(self) -> bool:
        """Whether something is still to come."""
        return self in (JobState.INTENDED, JobState.SENT)


class WorkloadMode(StrEnum):
    """How the jobs of a run are grouped at the service.

    A BATCH is billed by the QPU time of its jobs. A SESSION keeps the device for them and is billed
    by the clock from its first job until it closes.
    """

    JOB = "job"
    BATCH = "batch"
    SESSION = "session"


@dataclass(frozen=True)
class JobRequest:
    """A job as it is to be sent; everything that its result depends on is in ``key``.

    Attributes:
        device: name of the backend.
        round: what the job does, in words.
        circuit_hashes: SHA-256 of the bytes of each PUB's circuit.
        parameters_hash: SHA-256 of the bytes of all parameter values.
        options: what else the service is told, as JSON: shots, ...
        target_hash: SHA-256 of instruction set, coupling map and layout.
        circuits: sets of parameter values of all PUBs.
        shots: of each.
        max_execution_time: seconds, at which the service cancels the job.
        repetition: 0, or more where the same job is run again on purpose.
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
        """SHA-256 of circuits, parameters, options and target."""
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
    """A job as the ledger knows it.

    Attributes:
        number: counted from 1, in the order of their intents.
        key: of its request.
        attempt: counted from 1; more than one where earlier ones brought no result.
        tag: its own, unique; the service finds it by this.
        round, device, circuits, shots, max_execution_time: as requested.
        state: where it stands.
        job_id: of the service, None until known.
        usage: seconds that were charged, None until known.
        reason: why it brought no result.
        created, updated: seconds since 1970.
        workload: id of the batch or session that it was sent in, None where it was sent alone.
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
        id: of the service.
        mode: BATCH or SESSION.
        device: name of the backend.
        max_time: seconds after which the service closes it; None for a batch.
        is_open: whether it took jobs when it was looked at last.
        usage: seconds of the clock that a session was charged, None until known and for a batch.
    """

    id: str
    mode: WorkloadMode
    device: str
    max_time: int | None
    is_open: bool = True
    usage: float | None = None

    @property
    def is_settled(self) -> bool:
        """Whether all is known of what it costs beside its jobs: nothing, for a batch."""
        return self.mode is not WorkloadMode.SESSION or self.usage is not None


@dataclass(frozen=True)
class FrozenCircuit:
    """A circuit as it was compiled when it was first sent.

    Attributes:
        isa: QPY bytes of the circuit on the device's qubits.
        profile: its profile as JSON, by which work is cut into jobs.
    """

    isa: bytes
    profile: str

    @property
    def hash(self) -> str:
        """SHA-256 of its bytes."""
        return hash_bytes(self.isa)


@dataclass(frozen=True)
class FrozenDevice:
    """The device as it was when the first job was sent to it.

    Attributes:
        name: of the backend.
        patches: the physical qubits of the run, those of each copy of a circuit.
        target_hash: SHA-256 of instruction set, coupling map and layout, not of error rates.
        calibration: when it was calibrated, as the service says it.
        spacing: that was asked for between patches.
    """

    name: str
    patches: tuple[tuple[int, ...], ...]
    target_hash: str
    calibration: str
    spacing: int = 0

    def __str__(self) -> str:
        """The qubits in one line."""
        qubits = ", ".join("-".join(map(str, patch)) for patch in self.patches)
        return f"qubits {qubits}, calibrated {self.calibration}"


def hash_bytes(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()

"""The ledger of a run: a file of all jobs that were sent and of all results."""

from __future__ import annotations

from runtime_jobs.ledger.errors import (
    BudgetError,
    IdentityError,
    JobFailedError,
    JobsPendingError,
    LedgerBusyError,
    LedgerError,
)
from runtime_jobs.ledger.ledger import Ledger
from runtime_jobs.ledger.lock import hold_lock
from runtime_jobs.ledger.records import (
    FrozenCircuit,
    FrozenDevice,
    JobRecord,
    JobRequest,
    JobState,
    Workload,
    WorkloadMode,
    hash_bytes,
)

__all__ = [
    "BudgetError",
    "FrozenCircuit",
    "FrozenDevice",
    "IdentityError",
    "JobFailedError",
    "JobRecord",
    "JobRequest",
    "JobState",
    "JobsPendingError",
    "Ledger",
    "LedgerBusyError",
    "LedgerError",
    "Workload",
    "WorkloadMode",
    "hash_bytes",
    "hold_lock",
]

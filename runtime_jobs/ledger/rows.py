"""Rows of a ledger as records; a damaged row is one error with its remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from runtime_jobs.ledger.errors import LedgerError
from runtime_jobs.ledger.records import (
    LONGEST_CHARGE,
    FrozenDevice,
    JobRecord,
    JobState,
    Workload,
    WorkloadMode,
)

__all__ = ["read_json", "read_layout", "read_record", "read_workload", "write_layout"]

_NAMES = [field.name for field in fields(JobRecord)]
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("key", "tag", "round", "device"), (str,)),
    **dict.fromkeys(("number", "attempt", "circuits", "shots", "max_execution_time"), (int,)),
    **dict.fromkeys(("job_id", "reason", "workload"), (str, type(None))),
    **dict.fromkeys(("created", "updated"), (int, float)),
    "usage": (int, float, type(None)),
}


def read_record(row: tuple[Any, ...], file: Path) -> JobRecord:
    """Return the job in a row; LedgerError if a value has another type than it was written."""
    with _translate_damage(file):
        values = dict(zip(_NAMES, row, strict=True))
        for name, types in _TYPES.items():
            if not isinstance(values[name], types):
                raise TypeError(f"{name} of job {values['number']} is {values[name]!r}")
        if values["usage"] is not None and not 0 <= values["usage"] <= LONGEST_CHARGE:
            values["usage"] = None  # an earlier version recorded any number; it is asked for again
        return JobRecord(**values | {"state": JobState(values["state"])})


def read_workload(row: tuple[Any, ...], file: Path) -> Workload:
    """Return the batch or session in a row."""
    with _translate_damage(file):
        id, mode, device, max_time, is_open, usage = row
        return Workload(id, WorkloadMode(mode), device, max_time, bool(is_open), usage)


def read_json(text: str, file: Path) -> Any:
    """Return the value of a setting."""
    with _translate_damage(file):
        return json.loads(text)


def write_layout(device: FrozenDevice) -> str:
    """Return patches and spacing as JSON."""
    return json.dumps({"patches": device.patches, "spacing": device.spacing})


def read_layout(text: str, file: Path) -> tuple[tuple[tuple[int, ...], ...], int]:
    """Read patches and spacing; an older file has a list of qubits, which is a single patch."""
    with _translate_damage(file):
        kept = json.loads(text)
        if isinstance(kept, list):
            return (tuple(kept),), 0
        return tuple(map(tuple, kept["patches"])), kept["spacing"]


@contextmanager
def _translate_damage(file: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerError(
            f"{file} is damaged ({error}); restore it from a backup. Without a backup, find the "
            "jobs at the service by their tags, which begin with 'qrnn-'"
        ) from error

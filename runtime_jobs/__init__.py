"""Devices that run recurrent circuits, what a run does on them, and the command line ``qrnn``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime_jobs.devices import DeviceError, DeviceName, open_device, parse_device_name
from runtime_jobs.ledger.errors import JobsPendingError
from runtime_jobs.runs.evaluating import evaluate
from runtime_jobs.runs.planning import plan
from runtime_jobs.runs.showing import show
from runtime_jobs.runs.submitting import CapError, submit

if TYPE_CHECKING:
    from runtime_jobs.runs.jobs import Jobs

__all__ = [
    "CapError",
    "DeviceError",
    "DeviceName",
    "Jobs",
    "JobsPendingError",
    "evaluate",
    "open_device",
    "parse_device_name",
    "plan",
    "show",
    "submit",
]


def __getattr__(name: str) -> Any:
    if name != "Jobs":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from runtime_jobs.runs.jobs import Jobs  # its tables take a tenth of a second to import

    globals()[name] = Jobs
    return Jobs


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

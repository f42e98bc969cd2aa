"""Devices that run recurrent circuits, what a run does on them, and the command line ``qrnn``."""

from __future__ import annotations

from runtime_jobs.devices import DeviceError, DeviceName, open_device, parse_device_name
from runtime_jobs.runs.evaluating import evaluate
from runtime_jobs.runs.planning import plan
from runtime_jobs.runs.showing import show
from runtime_jobs.runs.submitting import submit

__all__ = [
    "DeviceError",
    "DeviceName",
    "evaluate",
    "open_device",
    "parse_device_name",
    "plan",
    "show",
    "submit",
]

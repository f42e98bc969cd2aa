"""Devices that run recurrent circuits, opened by name, and the command line ``qrnn``."""

from __future__ import annotations

from runtime_jobs.devices import DeviceError, DeviceName, open_device, parse_device_name

__all__ = ["DeviceError", "DeviceName", "open_device", "parse_device_name"]

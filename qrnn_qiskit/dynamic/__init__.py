"""Measured mode on devices: one dynamic circuit per sequence, a whole batch in one job."""

from __future__ import annotations

from qrnn_qiskit.dynamic.device import Simulate, run_on_device
from qrnn_qiskit.dynamic.function import DynamicCircuits

__all__ = ["DynamicCircuits", "Simulate", "run_on_device"]

"""Readout modes: what the controller sees of the step before, and how its sequences run."""

from qrnn_qiskit.modes.build import ENGINES, READOUT_MODES, build_core

__all__ = ["ENGINES", "READOUT_MODES", "build_core"]

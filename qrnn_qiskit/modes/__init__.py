"""Readout modes: what the controller sees of the step before, and how its sequences run.

:mod:`~qrnn_qiskit.modes.expectation` (the paper), :mod:`~qrnn_qiskit.modes.measured` (one dynamic
circuit) and :mod:`~qrnn_qiskit.modes.no_feedback` (the ablation "none"). The recurrence itself, one
step at a time, is :mod:`~qrnn_qiskit.modes.recurrence`.
"""

from qrnn_qiskit.modes.build import ENGINES, READOUT_MODES, build_mode
from qrnn_qiskit.modes.options import Measured

__all__ = ["ENGINES", "READOUT_MODES", "Measured", "build_core", "build_mode"]

build_core = build_mode  # the former name, which scripts may import

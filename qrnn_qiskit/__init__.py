"""Hybrid quantum-classical recurrent networks (arXiv:2510.25557)."""

from __future__ import annotations

import circuits as _circuits

# A package on PyPI and folders of users are called `circuits` too; Python imports the first one.
if getattr(_circuits, "PROJECT", None) != "qrnn-qiskit":
    raise ImportError(
        "qrnn_qiskit needs its own package 'circuits', but Python found another one of that name "
        f"at {getattr(_circuits, '__file__', None) or list(getattr(_circuits, '__path__', []))}. "
        "Rename or move that file or folder, start Python from another folder, or uninstall the "
        "distribution it belongs to (pip uninstall circuits), then reinstall qrnn-qiskit."
    )

from qrnn_qiskit.executors import Counts, Estimates, Executor, Pub, SimulatorExecutor
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.model import QRNN
from qrnn_qiskit.modes.options import Measured
from qrnn_qiskit.tasks.data.dataset import Dataset
from qrnn_qiskit.training.fit import fit
from qrnn_qiskit.training.loading import load

__all__ = [
    "QRNN",
    "Counts",
    "Dataset",
    "Estimates",
    "Executor",
    "HiddenState",
    "Measured",
    "Pub",
    "SimulatorExecutor",
    "fit",
    "load",
]

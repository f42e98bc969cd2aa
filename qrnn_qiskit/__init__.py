"""Hybrid quantum-classical recurrent networks (arXiv:2510.25557).

The names below are imported on first use: Qiskit and Numba take seconds, which a program that
only asks for a part of this package does not have to wait for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import circuits as _circuits

# A package on PyPI and folders of users are called `circuits` too; Python imports the first one.
if getattr(_circuits, "PROJECT", None) != "qrnn-qiskit":
    raise ImportError(
        "qrnn_qiskit needs its own package 'circuits', but Python found another one of that name "
        f"at {getattr(_circuits, '__file__', None) or list(getattr(_circuits, '__path__', []))}. "
        "Rename or move that file or folder, start Python from another folder, or uninstall the "
        "distribution it belongs to (pip uninstall circuits), then reinstall qrnn-qiskit."
    )

if TYPE_CHECKING:
    from qrnn_qiskit.executors import Counts, Estimates, Executor, Pub, SimulatorExecutor
    from qrnn_qiskit.hidden_state import HiddenState
    from qrnn_qiskit.model import QRNN
    from qrnn_qiskit.modes.options import Measured
    from qrnn_qiskit.tables.comparison import compare
    from qrnn_qiskit.tasks.data.dataset import Dataset
    from qrnn_qiskit.training.estimators import QRNNClassifier, QRNNRegressor
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
    "QRNNClassifier",
    "QRNNRegressor",
    "SimulatorExecutor",
    "compare",
    "fit",
    "load",
]

_HOMES = {
    "QRNN": "model",
    "Dataset": "tasks.data.dataset",
    "HiddenState": "hidden_state",
    "Measured": "modes.options",
    "QRNNClassifier": "training.estimators",
    "QRNNRegressor": "training.estimators",
    "compare": "tables.comparison",
    "fit": "training.fit",
    "load": "training.loading",
} | dict.fromkeys(("Counts", "Estimates", "Executor", "Pub", "SimulatorExecutor"), "executors")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

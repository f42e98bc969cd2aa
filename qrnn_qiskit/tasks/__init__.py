"""Tasks: learning problems with their data, by name.

A task is one file here, or part of a package where more files belong together (``translation``,
``records``): a class that has the decorator :func:`register`. ``base`` defines the parts of a task;
``classification``, ``forecasting`` and ``text_classification`` are bases that several tasks share;
``data`` holds the readers of files, images, packages, splits and words, and is not a task.
:mod:`~qrnn_qiskit.tasks.extensions` finds tasks of other packages and files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qrnn_qiskit.tasks.base import DataSettings, Sequences, Splits, Task, TaskModel
    from qrnn_qiskit.tasks.data.data_error import DataError
    from qrnn_qiskit.tasks.extensions import ExtensionError, extend
    from qrnn_qiskit.tasks.registry import (
        UnknownTaskError,
        get_task,
        list_summaries,
        list_tasks,
        register,
    )

__all__ = [
    "DataError",
    "DataSettings",
    "ExtensionError",
    "Sequences",
    "Splits",
    "Task",
    "TaskModel",
    "UnknownTaskError",
    "extend",
    "get_task",
    "list_summaries",
    "list_tasks",
    "register",
]

# Names are imported on first use: the list of tasks must not wait for torch.
_HOMES = {
    "base": ("DataSettings", "Sequences", "Splits", "Task", "TaskModel"),
    "data.data_error": ("DataError",),
    "extensions": ("ExtensionError", "extend"),
    "registry": ("UnknownTaskError", "get_task", "list_summaries", "list_tasks", "register"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

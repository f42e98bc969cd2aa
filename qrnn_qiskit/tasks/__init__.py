"""Tasks: learning problems with their data, by name.

A task is one file here, or part of a package where more files belong together (``translation``,
``records``): a class that has the decorator :func:`register`. ``base`` defines the parts of a task;
``classification``, ``forecasting`` and ``text_classification`` are bases that several tasks share;
``data`` holds the readers of files, images, packages, splits and words, and is not a task.
"""

from qrnn_qiskit.tasks.base import DataSettings, Sequences, Splits, Task, TaskModel
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.registry import UnknownTaskError, get_task, list_tasks, register

__all__ = [
    "DataError",
    "DataSettings",
    "Sequences",
    "Splits",
    "Task",
    "TaskModel",
    "UnknownTaskError",
    "get_task",
    "list_tasks",
    "register",
]

"""Tasks: what can be trained, by name. A new task is one file here with ``@register``."""

from qrnn_qiskit.tasks.base import DataSettings, Sequences, Splits, Task, TaskModel
from qrnn_qiskit.tasks.data.files import DataError
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

"""Tasks by name.

A task is one module or one package of ``qrnn_qiskit.tasks``, whose class has the decorator
``register``. All of them are imported on the first look-up, except ``data``, the room of the
readers that tasks share.
"""

from __future__ import annotations

import pkgutil
from difflib import get_close_matches
from importlib import import_module
from typing import TypeVar

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks.base import Task

__all__ = ["UnknownTaskError", "get_task", "list_tasks", "register"]

TaskClass = TypeVar("TaskClass", bound=type[Task])

_SHARED = "data"
_tasks: dict[str, type[Task]] = {}


class UnknownTaskError(InvalidValueError):
    """A name under which no task is registered."""


def register(task: TaskClass) -> TaskClass:
    """Register a task under its ``name``; a class decorator.

    Raises:
        ValueError: The name is taken.
    """
    known = _tasks.setdefault(task.name, task)
    if known is not task:
        raise InvalidValueError(
            f"task name {task.name!r} is taken by {known.__module__}.{known.__qualname__}; "
            f"give {task.__module__}.{task.__qualname__} another name"
        )
    return task


def get_task(name: str) -> type[Task]:
    """Return the task class of a name.

    Raises:
        UnknownTaskError: No task has this name; the message lists the nearest and all names.
    """
    _import_folder()
    if name not in _tasks:
        nearest = get_close_matches(name, _tasks, n=1, cutoff=0.4)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise UnknownTaskError(f"unknown task {name!r}; {hint}known: {', '.join(sorted(_tasks))}")
    return _tasks[name]


def list_tasks() -> list[type[Task]]:
    """List all registered task classes in the order of their names."""
    _import_folder()
    return [_tasks[name] for name in sorted(_tasks)]


def _import_folder() -> None:
    from qrnn_qiskit import tasks

    for module in pkgutil.iter_modules(tasks.__path__):
        if module.name != _SHARED:
            import_module(f"{tasks.__name__}.{module.name}")

"""Tasks by name: those of this package, of other installed packages, and of single files.

A task of this package is one module or one package of ``qrnn_qiskit.tasks``, whose class has the
decorator ``register``. All of them are imported on the first look-up, except ``data``, the room of
the readers that tasks share. Other packages name theirs by entry points; see
:mod:`qrnn_qiskit.tasks.extensions`.
"""

from __future__ import annotations

import ast
import pkgutil
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks.extensions import find_origin, list_entry_points, load_entry_point

if TYPE_CHECKING:
    from qrnn_qiskit.tasks.base import Task

__all__ = [
    "Summary",
    "UnknownTaskError",
    "get_task",
    "is_registered",
    "list_summaries",
    "list_tasks",
    "name_origin",
    "register",
]

TaskClass = TypeVar("TaskClass", bound="type[Task]")

_SHARED = "data"
_tasks: dict[str, type[Task]] = {}


class UnknownTaskError(InvalidValueError):
    """A name under which no task is registered."""


class Summary(NamedTuple):
    """A task in the list of ``qrnn tasks``: its name, and what its class says of it."""

    name: str
    summary: str
    source: str


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


def is_registered(name: str) -> bool:
    """Return whether a task of this name is registered in this process."""
    return name in _tasks


def get_task(name: str) -> type[Task]:
    """Return the task class of a name.

    Raises:
        UnknownTaskError: No task has this name; the message lists the nearest and all names.
        ExtensionError: The package that provides the task cannot be imported.
    """
    _import_folder()
    if name not in _tasks:
        load_entry_point(name)
    if name not in _tasks:
        known = sorted({*_tasks, *list_entry_points()})
        nearest = get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise UnknownTaskError(
            f"unknown task {name!r}; {hint}known: {', '.join(known)}. A task in a file is found "
            "with --extend FILE.py (in Python qrnn_qiskit.tasks.extend('FILE.py')), one of another "
            "package once that is installed"
        )
    return _tasks[name]


def list_tasks() -> list[type[Task]]:
    """List all registered task classes, also of installed packages, in the order of their names."""
    _import_folder()
    for name in list_entry_points():
        if name not in _tasks:
            load_entry_point(name)
    return [_tasks[name] for name in sorted(_tasks)]


def list_summaries() -> list[Summary]:
    """List the name, the summary and the source of all tasks, in the order of their names.

    Those of this package are read from the text of its modules, whose import would wait for torch
    for seconds; those of installed packages are imported.
    """
    for name in list_entry_points():
        if name not in _tasks:
            load_entry_point(name)
    found = {task.name: Summary(task.name, task.summary, task.source) for task in _tasks.values()}
    for file in Path(__file__).parent.rglob("*.py"):
        if _SHARED not in file.relative_to(Path(__file__).parent).parts:
            found |= {each.name: each for each in _read_summaries(file)}
    return [found[name] for name in sorted(found)]


def _read_summaries(file: Path) -> list[Summary]:
    """Read the constants of the classes with the decorator ``register`` in a module."""
    found = []
    for part in ast.parse(file.read_text(encoding="utf-8")).body:
        if not isinstance(part, ast.ClassDef) or "register" not in {
            decorator.id for decorator in part.decorator_list if isinstance(decorator, ast.Name)
        }:
            continue
        values = {
            target.id: ast.literal_eval(line.value)
            for line in part.body
            if isinstance(line, ast.Assign)
            for target in line.targets
            if isinstance(target, ast.Name) and target.id in Summary._fields
        }
        found.append(Summary(**values))
    return found


def name_origin(name: str) -> dict[str, str] | None:
    """Name where a registered task comes from, for a provenance; None for this package."""
    module = get_task(name).__module__
    return None if module.startswith("qrnn_qiskit.tasks.") else find_origin(name, module)


def _import_folder() -> None:
    from qrnn_qiskit import tasks

    for module in pkgutil.iter_modules(tasks.__path__):
        if module.name != _SHARED:
            import_module(f"{tasks.__name__}.{module.name}")

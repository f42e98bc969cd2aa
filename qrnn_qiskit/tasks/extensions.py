"""Tasks of other packages, by entry points, and of single files, by their path and hash.

A package offers a task in its pyproject.toml, by the name of the task and its class:

    [project.entry-points."qrnn_qiskit.tasks"]
    my-task = "my_package.tasks:MyTask"

A run records where its task comes from, so that every later process finds it, or names what is
missing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from circuits.errors import InvalidValueError
from circuits.files import expand_user

__all__ = [
    "GROUP",
    "ExtensionError",
    "extend",
    "find_origin",
    "list_entry_points",
    "load_entry_point",
    "restore_origin",
]

GROUP = "qrnn_qiskit.tasks"
_PREFIX = "qrnn_extension_"
_files: dict[str, Path] = {}  # by the name of the module


class ExtensionError(InvalidValueError):
    """A task of another package or file that cannot be loaded, or has changed."""


def extend(path: str | os.PathLike[str], sha256: str | None = None) -> None:
    """Run a Python file that registers tasks with :func:`qrnn_qiskit.tasks.register`.

    A file that was run before with the same content is not run again.

    Args:
        path: The file.
        sha256: Its expected SHA-256, where a run has recorded it.

    Raises:
        ExtensionError: The file is missing, has changed, or fails.
    """
    file = expand_user(path).absolute()
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ExtensionError(
            f"the extension {file} cannot be read ({error.strerror}); restore it, or give its "
            "path with --extend"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise ExtensionError(
            f"the extension {file} has changed since the run was made (SHA-256 was "
            f"{sha256[:12]}..., is {found[:12]}...); restore it, or train again in a new folder"
        )
    name = _PREFIX + found[:16]
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ExtensionError(f"expected an extension as a Python file (.py), got {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs, so that its classes can be pickled
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ExtensionError(
            f"the extension {file} fails with {type(error).__name__}: {error}"
        ) from error
    _files[name] = file


def list_entry_points() -> dict[str, EntryPoint]:
    """List the tasks that installed packages offer, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def load_entry_point(name: str) -> None:
    """Register the task of this name if an installed package offers it.

    Raises:
        ExtensionError: The package cannot be imported, or offers something else than a task of
            this name.
    """
    from qrnn_qiskit.tasks.base import Task
    from qrnn_qiskit.tasks.registry import register

    entry = list_entry_points().get(name)
    if entry is None:
        return
    try:
        found = entry.load()
    except Exception as error:
        raise ExtensionError(
            f"the task {name!r} of {_name_package(entry)} cannot be imported from "
            f"{entry.value} ({type(error).__name__}: {error}); repair or uninstall that package"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Task) and found.name == name):
        raise ExtensionError(
            f"expected {entry.value} of {_name_package(entry)} to be a Task whose name is "
            f"{name!r}, got {found!r}"
        )
    register(found)


def find_origin(name: str, module: str) -> dict[str, str]:
    """Find where a task outside this package comes from, as plain values for a provenance.

    Args:
        name: Name of the task.
        module: Name of the module that defines its class.
    """
    file = _files.get(module)
    if file is not None:
        return {"file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    entry = list_entry_points().get(name)
    if entry is not None:
        return {"package": _name_package(entry), "entry_point": entry.value}
    return {"module": module}


def restore_origin(folder: Path) -> None:
    """Load the extension of a run, which its provenance records, before its configuration is read.

    Raises:
        ExtensionError: Its file is missing or has changed, its package is not installed, or the
            task existed only in the process that made the run.
    """
    try:
        origin = json.loads((folder / "provenance.json").read_bytes()).get("extension")
    except (OSError, ValueError, AttributeError, RecursionError):
        return  # whoever needs the provenance itself reports what is wrong with it
    if not isinstance(origin, dict):
        return
    from qrnn_qiskit.tasks.registry import is_registered

    if "file" in origin:
        extend(origin["file"], origin.get("sha256"))
    elif "package" in origin and origin.get("task") not in list_entry_points():
        raise ExtensionError(
            f"the run {folder} needs the package {origin['package']}, which offers its task "
            f"{origin.get('task')!r}; install it"
        )
    elif "module" in origin and not is_registered(origin.get("task", "")):
        raise ExtensionError(
            f"the run {folder} needs the task {origin.get('task')!r}, which the module "
            f"{origin['module']!r} registered in the process that made the run; import that "
            "module first, or put the task into a file for --extend"
        )


def _name_package(entry: EntryPoint) -> str:
    package = entry.dist
    return "an unknown package" if package is None else f"{package.name} {package.version}"

"""``qrnn --version``: the versions that a bug report needs."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import typer

__all__ = ["print_versions"]

_PACKAGES = (
    "qrnn-qiskit",
    "qiskit",
    "qiskit-aer",
    "qiskit-ibm-runtime",
    "qiskit-machine-learning",
    "torch",
    "numpy",
    "numba",
)


def print_versions(wanted: bool) -> None:
    """Print the versions of the main packages, of Python and of the machine; then exit."""
    if not wanted:
        return
    for package in _PACKAGES:
        typer.echo(f"{package} {version(package)}")
    typer.echo(f"python {platform.python_version()}")
    typer.echo(f"{platform.platform()}, {os.cpu_count()} CPUs")
    raise typer.Exit

"""The provenance of a result: versions, seeds, git commit, machine, data."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from qrnn_qiskit.executors.protocol import Counts, Executor
from qrnn_qiskit.training.schema import Config

__all__ = ["describe_device", "describe_provenance", "list_layouts"]

_PACKAGES = ("qrnn-qiskit", "qiskit", "torch", "numpy", "numba", "scikit-learn")


def describe_provenance(config: Config, data_sha256: str) -> dict[str, Any]:
    """Describe everything that a result depends on besides the configuration, as plain JSON values.

    ``git`` is the commit of the source from which this package was imported, None outside a
    checkout. Results are equal to the last bit if these versions, the number of threads and the
    processor are equal.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()}
        | {package: _find_version(package) for package in _PACKAGES},
        "seeds": {"training": config.seed, "split": config.data.split_seed},
        "git": _find_commit(Path(__file__).resolve().parents[2]),
        "data_sha256": data_sha256,
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cpus": os.cpu_count(),
            "torch_threads": torch.get_num_threads(),
        },
    }


def describe_device(executor: Executor, before: Counts) -> dict[str, Any]:
    """Describe where circuits ran and how many since ``before``, as plain JSON values.

    ``layouts`` are those of :func:`list_layouts`. ``service`` has each job of a service, with its
    charge and the address and instance where it ran; it is empty on this machine.
    """
    now = asdict(executor.counts)
    return {
        "name": executor.name,
        "layouts": list_layouts(executor),
        "service": getattr(executor, "describe_jobs", list)(),
        **{name: now[name] - count for name, count in asdict(before).items()},
    }


def list_layouts(executor: Executor) -> list[dict[str, Any]]:
    """List the physical qubits that an executor has used so far, as plain JSON values.

    Each object has the qubits, the duration of the longest circuit on them in seconds and their
    calibration; it is empty without a choice of qubits.
    """
    found: list[dict[str, Any]] = getattr(executor, "layouts", list)()
    return found


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout that was not installed
        return None


def _find_commit(root: Path) -> dict[str, Any] | None:
    """Find the commit of this source, not of an enclosing folder, and whether files differ."""
    if not (root / ".git").exists():
        return None
    try:
        commit = _ask_git(root, "rev-parse", "HEAD")
        changed = _ask_git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):  # no git program, or no commit yet
        return None
    return {"commit": commit, "changed": bool(changed)}


def _ask_git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()

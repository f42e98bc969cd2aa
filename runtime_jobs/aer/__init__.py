"""Circuits on Qiskit Aer: exact, sampled and with noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime_jobs.aer.executor import AerExecutor
    from runtime_jobs.aer.simulate import ExecutionError

__all__ = ["AerExecutor", "ExecutionError"]


def __getattr__(name: str) -> object:
    """Import Aer on first use: that takes seconds."""
    if name == "AerExecutor":
        from runtime_jobs.aer.executor import AerExecutor

        return AerExecutor
    if name == "ExecutionError":
        from runtime_jobs.aer.simulate import ExecutionError

        return ExecutionError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Circuits on Qiskit Aer: exact, sampled, and with noise."""

from __future__ import annotations

from runtime_jobs.aer.engine import ExecutionError
from runtime_jobs.aer.executor import AerExecutor

__all__ = ["AerExecutor", "ExecutionError"]

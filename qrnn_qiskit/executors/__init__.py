"""Executors run bound circuits: PUBs go in, values and standard errors come out."""

from qrnn_qiskit.executors.protocol import (
    AdjointExecutor,
    Counts,
    DynamicExecutor,
    DynamicPub,
    Estimates,
    Executor,
    Outcomes,
    Pub,
    check_executor,
    check_pub,
    check_unmeasured,
    check_values,
)
from qrnn_qiskit.executors.simulator import SimulatorExecutor, runs_compiled

__all__ = [
    "AdjointExecutor",
    "Counts",
    "DynamicExecutor",
    "DynamicPub",
    "Estimates",
    "Executor",
    "Outcomes",
    "Pub",
    "SimulatorExecutor",
    "check_executor",
    "check_pub",
    "check_unmeasured",
    "check_values",
    "runs_compiled",
]

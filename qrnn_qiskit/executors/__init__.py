"""The seam between circuits and what runs them: PUBs go in, values and standard errors come out."""

from qrnn_qiskit.executors.protocol import (
    Counts,
    DynamicExecutor,
    DynamicPub,
    Estimates,
    Executor,
    Outcomes,
    Pub,
    SimulatorExecutor,
    check_executor,
    check_pub,
    check_unmeasured,
    check_values,
    runs_compiled,
)

__all__ = [
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

"""What the backends of IBM's client say of themselves: state, calibration, repetition delays."""

from __future__ import annotations

from qiskit_ibm_runtime import IBMBackend

from runtime_jobs.hardware.repetition import Delays
from runtime_jobs.ibm.service_states import BackendStatus

__all__ = ["describe_backend", "find_calibration", "read_delays"]


def describe_backend(backend: IBMBackend) -> BackendStatus:
    """Return the current state of a backend."""
    status = backend.status()
    return BackendStatus(
        backend.name,
        int(backend.num_qubits),
        str(status.status_msg) if status.operational else "not operational",
        int(status.pending_jobs),
        find_calibration(backend),
    )


def read_delays(backend: IBMBackend) -> Delays:
    """Return the repetition delays that a backend takes; the usual one where it names none."""
    default = getattr(backend, "default_rep_delay", None)
    if default is None:
        return Delays()
    shortest, longest = getattr(backend, "rep_delay_range", (default, default))
    return Delays(default, shortest, longest)


def find_calibration(backend: IBMBackend) -> str:
    """Return the calibration time of a backend, as the service formats it."""
    return str(getattr(backend.properties(), "last_update_date", ""))

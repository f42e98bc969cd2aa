"""The content of a job, and the check that a result belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import BitArray

from runtime_jobs.ibm.encoding import ResultError, unpack_circuit
from runtime_jobs.ibm.results import MeasuredPub
from runtime_jobs.ledger import FrozenCircuit, JobRecord, JobRequest

__all__ = ["JobContent", "Pubs", "unpack_pubs"]

Pubs = Sequence[tuple[QuantumCircuit, NDArray[np.float64]]]


@dataclass(frozen=True)
class JobContent:
    """A request with the content of its job.

    Attributes:
        request: Everything that the result depends on.
        make_pubs: Returns the circuits with their values; called to send the job and to
            check its result.
        rows: Number of sets of values in each PUB, to check the result.
        rep_delay: Repetition delay in seconds, which ``request.options`` has too; None for the
            default of the device.
    """

    request: JobRequest
    make_pubs: Callable[[], Pubs]
    rows: tuple[int, ...]
    rep_delay: float | None = None

    def check_result(self, job: JobRecord, pubs: Sequence[MeasuredPub]) -> None:
        """Raise ResultError unless the result is complete and that of this job.

        Every PUB has the registers of its circuit with all their bits, as unsigned bytes, and every
        set of values has all shots. A mark that the service returned names this job and this PUB.
        """
        expected = [
            {
                register.name: (register.size, (rows, job.shots), "uint8")
                for register in circuit.cregs
            }
            for (circuit, _), rows in zip(self.make_pubs(), self.rows, strict=True)
        ]
        found = [{name: _describe(bits) for name, bits in pub.bits.items()} for pub in pubs]
        if found != expected:
            raise ResultError(
                f"expected a result of job {job.job_id} with (bits, (values, shots), type) by "
                f"register of {expected}, got {found}"
            )
        for place, pub in enumerate(pubs):
            if pub.mark not in (None, f"{job.tag}/{place}"):
                raise ResultError(
                    f"expected the mark {job.tag}/{place} in PUB {place} of the result of job "
                    f"{job.job_id}, got {pub.mark}: it is the result of another job"
                )


def _describe(bits: BitArray) -> tuple[int, tuple[int, ...], str]:
    """Return number of bits, (values, shots) and type; a type of its own for surplus bits."""
    highest = 2 ** (8 - -bits.num_bits % 8) - 1  # of the first byte, which is the most significant
    is_whole = not (bits.array[..., 0] > highest).any()
    name = str(bits.array.dtype) if is_whole else "more bits than its register"
    return bits.num_bits, (*bits.shape, bits.num_shots), name


def unpack_pubs(circuits: Sequence[FrozenCircuit], values: Sequence[NDArray[np.float64]]) -> Pubs:
    """Return the compiled circuits with their values."""
    return [(unpack_circuit(c.isa), rows) for c, rows in zip(circuits, values, strict=True)]

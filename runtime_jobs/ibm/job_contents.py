"""The content of a job, and the check that a result belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from runtime_jobs.estimation.bits import Bits
from runtime_jobs.ibm.encoding import ResultError, unpack_circuit
from runtime_jobs.ledger import FrozenCircuit, JobRecord, JobRequest

__all__ = ["JobContent", "Pubs", "unpack_pubs"]

Pubs = Sequence[tuple[QuantumCircuit, NDArray[np.float64]]]


@dataclass(frozen=True)
class JobContent:
    """A request with the content of its job.

    Attributes:
        request: Everything that the result depends on.
        make_pubs: Returns the circuits with their values; called only if the job has to be sent.
        rows: Number of sets of values in each PUB, to check the result.
    """

    request: JobRequest
    make_pubs: Callable[[], Pubs]
    rows: tuple[int, ...]

    def check_result(self, job: JobRecord, results: list[Bits]) -> None:
        """Raise ResultError unless every set of values of every PUB has a row of shots."""
        expected = [(count, job.shots) for count in self.rows]
        found = [{(*array.shape, array.num_shots) for array in bits.values()} for bits in results]
        if found != [{shape} for shape in expected]:
            raise ResultError(
                f"expected a result of job {job.job_id} with (values, shots) of {expected}, "
                f"got {found}; it was not recorded. Collect it again, and report the job to the "
                "service if this persists"
            )


def unpack_pubs(circuits: Sequence[FrozenCircuit], values: Sequence[NDArray[np.float64]]) -> Pubs:
    """Return the compiled circuits with their values."""
    return [(unpack_circuit(c.isa), rows) for c, rows in zip(circuits, values, strict=True)]

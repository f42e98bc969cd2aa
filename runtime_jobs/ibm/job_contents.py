"""What is sent for a job, and whether what comes back belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from runtime_jobs.estimation.bits import Bits
from runtime_jobs.ibm.encoding import ResultError, unpack_circuit
from runtime_jobs.ledger import FrozenCircuit, JobRecord, JobRequest

__all__ = ["Pubs", "Shipment", "unpack_pubs"]

Pubs = Sequence[tuple[QuantumCircuit, NDArray[np.float64]]]


@dataclass(frozen=True)
class Shipment:
    """A request with what is sent for it.

    Attributes:
        request: what the result depends on.
        make_pubs: the circuits with their values; called only where the job has to be sent.
        rows: the sets of values of each PUB, for checking the result.
    """

    request: JobRequest
    make_pubs: Callable[[], Pubs]
    rows: tuple[int, ...]

    def check_result(self, job: JobRecord, results: list[Bits]) -> None:
        """ResultError unless it has a row of shots for every set of values of every PUB."""
        expected = [(count, job.shots) for count in self.rows]
        arrived = [{(*array.shape, array.num_shots) for array in bits.values()} for bits in results]
        if arrived != [{shape} for shape in expected]:
            raise ResultError(
                f"the result of job {job.job_id} has the shapes {arrived} where (values, shots) = "
                f"{expected} are required; it was not recorded. Collect it again, and report it to "
                "the service if it stays so"
            )


def unpack_pubs(circuits: Sequence[FrozenCircuit], values: Sequence[NDArray[np.float64]]) -> Pubs:
    """The circuits as they were compiled, with their values."""
    return [(unpack_circuit(c.isa), rows) for c, rows in zip(circuits, values, strict=True)]

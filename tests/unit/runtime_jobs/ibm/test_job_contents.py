"""A result that does not belong to its job is refused before it is recorded."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.primitives import BitArray

from runtime_jobs.estimation.bits import Bits
from runtime_jobs.ibm.encoding import ResultError
from runtime_jobs.ibm.job_contents import JobContent
from runtime_jobs.ledger import JobRecord, JobRequest, JobState

JOB = JobRecord(
    *(1, "key", 1, "tag", "round 1", "ibm_kingston", 2, 10, 60, JobState.SENT, "job-7"),
    *(None, None, 0.0, 0.0, None),
)
REQUEST = JobRequest("ibm_kingston", "round 1", ("a", "b"), "p", "{}", "t", 6, 10, 60)


def make_bits(rows: int, shots: int) -> Bits:
    return {"final": BitArray(np.zeros((rows, shots, 1), np.uint8), 3)}


def test_a_result_has_all_rows_and_shots_of_every_circuit() -> None:
    content = JobContent(REQUEST, list, (4, 2))
    content.check_result(JOB, [make_bits(4, 10), make_bits(2, 10)])
    wrong = [
        [make_bits(4, 10)],
        [make_bits(2, 10), make_bits(4, 10)],
        [make_bits(4, 10), make_bits(2, 9)],
    ]
    for results in wrong:
        with pytest.raises(ResultError, match=r"job job-7 .* \[\(4, 10\), \(2, 10\)\], got"):
            content.check_result(JOB, results)

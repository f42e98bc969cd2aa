"""A result that does not belong to its job is refused before it is recorded."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.circuit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.primitives import BitArray

from runtime_jobs.estimation.bits import Bits
from runtime_jobs.ibm.encoding import ResultError
from runtime_jobs.ibm.job_contents import JobContent, Pubs
from runtime_jobs.ibm.results import MeasuredPub
from runtime_jobs.ledger import JobRecord, JobRequest, JobState

JOB = JobRecord(
    *(1, "key", 1, "tag", "round 1", "ibm_kingston", 2, 10, 60, JobState.SENT, "job-7"),
    *(None, None, 0.0, 0.0, None),
)
REQUEST = JobRequest("ibm_kingston", "round 1", ("a", "b"), "p", "{}", "t", 6, 10, 60)


def make_pub(rows: int, shots: int, mark: str | None = None) -> MeasuredPub:
    return MeasuredPub({"final": BitArray(np.zeros((rows, shots, 1), np.uint8), 3)}, mark)


def make_pubs() -> Pubs:
    circuit = QuantumCircuit(QuantumRegister(3), ClassicalRegister(3, "final"))
    return [(circuit, np.zeros((4, 0))), (circuit, np.zeros((2, 0)))]


CONTENT = JobContent(REQUEST, make_pubs, (4, 2))


def test_a_result_has_all_rows_and_shots_of_every_circuit() -> None:
    CONTENT.check_result(JOB, [make_pub(4, 10), make_pub(2, 10)])
    wrong = [
        [make_pub(4, 10)],
        [make_pub(2, 10), make_pub(4, 10)],
        [make_pub(4, 10), make_pub(2, 9)],
    ]
    for results in wrong:
        with pytest.raises(ResultError, match=r"job job-7 .* \(4, 10\).* \(2, 10\).*, got"):
            CONTENT.check_result(JOB, results)


@pytest.mark.parametrize(
    "bits",
    [
        {},
        {"low": BitArray(np.zeros((2, 10, 1), np.uint8), 3)},
        {"final": BitArray(np.zeros((2, 10, 1), np.uint8), 2)},
        {"final": BitArray(np.zeros((2, 10, 2), np.uint8), 11)},
        {"final": BitArray(np.full((2, 10, 1), 8, np.uint8), 3)},
    ],
    ids=["no register", "another name", "too few bits", "too many bits", "a bit above"],
)
def test_a_result_has_the_registers_of_its_circuit(bits: Bits) -> None:
    with pytest.raises(ResultError, match="job-7"):
        CONTENT.check_result(JOB, [make_pub(4, 10), MeasuredPub(bits)])


def test_a_mark_names_the_job_and_the_place() -> None:
    CONTENT.check_result(JOB, [make_pub(4, 10, "tag/0"), make_pub(2, 10, "tag/1")])
    for marks in (("tag/1", "tag/0"), ("other/0", "other/1")):
        with pytest.raises(ResultError, match="another job"):
            CONTENT.check_result(JOB, [make_pub(4, 10, marks[0]), make_pub(2, 10, marks[1])])

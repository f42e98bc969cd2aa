"""Answers of the service, of any JSON type."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from qiskit_ibm_runtime.results.quantum_program import (
    QuantumProgramItemResult,
    QuantumProgramResult,
)

from runtime_jobs.ibm.answers import (
    is_error_body,
    is_id,
    read_own_job,
    read_posted_id,
    read_seconds,
    read_tagged,
)
from runtime_jobs.ibm.errors import ForeignJobError, ServiceError
from runtime_jobs.ibm.results import _check_measured_values

ANYTHING: list[Any] = [None, [], {}, "x", 7, -1.5, True, [[]], [None], {"jobs": None}]


@pytest.mark.parametrize("value", [-1, -0.1, math.nan, math.inf, 1e300, 10**400, "3", None, True])
def test_only_a_plausible_number_is_a_charge(value: object) -> None:
    assert read_seconds(value) is None


@pytest.mark.parametrize("value", [0, 0.0, 2.5, 10_800])
def test_a_charge_is_kept(value: float) -> None:
    assert read_seconds(value) == value


@pytest.mark.parametrize("value", [*ANYTHING[:3], 7, True, "", "a/b", "../a", "a b", "x" * 129])
def test_an_id_is_text_that_fits_in_an_address(value: object) -> None:
    assert not is_id(value)
    body = json.dumps({"id": value, "backend": "ibm_kingston"}).encode()
    assert read_posted_id(body, "ibm_kingston") is None


@pytest.mark.parametrize("content", ANYTHING)
def test_json_of_another_type_is_an_error_of_the_service(content: Any) -> None:
    assert read_posted_id(json.dumps(content).encode(), "ibm_kingston") is None
    assert not is_error_body(json.dumps(content).encode())
    with pytest.raises(ServiceError):
        read_tagged(content, "tag")
    with pytest.raises(ServiceError):
        read_own_job(content, "job-1", "tag")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[" * 100_000, b"\xff", b'{"errors": []}', b'{"errors": [{}]}']
)
def test_only_an_error_with_a_message_refuses(body: bytes) -> None:
    assert not is_error_body(body)
    assert is_error_body(b'{"errors": [{"message": "no"}]}')
    assert is_error_body(b'{"error": {"message": "no", "code": 1}}')


@pytest.mark.parametrize("change", [{"id": "job-2"}, {"tags": []}, {"tags": "tag"}, {"tags": None}])
def test_a_job_of_another_id_or_tag_is_foreign(change: dict[str, Any]) -> None:
    job = {"id": "job-1", "tags": ["tag"], "state": {"status": "Queued"}}
    assert read_own_job(job, "job-1", "tag") == job
    with pytest.raises(ForeignJobError):
        read_own_job(job | change, "job-1", "tag")


@pytest.mark.parametrize(
    "values",
    [[0.0, 1.0], [math.nan, 1.0], [0, -1], [0, 2], [2**40, 1], [1j, 0]],
    ids=["floats", "NaN", "negative", "two", "wide", "complex"],
)
def test_a_measured_value_is_0_or_1(values: list[complex]) -> None:
    def make(array: np.ndarray) -> QuantumProgramResult:
        return QuantumProgramResult([QuantumProgramItemResult({"final": array})])

    for kind in (np.bool_, np.uint8, np.int64):
        _check_measured_values(make(np.array([0, 1], kind)))
    with pytest.raises(ValueError, match="register 'final' of PUB 0"):
        _check_measured_values(make(np.array(values)))

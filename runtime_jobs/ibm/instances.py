"""Jobs in all instances of an account, by id and by tag."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qiskit_ibm_runtime.api.client import RuntimeClient
from qiskit_ibm_runtime.api.exceptions import RequestsApiError

from runtime_jobs.ibm.answers import read_own_job, read_tagged
from runtime_jobs.ibm.errors import ServiceError, UnknownJobError
from runtime_jobs.ibm.translation import translate_errors

__all__ = ["find_job", "find_tagged"]

_PAGE, _MOST_PAGES = 100, 50


def find_job(
    clients: Iterable[RuntimeClient], job_id: str, tag: str | None
) -> tuple[RuntimeClient, dict[str, Any]]:
    """Return a job with the instance that has it.

    IBM's client takes any error of another instance for an unknown job.

    Raises:
        UnknownJobError: No instance has it.
        ForeignJobError: It has another id or does not carry the tag.
        ServiceError: An instance cannot be asked.
    """
    with translate_errors(f"the state of job {job_id} cannot be read"):
        for client in clients:
            try:
                found = client.job_get(job_id)
            except RequestsApiError as error:
                if error.status_code != 404:
                    raise
            else:
                return client, read_own_job(found, job_id, tag)
    raise UnknownJobError(f"the state of job {job_id} cannot be read: the service does not know it")


def find_tagged(client: RuntimeClient, tag: str) -> list[tuple[str, list[str]]]:
    """Return id and tags of the jobs of an instance that carry a tag.

    A list without the tag in each job was not filtered, and then the job may be on a later page.
    """
    found: dict[str, list[str]] = {}
    listed = 0
    for _ in range(_MOST_PAGES):
        jobs, length = read_tagged(client.jobs_get(limit=_PAGE, skip=listed, job_tags=[tag]), tag)
        found = found | dict(jobs)  # newest first
        listed += length
        if length < _PAGE:
            return list(found.items())
    if found:
        return list(found.items())
    raise ServiceError(
        f"the service lists {listed} jobs for the tag {tag} and none of them carries it, so that "
        "nothing can be sent safely; try again later"
    )

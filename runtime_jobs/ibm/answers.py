"""Checks of the answers of the service, which may be JSON of any type."""

from __future__ import annotations

import json
import re
from typing import Any

from runtime_jobs.ibm.errors import ForeignJobError, ServiceError
from runtime_jobs.ledger.records import LONGEST_CHARGE

__all__ = [
    "is_error_body",
    "is_id",
    "read_object",
    "read_own_job",
    "read_posted_id",
    "read_seconds",
    "read_tagged",
]

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def is_id(value: object) -> bool:
    """Return whether a value can be the id of a job or a session."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def read_seconds(value: object) -> float | None:
    """Return a charge in seconds; None if it is not a number from 0 to one week."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= LONGEST_CHARGE else None


def read_object(content: object, what: str) -> dict[str, Any]:
    """Return a JSON object; ServiceError if ``what`` is JSON of another type."""
    if not isinstance(content, dict):
        raise ServiceError(
            f"expected {what} as a JSON object, got {type(content).__name__}; try again later"
        )
    return content


def read_own_job(content: object, job_id: str, tag: str | None) -> dict[str, Any]:
    """Return the description of a job after checking that it is the requested one.

    Raises:
        ForeignJobError: It has another id, or does not carry the tag.
        ServiceError: It is not the description of a job.
    """
    job = read_object(content, f"job {job_id}")
    tags = job.get("tags")
    is_tagged = tag is None or (isinstance(tags, list) and tag in tags)
    if job.get("id") != job_id or not is_tagged:
        raise ForeignJobError(
            f"the service showed job {job.get('id')!r} with tags {tags!r} for job {job_id} with "
            f"tag {tag}; nothing was recorded. Run the command again later"
        )
    state = read_object(job.get("state"), f"the state of job {job_id}")
    if not isinstance(state.get("status"), str):
        raise ServiceError(
            f"expected the status of job {job_id} as text, got {state.get('status')!r}; try again "
            "later"
        )
    return job


def read_posted_id(body: bytes, backend: str) -> str | None:
    """Return the id in the answer to the POST of a job; None if the answer is not well-formed."""
    content = _parse(body)
    if not isinstance(content, dict) or content.get("backend") != backend:
        return None
    return content["id"] if is_id(content.get("id")) else None


def is_error_body(body: bytes) -> bool:
    """Return whether the body of an answer 4xx is an error of the service, with a message."""
    content = _parse(body)
    if not isinstance(content, dict):
        return False
    errors = content.get("errors", [content.get("error")])
    return (
        isinstance(errors, list)
        and bool(errors)
        and all(isinstance(e, dict) and isinstance(e.get("message"), str) for e in errors)
    )


def read_tagged(page: object, tag: str) -> tuple[list[tuple[str, list[str]]], int]:
    """Return id and tags of the jobs in a list that carry a tag, and the length of the list.

    Raises:
        ServiceError: It is not a list of jobs, or a job with the tag has no valid id.
    """
    jobs = read_object(page, "a list of jobs").get("jobs")
    if not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
        raise ServiceError("expected a list of jobs, got JSON of another form; try again later")
    own = [
        (job.get("id"), list(map(str, _list_tags(job)))) for job in jobs if tag in _list_tags(job)
    ]
    if not all(is_id(job_id) for job_id, _ in own):
        raise ServiceError(
            f"the service lists a job with tag {tag} under the id {own[0][0]!r}, which is not "
            "valid; nothing was sent. Run the command again later"
        )
    return [(str(job_id), tags) for job_id, tags in own], len(jobs)


def _list_tags(job: dict[str, Any]) -> list[Any]:
    tags = job.get("tags")
    return tags if isinstance(tags, list) else []


def _parse(body: bytes) -> Any:
    """Return the JSON of a body; None if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None

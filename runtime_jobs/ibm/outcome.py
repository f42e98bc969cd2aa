"""What became of the POST of a job: its id where it was accepted, otherwise an error.

Whether the service may have the job decides which error it is: only where it certainly has not may
the same job be sent again.
"""

from __future__ import annotations

from qiskit_ibm_runtime.exceptions import IBMInputValueError

from runtime_jobs.ibm.answers import is_error_body, read_posted_id
from runtime_jobs.ibm.errors import (
    BusyError,
    NotSentError,
    RefusedLocallyError,
    RejectedError,
    UnsureError,
)
from runtime_jobs.ibm.redaction import hide_secrets
from runtime_jobs.ibm.transport import Post

__all__ = ["read_outcome"]

_UNDECIDED = (401, 408, 425, 429)  # after these, the same job may be accepted later


def read_outcome(post: Post, name: str, error: Exception | None) -> str:
    """Return the id of an accepted job.

    Args:
        post: The POST, as far as it came.
        name: Name of the backend.
        error: What the client raised meanwhile; None if nothing.

    Raises:
        RefusedLocallyError: The job was refused before it was posted.
        NotSentError: A request that precedes the POST failed.
        RejectedError: The service answered that it refuses the job.
        BusyError: The service answered that it does not accept the job now.
        UnsureError: The job was posted, and anything but a well-formed answer came.
    """
    reason = "" if error is None else hide_secrets(f"{type(error).__name__}: {error}")
    if not post.has_left:
        if isinstance(error, IBMInputValueError) or not post.has_asked:
            raise RefusedLocallyError(f"the client refused it: {reason}") from error
        raise NotSentError(f"the service could not be asked: {reason}") from error
    if post.status is None:
        raise UnsureError(f"the service did not answer: {reason}") from error
    if post.is_accepted:
        job_id = read_posted_id(post.body, name)
        if job_id is None:
            shown = hide_secrets(post.body[:200].decode(errors="replace"))
            raise UnsureError(
                f"expected the id of a job on {name}, got the answer {shown!r}"
            ) from error
        return job_id
    message = f"the service answered with status {post.status}: {reason}"
    if 400 <= post.status < 500 and is_error_body(post.body):
        if post.status == 429:
            raise BusyError(message) from error
        if post.status not in _UNDECIDED:
            raise RejectedError(message) from error
    raise UnsureError(message) from error

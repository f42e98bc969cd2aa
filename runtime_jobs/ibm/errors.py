"""Errors of the service, distinct by what may have happened to a job."""

from __future__ import annotations

from circuits.errors import OperationError

__all__ = [
    "BusyError",
    "ForeignJobError",
    "NotSentError",
    "RefusedLocallyError",
    "RejectedError",
    "ServiceError",
    "UnknownJobError",
    "UnsureError",
]


class ServiceError(OperationError):
    """The service cannot be used at the moment."""


class RejectedError(ServiceError):
    """The service answered that it refuses a job; its tag shows whether it has the job anyway."""


class RefusedLocallyError(RejectedError):
    """A job was refused before it was posted, so that the service cannot have it."""


class BusyError(ServiceError):
    """The service accepts no job at the moment."""


class NotSentError(BusyError):
    """A request that precedes the POST failed, so that the service cannot have the job."""


class UnknownJobError(ServiceError):
    """The service does not know a job, or no longer knows it."""


class ForeignJobError(ServiceError):
    """The service showed a job with another id or tag, which settles nothing."""


class UnsureError(ServiceError):
    """A job was posted and the answer leaves open whether the service has it."""

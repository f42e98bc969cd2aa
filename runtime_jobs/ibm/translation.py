"""Errors and warnings of IBM's client as errors of the service, without credentials."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from qiskit.exceptions import QiskitError
from qiskit_ibm_runtime.exceptions import IBMError

from circuits.errors import OperationError
from runtime_jobs.ibm.errors import ServiceError
from runtime_jobs.ibm.redaction import hide_secrets

__all__ = ["hide_in_warnings", "translate_errors"]


@contextmanager
def hide_in_warnings() -> Iterator[None]:
    """Remove credentials from the warnings of the client, which may quote an answer."""
    kept: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            try:
                yield
            finally:
                kept.extend(caught)
    finally:
        for warning in kept:
            warnings.warn(hide_secrets(str(warning.message)), warning.category, stacklevel=3)


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Turn errors of the client and of the network into ServiceError; ``what`` failed.

    An answer of another JSON type makes the client raise anything.
    """
    try:
        with hide_in_warnings():
            yield
    except OperationError:
        raise
    except Exception as error:
        reason = hide_secrets(str(error)).rstrip(".")
        kind = "" if isinstance(error, IBMError | QiskitError) else f"{type(error).__name__}: "
        raise ServiceError(
            f"{what}: {kind}{reason}. Nothing is lost; 'qrnn account' checks the account, and "
            "docs/ibm-quantum.md explains how to set it up"
        ) from error

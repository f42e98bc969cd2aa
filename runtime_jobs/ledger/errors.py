"""Errors of ledgers and of their jobs."""

from __future__ import annotations

from circuits.errors import OperationError

__all__ = [
    "BudgetError",
    "IdentityError",
    "JobFailedError",
    "JobsPendingError",
    "LedgerBusyError",
    "LedgerError",
]


class LedgerError(OperationError):
    """A ledger cannot be read or written; the message gives the reason and the remedy."""


class LedgerBusyError(LedgerError):
    """Another process is working on this run folder."""


class BudgetError(OperationError):
    """The cap on QPU seconds does not admit a job, which was not sent."""


class IdentityError(BudgetError):
    """The budget of a run folder may be that of another one: it is a copy, or lost its ledger."""


class JobsPendingError(OperationError):
    """Jobs have been sent, and their results have not arrived yet."""


class JobFailedError(OperationError):
    """A job ended without a result; the message gives its id, the reason and the next command."""

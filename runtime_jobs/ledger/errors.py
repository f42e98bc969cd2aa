"""What can go wrong with a ledger."""

from __future__ import annotations

from circuits.errors import OperationError

__all__ = ["BudgetError", "JobFailedError", "JobsPendingError", "LedgerBusyError", "LedgerError"]


class LedgerError(OperationError):
    """A ledger that cannot be read or written: says what happened to it and what to do."""


class LedgerBusyError(LedgerError):
    """Another process works on this run folder."""


class BudgetError(OperationError):
    """A job that the cap on QPU seconds does not admit; nothing was sent."""


class JobsPendingError(OperationError):
    """Jobs have been sent and their results have not come yet."""


class JobFailedError(OperationError):
    """A job ended without a result: says its id, the reason and the next command."""

"""What can go wrong with a ledger."""

from __future__ import annotations

__all__ = ["BudgetError", "JobFailedError", "JobsPendingError", "LedgerBusyError", "LedgerError"]


class LedgerError(RuntimeError):
    """A ledger that cannot be read or written: says what happened to it and what to do."""


class LedgerBusyError(LedgerError):
    """Another process works on this run folder."""


class BudgetError(RuntimeError):
    """A job that the cap on QPU seconds does not admit; nothing was sent."""


class JobsPendingError(RuntimeError):
    """Jobs have been sent and their results have not come yet."""


class JobFailedError(RuntimeError):
    """A job ended without a result: says its id, the reason and the next command."""

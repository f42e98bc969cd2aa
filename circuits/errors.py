"""Errors that a user can put right, in one family.

Every message gives what was expected, what was passed and what to do next. The command line prints
such an error as one line. Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

__all__ = ["InvalidTypeError", "InvalidValueError", "OperationError", "UserError"]


class UserError(Exception):
    """The base of all errors that a user can put right."""


class InvalidValueError(UserError, ValueError):
    """An argument, a file or a setting with a value out of range."""


class InvalidTypeError(UserError, TypeError):
    """An argument of the wrong type."""


class OperationError(UserError, RuntimeError):
    """An operation failed for a reason outside its arguments: a service, device or process."""

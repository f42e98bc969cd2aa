"""Exit codes of commands, and the printing of failures.

An error that a user can put right is one line; any other keeps its traceback.
"""

from __future__ import annotations

import os
from enum import IntEnum

import typer

from circuits.errors import OperationError, UserError
from runtime_jobs.ibm.redaction import hide_secrets
from runtime_jobs.ledger.errors import BudgetError, JobsPendingError
from runtime_jobs.runs.opening import NotReadyError

__all__ = ["ExitCode", "RunInterrupted", "report_failure"]


class ExitCode(IntEnum):
    """The exit codes of ``qrnn``."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    OVER_BUDGET = 3
    NOT_READY = 4
    INTERRUPTED = 130

    @property
    def label(self) -> str:
        """The meaning of the code in words."""
        return {
            0: "done",
            1: "failed",
            2: "bad input",
            3: "refused for budget",
            4: "not ready yet",
            130: "interrupted",
        }[self]


class RunInterrupted(OperationError):
    """Training was stopped by the user and can be resumed."""


def report_failure(error: Exception) -> ExitCode:
    """Print a failure to standard error and return its exit code.

    An expected error is one red line, an unexpected one a traceback. If several processes of
    ``torchrun`` fail with the same text, one of them prints it.
    """
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    code, message = _explain(error)
    trace = ""
    if message is None:
        import traceback

        trace = hide_secrets("".join(traceback.format_exception(error)))
        message = (
            f"unexpected {type(error).__name__}; please report it with the lines above and the "
            "output of 'qrnn --version'"
        )
    line = hide_secrets("error: " + " ".join(message.split()))
    if _may_say(trace + line):
        console.print(trace, markup=False, end="")
        console.print(line, style="red", markup=False)
    return code


def _may_say(text: str) -> bool:
    """Return whether this process prints the text, among those that ``torchrun`` started."""
    if "TORCHELASTIC_USE_AGENT_STORE" not in os.environ:  # do not import torch, which takes seconds
        return True
    from qrnn_qiskit.training.say_once import may_say

    return may_say(text)


def _explain(error: Exception) -> tuple[ExitCode, str | None]:
    """Return the exit code of a failure, and its message unless the error is unexpected."""
    if isinstance(error, typer.TyperException):
        return (
            ExitCode.BAD_INPUT,
            f"{error.format_message()} (see: qrnn --help, qrnn COMMAND --help)",
        )
    if isinstance(error, RunInterrupted):
        return ExitCode.INTERRUPTED, str(error)
    if isinstance(error, BudgetError):
        return ExitCode.OVER_BUDGET, str(error)
    if isinstance(error, NotReadyError | JobsPendingError):
        return ExitCode.NOT_READY, str(error)
    if isinstance(error, OSError):
        return ExitCode.FAILED, str(error)
    if isinstance(error, UserError):
        is_input = isinstance(error, ValueError | TypeError)
        return ExitCode.BAD_INPUT if is_input else ExitCode.FAILED, str(error)
    return ExitCode.FAILED, None

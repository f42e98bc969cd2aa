"""How a command ends: exit codes, and one clear line for what a user can put right."""

from __future__ import annotations

import os
from enum import IntEnum

import typer

from circuits.errors import OperationError, UserError
from runtime_jobs.ibm.redaction import hide_secrets
from runtime_jobs.ledger.errors import BudgetError, JobsPendingError

__all__ = ["ExitCode", "NotReadyError", "RunInterrupted", "report_failure"]


class ExitCode(IntEnum):
    """What the exit code of ``qrnn`` means."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    OVER_BUDGET = 3
    NOT_READY = 4
    INTERRUPTED = 130

    @property
    def label(self) -> str:
        """The meaning in words."""
        return {
            0: "done",
            1: "failed",
            2: "bad input",
            3: "refused for budget",
            4: "not ready yet",
            130: "interrupted",
        }[self]


class NotReadyError(OperationError):
    """What was asked for does not exist yet, but will."""


class RunInterrupted(OperationError):
    """Training was stopped by the user and can be resumed."""


def report_failure(error: Exception) -> ExitCode:
    """Tell of a failure on standard error: a red line, or the traceback of an unexpected one.

    Of several processes that ``torchrun`` has started and that fail alike, one tells it.
    """
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    code, message = _explain(error)
    trace = ""
    if message is None:
        import traceback

        trace = hide_secrets("".join(traceback.format_exception(error)))
        message = (
            f"{type(error).__name__} was not expected here; please report it with the lines above "
            "and what 'qrnn --version' prints"
        )
    line = hide_secrets("error: " + " ".join(message.split()))
    if _may_say(trace + line):
        console.print(trace, markup=False, end="")
        console.print(line, style="red", markup=False)
    return code


def _may_say(text: str) -> bool:
    """Whether this process is the one to say it, of those that ``torchrun`` has started."""
    if "TORCHELASTIC_USE_AGENT_STORE" not in os.environ:  # the import takes seconds
        return True
    from qrnn_qiskit.training.say_once import may_say

    return may_say(text)


def _explain(error: Exception) -> tuple[ExitCode, str | None]:
    """The exit code of a failure, and its message where that says enough."""
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

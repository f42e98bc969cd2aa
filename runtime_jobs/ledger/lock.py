"""The lock of a run folder, with the errors of a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from runtime_jobs.ledger.errors import LedgerBusyError, LedgerError

__all__ = ["hold_lock"]


@contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder; see :func:`qrnn_qiskit.training.lock.hold_lock`.

    Raises:
        LedgerBusyError: Another process holds the lock.
        LedgerError: The lock file cannot be opened or locked.
    """
    from qrnn_qiskit.training import lock  # imports torch, which takes seconds

    with ExitStack() as stack:
        try:
            stack.enter_context(lock.hold_lock(folder))
        except lock.RunBusyError as error:
            raise LedgerBusyError(str(error)) from error
        except lock.LockError as error:
            raise LedgerError(str(error)) from error
        yield

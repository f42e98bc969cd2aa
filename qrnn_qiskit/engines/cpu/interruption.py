"""Ctrl-C during a long call of compiled code.

Python handles signals in the main thread, and only between two of its own instructions: a call that
takes a minute would answer after a minute. A long call therefore runs in a thread of its own while
the main thread waits, which a signal interrupts. The kernels read a *stop flag* before each step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEVER", "call_kernel", "is_long", "run_stoppable"]

Outcome = TypeVar("Outcome")
Flag = NDArray[np.int64]

_never: Flag = np.zeros(1, np.int64)
_always: Flag = np.ones(1, np.int64)
NEVER: int = _never.ctypes.data  # address of the stop flag of calls too short to be stopped: 0

# Amplitudes times sweeps of gates that one thread moves in about a third of a second. To start a
# thread takes a tenth of a millisecond, which would show in shorter calls.
_LONG = 1 << 27


def is_long(work: int, threads: int) -> bool:
    """Return whether a call takes so long that Ctrl-C has to end it.

    Args:
        work: Amplitudes times sweeps of gates, of all sequences and steps.
        threads: The number of threads that share it.
    """
    return work > _LONG * threads and threading.current_thread() is threading.main_thread()


def call_kernel(call: Callable[[Flag], Outcome], work: int, threads: int) -> Outcome:
    """Return ``call(flag)``, so that Ctrl-C ends it soon if it takes long.

    Args:
        call: As in :func:`run_stoppable`.
        work: As in :func:`is_long`.
        threads: As in :func:`is_long`.
    """
    return run_stoppable(call) if is_long(work, threads) else call(_never)


def run_stoppable(call: Callable[[Flag], Outcome]) -> Outcome:
    """Return ``call(flag)``, run in a thread of its own.

    What a signal raises in the main thread is raised here, after the flag is set and the call has
    ended: it writes to memory of the caller.

    Args:
        call: Compiled code; it ends early once the flag is not 0, and what it has written then is
            of no use.
    """
    call(_always)  # stops before the first step; a first call compiles here, where Ctrl-C ends that
    flag = np.zeros(1, np.int64)
    outcome: Future[Outcome] = Future()

    def run() -> None:
        try:
            outcome.set_result(call(flag))
        except BaseException as error:  # noqa: BLE001  raised again in the main thread
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="qrnn_qiskit-kernel")
    thread.start()
    try:
        return outcome.result()
    finally:
        flag[0] = 1
        while thread.is_alive():
            with suppress(KeyboardInterrupt):  # one is on its way already
                thread.join()

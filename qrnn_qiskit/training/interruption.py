"""Handling of Ctrl-C between two training steps."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["TrainingInterrupted", "catch_interrupt"]


_ANSWER = b"\nstopping after this step and its checkpoint; Ctrl-C again ends at once\n"


class TrainingInterrupted(KeyboardInterrupt):
    """Training was stopped by the user; its checkpoint is written."""


@contextmanager
def catch_interrupt(shared: bool = False) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether SIGINT was received, so that no step is interrupted.

    The first SIGINT is answered with a line at once, as a step may take long. A second one raises
    KeyboardInterrupt at once. If several processes train together (``shared``), none may stop
    separately: SIGTERM, with which ``torchrun`` ends the remaining processes, and every further
    signal are only noted; after an error SIGTERM is ignored, so that the process can still report
    the error. Outside the main thread, where Python does not deliver
    signals, the function always returns False.
    """
    received = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield received.is_set
        return

    def note(signum: int, frame: FrameType | None) -> None:
        received.set()
        if not shared:
            with suppress(OSError):  # a closed stream
                os.write(2, _ANSWER)  # not print, which may be what the signal interrupts
            signal.signal(signal.SIGINT, signal.default_int_handler)

    noted = (signal.SIGINT, signal.SIGTERM) if shared else (signal.SIGINT,)
    previous = {each: signal.signal(each, note) for each in noted}
    try:
        yield received.is_set
    except BaseException:
        if shared:
            previous[signal.SIGTERM] = signal.SIG_IGN
        raise
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)

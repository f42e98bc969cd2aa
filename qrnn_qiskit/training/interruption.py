"""Ctrl-C between two steps instead of in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["TrainingInterrupted", "catch_interrupt"]


class TrainingInterrupted(KeyboardInterrupt):
    """Training was stopped by the user after its checkpoint was written."""


@contextmanager
def catch_interrupt(shared: bool = False) -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether SIGINT came, so that a step is never cut in two.

    A second SIGINT raises KeyboardInterrupt at once. Of several processes that train together
    (``shared``) none may stop alone: SIGTERM, by which ``torchrun`` ends what is left, is noted
    likewise, and so is every further signal; after an error it is ignored, so that the process can
    still say what happened. Outside the main thread, where Python does not deliver signals, the
    function stays False.
    """
    arrived = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield arrived.is_set
        return

    def note(signum: int, frame: FrameType | None) -> None:
        arrived.set()
        if not shared:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    noted = (signal.SIGINT, signal.SIGTERM) if shared else (signal.SIGINT,)
    previous = {each: signal.signal(each, note) for each in noted}
    try:
        yield arrived.is_set
    except BaseException:
        if shared:
            previous[signal.SIGTERM] = signal.SIG_IGN
        raise
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)

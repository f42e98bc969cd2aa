"""Messages of several processes, each shown only once."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any, TextIO

__all__ = ["may_say", "say_warnings_once"]

_PATIENCE = timedelta(seconds=5)


def may_say(message: str) -> bool:
    """Return whether this process should show ``message``: no other one has shown it yet.

    The processes that ``torchrun`` has started on a machine ask its store. Without the store, or
    where it has ended, every process shows its own messages.
    """
    try:
        store = _find_store()
        if store is None:
            return True
        rank, group, start = (
            os.environ[name] for name in ("RANK", "GROUP_RANK", "TORCHELASTIC_RESTART_COUNT")
        )
        key = f"said/{group}/{start}/{hashlib.sha256(message.encode()).hexdigest()}"
        speaker: bytes = store.compare_set(key, "", rank)  # sets the speaker unless there is one
    except RuntimeError:
        return True
    return speaker == rank.encode()


def _find_store() -> Any:
    """Find the store of ``torchrun``; None where there is none, or it does not respond."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    try:
        return _connect(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    except RuntimeError:  # a message is no reason to end a training
        return None


@cache
def _connect(host: str, port: int) -> Any:
    from torch import distributed

    return distributed.TCPStore(  # type: ignore[attr-defined]
        host, port, is_master=False, timeout=_PATIENCE
    )


@contextmanager
def say_warnings_once() -> Iterator[None]:
    """Show a warning that several processes give only once."""
    _find_store()  # connect early: where another process dies, torchrun soon ends this one
    show = warnings.showwarning

    def say(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if may_say(f"{category.__name__}: {message}"):
            show(message, category, filename, lineno, file, line)

    warnings.showwarning = say
    try:
        yield
    finally:
        warnings.showwarning = show

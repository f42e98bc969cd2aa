"""Several processes with one voice: what more than one of them would say is said once."""

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
    """Whether this process should say ``message``: no other one beside it has said the same.

    The processes that ``torchrun`` has started on a machine ask the store that it keeps for them.
    Without it, or where it has ended, nobody else is known and every process speaks for itself.
    """
    try:
        store = _find_store()
        if store is None:
            return True
        rank, group, start = (
            os.environ[name] for name in ("RANK", "GROUP_RANK", "TORCHELASTIC_RESTART_COUNT")
        )
        key = f"said/{group}/{start}/{hashlib.sha256(message.encode()).hexdigest()}"
        speaker: bytes = store.compare_set(key, "", rank)  # takes the word where nobody has it
    except RuntimeError:
        return True
    return speaker == rank.encode()


def _find_store() -> Any:
    """The store of ``torchrun``; None where it has none, or none that answers."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    try:
        return _connect(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    except RuntimeError:  # nothing that is said is worth ending a training
        return None


@cache
def _connect(host: str, port: int) -> Any:
    from torch import distributed

    return distributed.TCPStore(  # type: ignore[attr-defined]
        host, port, is_master=False, timeout=_PATIENCE
    )


@contextmanager
def say_warnings_once() -> Iterator[None]:
    """Let a warning that several processes give appear once."""
    _find_store()  # while there is time: where another process dies, torchrun soon ends this one
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

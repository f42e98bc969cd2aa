"""Signals while a model trains."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from qrnn_qiskit.training.interruption import catch_interrupt

NOTED = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers of this process, which are there again afterwards."""
    before = {each: signal.getsignal(each) for each in NOTED}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("shared", [False, True])
def test_handlers_are_restored(shared: bool) -> None:
    before = [signal.getsignal(each) for each in NOTED]
    with catch_interrupt(shared) as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted()
    assert [signal.getsignal(each) for each in NOTED] == before


def test_who_lost_another_process_can_still_say_so_when_torchrun_ends_it() -> None:
    with pytest.raises(RuntimeError, match="lost"), catch_interrupt(shared=True):
        raise RuntimeError("lost")
    os.kill(os.getpid(), signal.SIGTERM)  # does not end this process
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN

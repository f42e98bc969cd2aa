from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Protocol

import pytest
from torch.distributed import TCPStore

from qrnn_qiskit.training.say_once import may_say, say_warnings_once


class Become(Protocol):
    def __call__(
        self, rank: int, *, group: int = 0, start: int = 0, port: int | None = None
    ) -> None: ...


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> Become:
    """Become the process of a rank that torchrun has started; the fixture keeps its store."""
    store = TCPStore("127.0.0.1", 0, is_master=True)

    def become(rank: int, *, group: int = 0, start: int = 0, port: int | None = None) -> None:
        for name, value in {
            "TORCHELASTIC_USE_AGENT_STORE": True,
            "TORCHELASTIC_RESTART_COUNT": start,
            "RANK": rank,
            "GROUP_RANK": group,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port or store.port,
        }.items():
            monkeypatch.setenv(name, str(value))

    return become


def test_one_process_of_a_machine_says_what_all_would_say(become: Become) -> None:
    become(1)
    assert may_say("no such key")
    become(0)
    assert not may_say("no such key")
    assert may_say("out of memory")
    become(1)
    assert may_say("no such key")  # its own word, as often as it likes
    become(2, group=1)
    assert may_say("no such key")  # on another machine nobody has read it
    become(0, start=1)
    assert may_say("no such key")  # started again


def test_a_process_without_others_speaks(become: Become, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qrnn_qiskit.training.say_once._PATIENCE", timedelta(seconds=0.1))
    assert may_say("alone")
    assert may_say("alone")
    become(0, port=1)  # torchrun has ended
    assert may_say("alone")
    with say_warnings_once(), pytest.warns(UserWarning, match="alone"):
        warnings.warn("alone", stacklevel=1)


def test_a_warning_of_several_processes_appears_once(
    become: Become, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def show(message: Warning, *details: object) -> None:
        said.append(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", show)
        for rank in range(3):
            become(rank)
            with say_warnings_once():
                warnings.warn("of all", stacklevel=1)
                warnings.warn(f"of {rank}", stacklevel=1)
        assert warnings.showwarning is show
    assert said == ["of all", "of 0", "of 1", "of 2"]

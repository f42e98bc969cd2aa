"""What a report says of the machine."""

from __future__ import annotations

from pathlib import Path

import machine
import pytest


def test_the_share_that_the_host_took(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "stat"
    read = machine._read_times

    def write(user: int, stolen: int) -> None:
        path.write_text(f"cpu  {user} 1 20 4000 5 0 2 {stolen} 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")

    monkeypatch.setattr(machine, "_read_times", lambda: read(path))
    write(100, 7)
    stolen = machine.StolenTime()
    write(400, 107)
    assert stolen.describe().startswith("The host took 25% of the processor time")


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    assert machine._read_times(tmp_path / "nothing") == (0, 0)

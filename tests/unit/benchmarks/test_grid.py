"""A grid goes on where it was stopped, and its report tells what was and what was not measured."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grid
import pytest
from cells import FORWARD, TRAIN, Cell, Limits, Outcome
from grid import Progress
from grid_report import write_report

REFERENCE, LARGER = Cell(8, 2, 16, 32), Cell(10, 2, 16, 32)
SETTING: dict[str, Any] = {
    "machine": "a processor, 2 cores",
    "python": "3.11",
    "versions": {"qrnn": {"torch": "2"}, "plain": {"torch": "2"}},
    "threads": 2,
    "limits": asdict(Limits(rounds=2)),
    "gibibytes": 12.0,
}


def make_outcomes() -> dict[Cell, dict[str, Outcome]]:
    """Two cells; the peer is 50 times slower in the first, and over a limit in the second."""
    ours = Outcome({FORWARD: [0.001, 0.002], TRAIN: [0.004, 0.006]}, memory=3 << 20)
    peer = Outcome({FORWARD: [1.1], TRAIN: [0.2]}, 1.5, 0.25, 1e-6, 600 << 20)
    larger = Outcome({FORWARD: [0.01], TRAIN: [0.04]})
    late = Outcome(reason="over 15 s", limit_at=LARGER)
    return {REFERENCE: {"qrnn": ours, "plain": peer}, LARGER: {"qrnn": larger, "plain": late}}


def test_finished_cells_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "grid.progress"
    first = Progress(path, SETTING)
    for cell, outcomes in make_outcomes().items():
        first.add(cell, outcomes)
    second = Progress(path, SETTING)
    assert second.done == make_outcomes()
    assert second.begun == first.begun
    found = second.done[LARGER]["plain"].limit_at
    assert found is not None
    assert LARGER.contains(found)


def test_cells_of_another_setting_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "grid.progress"
    Progress(path, SETTING).add(REFERENCE, make_outcomes()[REFERENCE])
    with pytest.raises(ValueError, match=r"other packages or options \(threads\)"):
        Progress(path, SETTING | {"threads": 1})


def test_an_interrupt_says_where_the_cells_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(grid, "measure", interrupt)
    monkeypatch.setattr("sys.argv", ["grid.py", "--out", str(tmp_path / "grid")])
    with pytest.raises(SystemExit) as stopped:
        grid.main()
    assert stopped.value.code == 130
    assert f"continues with the cells in {tmp_path / 'grid.progress'}" in capsys.readouterr().err


def test_no_size_is_below_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["grid.py", "--qubits", "2", "0"])
    with pytest.raises(SystemExit):
        grid.main()
    assert "--qubits: expected 1 or more, got 0" in capsys.readouterr().err


def test_report(tmp_path: Path) -> None:
    setting = SETTING | {"started": "2026-11-21 13:10", "load": 0.1}
    names = ["qrnn", "plain", "torchquantum"]
    done = make_outcomes()
    done[REFERENCE]["plain"].reason = "memory: over 12 GiB"  # its times were measured before
    out = tmp_path / "grid.1"
    text, table, picture = write_report(out, setting, names, done, REFERENCE)
    printed = text.read_text()
    assert "| plain torch | 1 of 2 | 50 (n = 8, T = 16, B = 32) | 50 | 50 |" in printed
    assert "| 8 | 16 | 32 | 4 | 200 (50) |" in printed  # forward and backward
    assert "| 8 | 16 | 32 | 1 | 1,100 (1,100) |" in printed  # forward alone
    assert "| 10 | 16 | 32 | 40 | over 15 s |" in printed
    assert "| 8 | 16 | 32 | 3.0 | 600.0 |" in printed  # MiB
    assert "| 1.5 | 0.250 | 1e-06 |" in printed  # compiling and the first call of the peer
    assert "| TorchQuantum | not installed |" in printed
    assert f"]({picture.name})" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["tool"], row["qubits"], row["train_best_ms"]) for row in rows] == [
        ("qrnn", "8", "4.0000"),
        ("plain", "8", "200.0000"),
        ("qrnn", "10", "40.0000"),
        ("plain", "10", ""),
    ]
    assert [row["reason"] for row in rows] == ["", "memory: over 12 GiB", "", "over 15 s"]


def test_a_report_in_which_nothing_was_measured_has_no_picture(tmp_path: Path) -> None:
    late = Outcome(reason="over 20 s", limit_at=REFERENCE)
    setting = SETTING | {"started": "2026-11-21 13:10", "load": 0.1}
    done = {REFERENCE: {"qrnn": late}}
    written = write_report(tmp_path / "grid", setting, ["qrnn"], done, REFERENCE)
    assert [path.suffix for path in written] == [".md", ".csv"]
    assert "| 8 | 16 | 32 | over 20 s |" in written[0].read_text()
    assert "![" not in written[0].read_text()

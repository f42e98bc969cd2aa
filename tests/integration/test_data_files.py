"""Custom files by the command line: what is noted, and predictions that a spreadsheet can open."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pytest

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode

TINY = ["num_qubits=1", "num_layers=1", "controller_hidden=2", "epochs=1"]


def with_settings(*settings: str) -> list[str]:
    return [word for setting in [*settings, *TINY] for word in ("--set", setting)]


def test_texts_of_excel_are_noted_and_their_predictions_are_safe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "reviews [a].csv", tmp_path / "run"
    rows = "un été réussi;=gut\nun hiver raté;@bad\n" * 10
    file.write_bytes(("sep=;\r\nKritik;Note\r\n" + rows).encode("cp1252"))
    settings = [f"data.file={file}", "data.text=Kritik", "data.label=Note", "data.encoding=cp1252"]
    words = ["train", "text", *with_settings(*settings), "--out", str(folder)]
    assert run(words) == ExitCode.DONE
    captured = capsys.readouterr()
    assert captured.err.count(f"note: {file}: fields are separated by semicolons") == 1
    assert captured.err.count("unknown words: 0.0% of training") == 1
    assert " majority_accuracy" in captured.out

    new = tmp_path / "new [" / "b].csv"  # a closing tag of Rich
    new.parent.mkdir()
    new.write_bytes("Kritik;x\nun été raté;1\n;2\ninconnu;3\n".encode("cp1252"))
    assert run(["predict", str(folder), str(new)]) == ExitCode.DONE
    captured = capsys.readouterr()
    header, *rows = csv.reader(io.StringIO(captured.out))
    assert header == ["row", "predicted", "probability"]
    assert [row[0] for row in rows] == ["1", "3"]
    assert {row[1] for row in rows} <= {"'=gut", "'@bad"}
    assert f"warning: {new}: Kritik is empty in rows that are left out: 2" in captured.err
    assert "note: " in captured.err
    assert "25.0 % of the words are unknown" in captured.err
    for written in (folder / "evaluations").glob("*.csv"):
        text = written.read_text(encoding="utf-8")
        actual = {row["actual"] for row in csv.DictReader(io.StringIO(text))}
        assert actual == {"'=gut", "'@bad"}

    new.write_text("Kritik\nganz fremd\n")
    assert run(["predict", str(folder), str(new)]) == ExitCode.BAD_INPUT
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "none of the words is known" in captured.err


def test_a_series_out_of_order_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "table.csv"
    lines = [f"2026-01-{day:02d},{math.sin(day):.4f}" for day in (*range(1, 20), 3, *range(20, 32))]
    file.write_text("\n".join(["Date,y", *lines]))
    settings = with_settings(f"data.file={file}", "data.target=y", "window=2")
    assert run(["train", "series", *settings, "--out", str(tmp_path / "run")]) == ExitCode.BAD_INPUT
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "row 20 (line 21), column 'Date': 2026-01-03 is earlier than 2026-01-19" in message
    assert not (tmp_path / "run").exists()

"""A translation from the command line: BLEU in its table, attention among its pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode

pytestmark = pytest.mark.training


def test_a_translation_is_trained_evaluated_and_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, new = tmp_path / "pairs.tsv", tmp_path / "new.txt"
    words = [("rot", "red"), ("blau", "blue"), ("grün", "green"), ("gelb", "yellow")]
    lines = [f"{a} und {b}\t{c} and {d}" for a, c in words for b, d in words]
    pairs.write_text("\n".join(lines))
    new.write_text("rot und blau\n")
    folder = tmp_path / "run"
    settings = [f"data.file={pairs}", "epochs=1", "num_qubits=2", "min_count=1"]
    options = [part for setting in settings for part in ("--set", setting)]
    assert run(["train", "translation", *options, "--out", str(folder)]) == ExitCode.DONE
    assert "bleu" in capsys.readouterr().out
    assert (folder / "pictures" / "attention.png").exists()
    assert run(["predict", str(folder), str(new)]) == ExitCode.DONE
    header, row = capsys.readouterr().out.splitlines()
    assert header == "row,translation"
    assert row.startswith("1,")

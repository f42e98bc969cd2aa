"""A command reads the data of a run once."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from qrnn_qiskit.tasks import Splits
from qrnn_qiskit.tasks.series import Series
from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode

TINY = ["num_qubits=1", "num_layers=1", "controller_hidden=2", "epochs=1", "window=4"]


@pytest.mark.training
def test_train_evaluate_and_show_read_the_data_once_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, folder = tmp_path / "table.csv", tmp_path / "run"
    table.write_text("\n".join(["y", *(f"{math.sin(step / 3):.6f}" for step in range(60))]))
    loads, real = [], Series.load

    def load(self: Series) -> Splits:
        loads.append(self)
        return real(self)

    monkeypatch.setattr(Series, "load", load)
    settings = [f"data.file={table}", "data.target=y", *TINY]
    words = [word for setting in settings for word in ("--set", setting)]
    for arguments in (
        ["train", "series", *words, "--out", str(folder)],
        ["evaluate", str(folder)],
        ["show", str(folder)],
    ):
        loads.clear()
        assert run(arguments) == ExitCode.DONE
        assert len(loads) == 1, arguments

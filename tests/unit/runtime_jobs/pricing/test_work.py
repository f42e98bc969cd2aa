from __future__ import annotations

from pathlib import Path

import pytest

from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.loading import load
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train
from runtime_jobs import open_device
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.pricing.work import find_work


def test_a_text_that_goes_on_runs_on_a_local_device_and_is_not_planned(tmp_path: Path) -> None:
    settings = {"max_lines": 40, "window": 3, "epochs": 1, "num_qubits": 2, "dtype": "float64"}
    run = create_run(tmp_path / "run", resolve_config("language", settings))
    train(run)
    exact = evaluate(run, sequences=3)
    replayed = evaluate(run, sequences=3, executor=open_device("aer"))
    for name, estimate in exact.metrics.items():
        assert replayed.metrics[name]["value"] == pytest.approx(estimate["value"], rel=1e-6)
    assert replayed.deviations is None
    with pytest.raises(ValueError, match=r"'language' .* from sequence to sequence"):
        find_work(load(run.path), "kingston", open_target("kingston"), 2, training=False)

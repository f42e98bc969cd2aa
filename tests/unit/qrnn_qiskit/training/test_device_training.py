"""Training, resuming, fine-tuning and evaluating on an executor that samples."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qrnn_qiskit import QRNN
from qrnn_qiskit.executors import SimulatorExecutor
from qrnn_qiskit.executors.gradient_methods import GradientError
from qrnn_qiskit.heads import LastStateHead
from qrnn_qiskit.tasks import TaskModel
from qrnn_qiskit.training.checkpoint import CheckpointError
from qrnn_qiskit.training.config import Config, ConfigError, resolve_config
from qrnn_qiskit.training.deviations import measure_deviations
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.fine_tuning import start_from
from qrnn_qiskit.training.inference import record_readouts
from qrnn_qiskit.training.loading import load
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.trainer import resume, train

SETTINGS = {
    "num_qubits": 2,
    "controller_hidden": 4,
    "epochs": 1,
    "batch_size": 4,
    "delay": 1,
    "train_size": 8,
    "validation_size": 4,
    "test_size": 5,
}


def configure(**overrides: Any) -> Config:
    return resolve_config("copying-memory", SETTINGS | overrides)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = create_run(tmp_path_factory.mktemp("runs") / "simulated", configure())
    train(run)
    return run


def test_training_on_a_device_reports_the_error_of_its_loss(
    tmp_path: Path, make_sampled: Callable[..., Any]
) -> None:
    run = create_run(tmp_path / "run", configure(batch_size=8, learning_rate=1e-9))
    executor = make_sampled(0.05, gradient="spsa")
    train(run, executor=executor)
    (row,) = run.read_metrics()
    # The rate is so small that one step leaves the weights where the epoch began.
    data = run.experiment.splits.fresh(0) if run.experiment.splits.fresh else None
    assert data is not None
    model = load(run.path, weights="last").model
    with torch.no_grad():
        losses = [
            run.experiment.task.loss(model(data.inputs[i : i + 1]), data.select(slice(i, i + 1)))
            for i in range(8)
        ]
    error = float(torch.stack(losses).std()) / math.sqrt(8)
    assert 0.3 < row["train_loss_standard_error"] / error < 3
    assert row["train_loss"] == pytest.approx(float(torch.stack(losses).mean()), abs=0.2)
    assert executor.counts.jobs == 2 * run.experiment.splits.train.inputs.shape[1]


def test_the_simulator_reports_no_error(trained: RunFolder) -> None:
    assert "train_loss_standard_error" not in trained.read_metrics()[0]


def test_training_on_a_sampled_device_needs_a_gradient(
    tmp_path: Path, make_sampled: Callable[..., Any]
) -> None:
    run = create_run(tmp_path / "run", configure())
    with pytest.raises(GradientError, match=r"'sampled' samples, .*--gradient"):
        train(run, executor=make_sampled())


def test_evaluation_on_a_device_keeps_errors_and_counts_jobs(
    trained: RunFolder, make_sampled: Callable[..., Any]
) -> None:
    exact = evaluate(trained)
    sampled = evaluate(trained, executor=make_sampled(0.02))
    assert (exact.device, exact.shots, exact.jobs) == ("simulator", None, 0)
    steps = trained.experiment.splits.test.inputs.shape[1]
    assert (sampled.device, sampled.shots, sampled.jobs) == ("sampled", 1000, steps)
    with np.load(next(trained.evaluations.glob("*-sampled.npz"))) as file:
        assert file["standard_errors"].shape == file["readouts"].shape == (5, 6)
        assert np.allclose(file["output_standard_errors"], 0.02)
    replayed = evaluate(trained, executor=SimulatorExecutor(gradient="parameter-shift"))
    for name, estimate in replayed.metrics.items():
        assert estimate["value"] == pytest.approx(exact.metrics[name]["value"], abs=1e-5)


@pytest.mark.training
def test_fine_tuning_begins_with_the_weights_of_the_run(
    trained: RunFolder, tmp_path: Path, make_sampled: Callable[..., Any]
) -> None:
    start = start_from(trained, "copying-memory", {"learning_rate": 1e-9, "epochs": 2})
    run = create_run(
        tmp_path / "tuned", start.config, start=start, device="aer?shots=9", gradient="spsa"
    )
    again = RunFolder.open(run.path)  # what resuming before the first checkpoint does
    assert again.provenance["device"] == "aer?shots=9"
    assert again.provenance["gradient"] == "spsa"
    assert again.provenance["fine_tuned_from"]["run"] == str(trained.path)
    assert again.config.train.epochs == 2
    resume(again, executor=make_sampled(gradient="spsa"))
    before, after = load(trained.path), load(run.path)
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(new, old, atol=1e-6, rtol=0)


def test_fine_tuning_keeps_model_and_data(trained: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.num_qubits \(was 2, is 3\), data\.delay"):
        start_from(trained, "copying-memory", {"num_qubits": 3, "delay": 2})
    with pytest.raises(ConfigError, match=r"'copying-memory', got 'digits'"):
        start_from(trained, "digits")
    start = start_from(trained, "copying-memory")
    changed = type(start)(start.config, start.weights, "0" * 64, start.origin)
    with pytest.raises(CheckpointError, match="has changed since"):
        create_run(tmp_path / "new", start.config, start=changed)
    assert not (tmp_path / "new").exists()


def test_provenance_of_a_simulated_run(trained: RunFolder) -> None:
    content = json.loads((trained.path / "provenance.json").read_text())
    assert (content["device"], content["gradient"]) == ("simulator", None)
    assert content["fine_tuned_from"] is None


def test_errors_of_readouts_and_drift_are_told_apart(
    trained: RunFolder, make_sampled: Callable[..., Any]
) -> None:
    executor = make_sampled(0.02)
    evaluation = evaluate(trained, executor=executor)
    assert "deviations" not in evaluation.to_dict()
    found = evaluation.deviations
    assert found is not None
    assert found.readouts == 5 * len(found.drift) * 6
    assert found.spread == pytest.approx(1, abs=0.1)
    assert all(error == pytest.approx(0.02) for error in found.standard_errors or [])
    assert found.residuals == pytest.approx([0.02] * len(found.drift), rel=0.5)
    assert found.drift[0] < 1e-6  # no feedback yet
    assert max(found.drift[1:]) > 1e-4
    path = max(trained.evaluations.glob("*-sampled.json"))
    assert json.loads(path.read_text())["deviations"]["drift"] == found.drift
    with np.load(path.with_suffix(".npz")) as file:
        for step, exact in enumerate(executor.exact):
            np.testing.assert_allclose(file["exact_output"][:, step], exact, atol=1e-6)
        with np.load(next(trained.evaluations.glob("*-simulator.npz"))) as simulated:
            np.testing.assert_array_equal(file["noiseless_output"], simulated["output"])


def test_deviations_leave_out_what_lies_past_the_end() -> None:
    shape = (2, 3, 4)
    output, exact, noiseless = torch.full(shape, 3.0), torch.full(shape, 1.0), torch.zeros(shape)
    output[1, 1:] = 99.0
    lengths = torch.tensor([2, 1])
    found = measure_deviations(output, exact, noiseless, torch.full(shape, 2.0), lengths)
    assert found.residuals == [2.0, 2.0, 0.0]
    assert found.drift == [1.0, 1.0, 0.0]
    assert found.readouts == 12
    assert found.spread == 0.0
    assert measure_deviations(output, exact, noiseless, None, lengths).standard_errors is None


def test_angles_of_unequal_sequences_are_aligned() -> None:
    model = QRNN(2, num_qubits=2, dtype=torch.float64)
    x, lengths = torch.randn(3, 4, 2).double(), torch.tensor([1, 4, 2])
    expected = torch.where((torch.arange(4) < lengths[:, None])[..., None], model.angles(x), 0.0)
    model.executor = SimulatorExecutor(gradient="parameter-shift")
    task_model = TaskModel(model, LastStateHead(model, 2))
    with record_readouts(task_model) as record:
        task_model(x, lengths)
    torch.testing.assert_close(record.join()["angles"], expected)

"""Tasks of records: causal models, losses against exact ones, files, floors, training."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from qrnn_qiskit.executors import Estimates, SimulatorExecutor
from qrnn_qiskit.tasks import Sequences, get_task
from qrnn_qiskit.tasks.base import Task
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.experiment import Experiment, prepare
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train

SMALL = {"train_size": 64, "validation_size": 20, "test_size": 200}
MODELS: dict[str, dict[str, Any]] = {
    "qrnn": {},
    "qrnn, expectation": {"model.readout": "expectation"},
    "lstm": {"model.kind": "lstm"},
    "transformer": {"model.kind": "transformer"},
    "hmm": {"model.kind": "hmm", "model.hidden_size": 5},
}


def make_task(name: str, **settings: Any) -> Task:
    task = get_task(name)
    return task(task.Settings.model_validate(SMALL | settings))


def make(name: str, **settings: Any) -> Experiment:
    return prepare(resolve_config(name, {f"data.{key}": SMALL[key] for key in SMALL} | settings))


def predict_exactly(batch: Sequences) -> Tensor:
    return torch.stack((1 - batch.targets, batch.targets), -1).log()


@pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("name", ["square", "process", "syndromes"])
def test_a_prediction_depends_on_earlier_outcomes_and_no_other(
    name: str, settings: dict[str, Any]
) -> None:
    experiment = make(name, **settings)
    inputs = experiment.splits.test.inputs[:40]
    # QRNN refuses another outcome of an observable that is measured twice in a row: none is.
    inputs[..., 0] = torch.arange(inputs.shape[1]) % len(experiment.task.labels)
    changed = inputs.clone()
    changed[:, 7, 1] = 1 - changed[:, 7, 1]
    with torch.no_grad():
        before, after = experiment.model(inputs), experiment.model(changed)
    torch.testing.assert_close(before[:, :8], after[:, :8])
    assert bool(((before - after)[:, 8:].abs().amax((1, 2)) > 1e-6).any())
    torch.testing.assert_close(before.exp().sum(-1), torch.ones(inputs.shape[:2]))


@pytest.mark.parametrize("name", ["square", "stabilizer", "process", "syndromes"])
def test_the_exact_probabilities_have_no_excess(name: str) -> None:
    task = make_task(name)
    test = task.load().test
    exact = predict_exactly(test)
    means = {key: each.value for key, each in task.summarize(task.measure(exact, test)).items()}
    assert means["excess"] == 0
    assert task.loss(exact, test) == 0
    entropy = -(test.targets * exact[..., 1]).where(test.targets > 0, 0.0)
    entropy -= ((1 - test.targets) * exact[..., 0]).where(test.targets < 1, 0.0)
    assert means["log_loss"] == pytest.approx(float(entropy.mean()), abs=0.02)
    if name in ("square", "stabilizer"):
        assert means["determined_loss"] == 0
        free = 1 - means["determined_share"]
        assert means["log_loss"] == pytest.approx(free * math.log(2), abs=1e-12)


def test_metrics_of_guessing_are_those_of_a_coin() -> None:
    task = make_task("square")
    test = task.load().test
    guess = torch.full((*test.inputs.shape[:2], 2), math.log(0.5), dtype=torch.float64)
    means = task.summarize(task.measure(guess, test))
    share = means["determined_share"].value
    assert 0.3 < share < 0.4
    assert means["log_loss"].value == pytest.approx(math.log(2))
    assert means["determined_loss"].value == pytest.approx(math.log(2))
    assert means["determined_loss"].standard_error == pytest.approx(0, abs=1e-12)
    assert means["excess"].value == pytest.approx(share * math.log(2))


def test_the_error_of_a_determined_outcome_is_that_of_a_ratio() -> None:
    task = make_task("square", test_size=4000)
    test = task.load().test
    random = torch.rand(test.targets.shape, generator=torch.Generator().manual_seed(1)).double()
    prediction = torch.stack((random, 1 - random), -1).log()
    parts = [
        task.summarize(task.measure(prediction[start::40], test.select(slice(start, None, 40))))
        for start in range(40)
    ]
    values = torch.tensor([part["determined_loss"].value for part in parts])
    whole = task.summarize(task.measure(prediction, test))["determined_loss"]
    assert whole.standard_error == pytest.approx(float(values.std()) / math.sqrt(40), rel=0.3)


def test_the_floor_knows_only_the_shares_of_the_tokens() -> None:
    task = make_task("process", train_size=2000, test_size=2000)
    splits = task.load()
    floor = task.measure_floors(splits.train, splits.test)["memoryless_excess"].value
    share = splits.test.inputs[..., 1].double().mean()
    log_loss = -(share * share.log() + (1 - share) * (1 - share).log())
    exact = task.summarize(task.measure(predict_exactly(splits.test), splits.test))["log_loss"]
    assert floor == pytest.approx(float(log_loss) - exact.value, abs=1e-3)
    assert floor > 0.05


def test_the_last_step_of_a_syndrome_is_a_decoder() -> None:
    task = make_task("syndromes", test_size=3000, noise=0.05)
    test = task.load().test
    assert test.inputs.shape[1:] == (2 * 9 + 1, 2)
    assert test.inputs[0, :, 0].tolist() == [0, 1] * 9 + [2]
    exact = task.summarize(task.measure(predict_exactly(test), test))
    assert exact["logical_excess"].value == 0
    assert exact["logical_error"].value == exact["best_logical_error"].value
    guess = torch.full((*test.inputs.shape[:2], 2), math.log(0.5), dtype=torch.float64)
    blind = task.summarize(task.measure(guess, test))
    flips = float(test.inputs[:, -1, 1].double().mean())
    assert blind["logical_error"].value == pytest.approx(flips)
    assert 0 < exact["logical_error"].value < 0.7 * flips


def test_epochs_differ_and_repeat() -> None:
    task = make_task("stabilizer", num_qubits=4)
    first = task.load()
    assert first.fresh is not None
    assert torch.equal(first.fresh(0).inputs, first.train.inputs)
    assert not torch.equal(first.fresh(1).inputs, first.train.inputs)
    assert torch.equal(make_task("stabilizer", num_qubits=4).load().test.inputs, first.test.inputs)
    assert task.fingerprint() != make_task("stabilizer", num_qubits=5).fingerprint()
    assert int(first.train.inputs[..., 0].max()) == 20


def test_defaults_follow_the_process_and_the_kind_of_model() -> None:
    wide = resolve_config("stabilizer", {"data.num_qubits": 5})
    assert (wide.model.num_qubits, wide.model.measurement_frame) == (6, "undone")
    assert resolve_config("stabilizer", {"data.num_qubits": "2"}).model.num_qubits == 3
    for settings in ({"model.kind": "lstm"}, {"model.readout": "expectation"}):
        config = resolve_config("square", settings)
        assert config.model.measurement_frame == "kept"
        assert config.train.learning_rate < 0.01
    assert prepare(resolve_config("square", {})).model.qrnn.count_parameters() == 120


def test_a_file_is_predicted_as_the_same_records_are(write: Callable[..., Path]) -> None:
    experiment = make("square")
    task = experiment.task
    test = experiment.splits.test.select(slice(0, 3))
    test = Sequences(test.inputs, test.targets, torch.tensor([20, 5, 1]))
    with torch.no_grad():
        prediction = experiment.model.run(test)[0]
    header, rows = task.tabulate(prediction, test)
    assert header == ["row", "tokens", "outcomes", "probabilities_of_1", "exact_probabilities"]
    lines = [",".join(map(str, row[1:3])) for row in rows]
    read = task.read(write("tokens,outcomes\n" + "\n".join(lines)))
    assert read.lengths is not None
    assert read.lengths.tolist() == [20, 5, 1]
    with torch.no_grad():
        again = experiment.model.run(read)[0]
    header, found = task.tabulate(again, read)
    assert header == ["row", "tokens", "outcomes", "probabilities_of_1"]
    assert found == [row[:4] for row in rows]
    assert len(str(found[1][3]).split()) == 5


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("square", "tokens,outcomes\nXI IX,0 2\n", r"row 1 .*'outcomes': expected words from 0 1"),
        ("square", "tokens,outcomes\nXI IX,0 1\nXI YI,0 1\n", r"row 2 .*'tokens'.* got 'YI'"),
        ("square", "tokens,outcomes\nXI IX,0\n", "an outcome for each of 2 tokens, got 1"),
        ("square", "outcomes\n0 1\n", "column 'tokens' is missing"),
        ("process", "events\n0 1\n", "column 'outcomes' is missing"),
    ],
)
def test_files_of_other_records_are_refused(
    write: Callable[..., Path], name: str, content: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_task(name).read(write(content))


def test_models_that_measure_other_records_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one bit in each step.*got 2; set model.num_ancillas=1"):
        make("square", **{"model.num_ancillas": 2})


def test_a_device_is_refused_with_what_to_do() -> None:
    class Sampler(SimulatorExecutor):
        name = "aer"
        shots = 100

        def run(self, pubs: Any) -> list[Estimates]:
            raise AssertionError("no circuit may run")

    for name, training, message in (
        ("square", True, r"trains in exact simulation, but the device is 'aer'.*--on"),
        ("process", False, r"predicts in exact simulation.*model.draw_records"),
        ("square", False, r"needs an executor of dynamic circuits, but 'aer' runs none"),
    ):
        experiment = make(name)
        experiment.model.train(training).qrnn._executor = Sampler(gradient="spsa")
        with pytest.raises(ValueError, match=message):
            experiment.model.run(experiment.splits.test.select(slice(2)))


@pytest.mark.training
def test_the_square_is_learned_and_its_run_is_evaluated(tmp_path: Path) -> None:
    from qrnn_qiskit.pictures.run import draw_run
    from qrnn_qiskit.training.evaluation import evaluate

    settings = {"epochs": 20, "train_size": 640, "validation_size": 100, "test_size": 500}
    run = create_run(tmp_path / "run", resolve_config("square", settings))
    result = train(run)
    assert result.validation["excess"] < 0.02
    evaluation = evaluate(run, sequences=200)
    assert evaluation.metrics["excess"]["value"] < 0.02
    assert evaluation.metrics["determined_loss"]["value"] < 0.06
    assert evaluation.metrics["memoryless_excess"]["value"] > 0.2
    file = next((run.path / "evaluations").glob("*.csv"))
    with file.open(encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 200
    assert set(rows[0]["exact_probabilities"].split()) <= {"0", "0.5", "1"}
    assert {path.name for path in draw_run(run.path)} >= {"training.png", "readouts.png"}

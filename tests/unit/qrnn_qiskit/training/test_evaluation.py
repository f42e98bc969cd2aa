from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qrnn_qiskit.training.checkpoint import CheckpointError
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.evaluation import evaluate, find_evaluation, select_test
from qrnn_qiskit.training.loading import load
from qrnn_qiskit.training.position import Position
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.trainer import find_result, resume, train


@pytest.fixture
def trained(create: Callable[..., RunFolder]) -> RunFolder:
    run = create(epochs=2, evaluation_batch_size=7)
    train(run)
    return run


def test_the_result_has_the_fields_of_the_command_line(trained: RunFolder) -> None:
    result = evaluate(trained)
    content = json.loads(json.dumps(result.to_dict()))
    assert list(content) == [
        "task",
        "device",
        "sequences",
        "shots",
        "seed",
        "metrics",
        "seconds",
        "jobs",
        "qpu_seconds",
    ]
    assert (content["task"], content["device"], content["sequences"]) == ("toy", "simulator", 40)
    model = load(trained.path)
    test = trained.experiment.splits.test
    right = (model.predict(test).argmax(dim=1) == test.targets).double().numpy()
    accuracy = content["metrics"]["accuracy"]
    assert accuracy["value"] == pytest.approx(right.mean())
    assert accuracy["standard_error"] == pytest.approx(right.std(ddof=1) / np.sqrt(40))


def test_the_evaluation_of_the_present_weights_is_found(
    trained: RunFolder, create: Callable[..., RunFolder]
) -> None:
    assert find_evaluation(trained, "simulator") is None
    whole = evaluate(trained)
    evaluate(trained, sequences=5)
    evaluate(trained, weights="last")
    assert find_evaluation(trained, "simulator") == whole
    assert find_evaluation(trained, "aer") is None
    with trained.checkpoint_file.open("ab") as file:  # as after another epoch
        file.write(b"0")
    assert find_evaluation(trained, "simulator") is None


def test_the_result_of_a_finished_run_is_found_without_its_data(
    create: Callable[..., RunFolder],
) -> None:
    run = create(epochs=2)
    assert find_result(run) is None
    result = train(run)
    same = RunFolder.open(run.path)
    assert find_result(same) == result == resume(run)
    assert "experiment" not in vars(same)
    run.truncate_metrics(0)
    assert find_result(same) is None


def test_a_run_that_patience_ended_is_finished_and_an_interrupted_one_is_not() -> None:
    config = resolve_config("digits", {"epochs": 9, "patience": 2}).train
    finished = [Position(epoch=5, best_epoch=best).is_finished(config) for best in (3, 4)]
    assert finished == [True, False]
    assert Position(epoch=9, best_epoch=9).is_finished(config)


def test_predictions_and_readouts_are_kept(trained: RunFolder) -> None:
    evaluate(trained)
    evaluate(trained, sequences=5, weights="last")
    assert sorted(path.name for path in trained.evaluations.iterdir()) == [
        f"{number}-simulator.{kind}"
        for number in ("0001", "0002")
        for kind in ("csv", "json", "npz")
    ]
    stem = trained.evaluations / "0002-simulator"
    content = json.loads(stem.with_suffix(".json").read_text())
    assert (content["sequences"], content["weights"]) == (5, "last")
    assert content["provenance"]["data_sha256"] == trained.experiment.task.fingerprint()
    with np.load(stem.with_suffix(".npz")) as file:
        arrays = dict(file)
    assert {name: array.shape for name, array in arrays.items()} == {
        "prediction": (5, 2),
        "readouts": (5, 4),
        "output": (5, 5, 4),
    }
    rows = list(csv.reader(stem.with_suffix(".csv").read_text().splitlines()))
    assert rows[0] == ["row", "predicted", "probability", "actual"]
    names = np.array(["negative", "positive"])
    assert [row[1] for row in rows[1:]] == names[arrays["prediction"].argmax(axis=1)].tolist()


def test_the_first_sequences_are_taken(trained: RunFolder) -> None:
    model = load(trained.path)
    whole, part = select_test(model), select_test(model, 3)
    assert len(whole) == 40
    assert part.inputs.equal(whole.inputs[:3])


@pytest.mark.parametrize("count", [0, -1, 41])
def test_a_number_of_sequences_that_is_not_there(trained: RunFolder, count: int) -> None:
    with pytest.raises(ValueError, match=rf"from 1 to 40.*got {count}"):
        evaluate(trained, sequences=count)
    assert not trained.evaluations.exists()


def test_changed_data_is_refused(create: Callable[..., RunFolder], tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("1")
    run = create(epochs=1, file=str(file))
    train(run)
    file.write_text("2")
    with pytest.raises(CheckpointError, match="has changed since training"):
        evaluate(run)


def list_files(run: RunFolder) -> list[str]:
    return sorted(path.name for path in run.evaluations.iterdir())


def test_an_identical_evaluation_is_not_written_twice(trained: RunFolder) -> None:
    first = evaluate(trained)
    files = list_files(trained)
    assert len(files) == 3
    again = evaluate(trained)
    assert again.metrics == first.metrics
    assert list_files(trained) == files
    evaluate(trained, sequences=5)
    assert len(list_files(trained)) == 6
    evaluate(trained, sequences=5)
    assert len(list_files(trained)) == 6


def test_an_evaluation_whose_files_are_incomplete_or_older_is_written_again(
    trained: RunFolder,
) -> None:
    evaluate(trained)
    (trained.evaluations / "0001-simulator.npz").unlink()
    evaluate(trained)
    assert "0002-simulator.npz" in list_files(trained)
    with trained.checkpoint_file.open("ab") as file:  # as after another epoch
        file.write(b"0")
    evaluate(trained)
    assert "0003-simulator.npz" in list_files(trained)


def test_samples_are_written_each_time(
    trained: RunFolder, make_sampled: Callable[..., Any]
) -> None:
    for _ in range(2):
        evaluate(trained, executor=make_sampled())
    assert len(list_files(trained)) == 6


def test_proportions_have_an_interval_and_the_majority_is_a_floor(trained: RunFolder) -> None:
    found = evaluate(trained, sequences=10).metrics
    assert set(found) == {"cross_entropy", "accuracy", "majority_accuracy"}
    assert "interval" not in found["cross_entropy"]
    splits = trained.experiment.splits
    majority = int(splits.train.targets.bincount().argmax())
    right = (splits.test.targets[:10] == majority).double().mean().item()
    floor = found["majority_accuracy"]
    assert floor["value"] == pytest.approx(right)
    for name in ("accuracy", "majority_accuracy"):
        low, high = found[name]["interval"]
        assert 0 <= low <= found[name]["value"] <= high <= 1
        assert high - low > 0.2


def test_an_output_that_does_not_fit_is_left_out(
    trained: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qrnn_qiskit.training.evaluation.MOST_OUTPUT", 5 * 5 * 4 - 1)
    evaluate(trained, sequences=5)
    with np.load(next(trained.evaluations.glob("*.npz"))) as file:
        assert set(file) == {"prediction", "readouts"}
    evaluate(trained, sequences=4)
    with np.load(max(trained.evaluations.glob("*.npz"))) as file:
        assert file["output"].shape == (4, 5, 4)

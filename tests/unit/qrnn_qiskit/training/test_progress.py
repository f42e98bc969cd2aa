from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from qrnn_qiskit.training import evaluation, progress
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.progress import EvaluationProgress, TrainingProgress
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.tensorboard import TensorBoardProgress
from qrnn_qiskit.training.trainer import resume, train


class Killed(BaseException):
    """Stands in for SIGKILL."""


class KilledAtStep(TensorBoardProgress):
    def show_step(self, step: int, steps: int, epochs: int, loss: float) -> None:
        super().show_step(step, steps, epochs, loss)
        if step == 8:
            raise Killed


def read_scalars(run: RunFolder) -> dict[str, dict[int, float]]:
    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    return {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_the_bar_of_a_training_tells_epoch_speed_and_loss(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    clock = iter(range(1000))
    with TrainingProgress(enabled=True) as bar:
        bar.get_time = lambda: next(clock) / 2  # type: ignore[method-assign]
        for step in range(1, 8):
            bar.show_step(step, 5, 4, 0.25)
    shown = plain(capfd.readouterr().err)
    assert "epoch 2/4" in shown
    assert re.search(r"[0-9.]+ steps/s", shown)
    assert "loss 0.2500" in shown


def test_the_bar_of_an_evaluation_asks_how_far_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    done = 0
    with EvaluationProgress("jobs", 8, lambda: done, enabled=True):
        done = 3
    assert "jobs 3/8" in plain(capfd.readouterr().err)


def test_an_evaluation_shows_its_bar_on_a_terminal_only(
    create: Callable[..., RunFolder],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = create(epochs=1, evaluation_batch_size=16)
    train(run)
    evaluate(run, progress=True)
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(evaluation, "is_watched", lambda: True)
    evaluate(run)
    assert capfd.readouterr() == ("", "")
    evaluate(run, progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "batches 3/3" in plain(shown.err)


def test_the_bar_of_a_model_conditioned_on_records_moves(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"train_size": 8, "validation_size": 8, "test_size": 40}
    settings = sizes | {"epochs": 1, "evaluation_batch_size": 16}
    run = create_run(tmp_path / "run", resolve_config("square", settings))
    train(run)
    capfd.readouterr()
    monkeypatch.setattr(evaluation, "is_watched", lambda: True)
    evaluate(run, progress=True)
    assert "batches 3/3" in plain(capfd.readouterr().err)


def test_tensorboard_has_the_numbers_of_the_run(create: Callable[..., RunFolder]) -> None:
    run = create(epochs=2)
    train(run, progress=TensorBoardProgress(run.path))
    scalars, rows = read_scalars(run), run.read_metrics()
    assert list(scalars["step/loss"]) == list(range(1, rows[-1]["step"] + 1))
    for tag, key in (("validation/accuracy", "validation_accuracy"), ("train/loss", "train_loss")):
        assert list(scalars[tag]) == [row["step"] for row in rows]
        assert np.allclose(list(scalars[tag].values()), [row[key] for row in rows])


def test_tensorboard_goes_on_with_an_interrupted_run(create: Callable[..., RunFolder]) -> None:
    whole, killed = create("whole", epochs=3), create("killed", epochs=3)
    train(whole, progress=TensorBoardProgress(whole.path))
    with pytest.raises(Killed):
        train(killed, progress=KilledAtStep(killed.path))
    resume(killed, progress=TensorBoardProgress(killed.path))
    expected, found = read_scalars(whole), read_scalars(killed)
    assert found["step/loss"] == expected["step/loss"]
    assert found["validation/accuracy"] == expected["validation/accuracy"]


def test_a_missing_tensorboard_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(RuntimeError, match=r"pip install '\.\[tensorboard\]'"):
        TensorBoardProgress(tmp_path)
    assert not progress.is_watched()

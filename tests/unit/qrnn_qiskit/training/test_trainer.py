from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch

from qrnn_qiskit.metrics import estimate_mean
from qrnn_qiskit.training.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from qrnn_qiskit.training.interruption import TrainingInterrupted
from qrnn_qiskit.training.loading import load
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.randomness import seed_everything
from qrnn_qiskit.training.run_folder import RunFolder, RunFolderError
from qrnn_qiskit.training.trainer import TrainingDiverged, resume, train


class Killed(BaseException):
    """Stands in for SIGKILL: nothing may be saved on the way out."""


class AtStep(TrainingProgress):
    """Acts when a number of steps has been done."""

    def __init__(self, step: int, act: Callable[[], None]) -> None:
        super().__init__(enabled=False)
        self.left, self.act = step, act

    def show_step(self, step: int, steps: int, epochs: int, loss: float) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()


def kill() -> None:
    raise Killed


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def read_numbers(run: RunFolder) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl without wall-clock times."""
    return [
        {key: value for key, value in row.items() if key != "seconds"} for row in run.read_metrics()
    ]


def require_same(run: RunFolder, other: RunFolder) -> None:
    """Metrics, weights, optimizer and random states are equal to the last bit."""
    assert read_numbers(run) == read_numbers(other)
    first, second = (read_checkpoint(each.checkpoint_file, run.config) for each in (run, other))
    assert first.best_weights is not None
    for part in ("weights", "best_weights"):
        for name, tensor in getattr(first, part).items():
            assert torch.equal(tensor, getattr(second, part)[name]), name
    for number, state in first.optimizer["state"].items():
        for name, tensor in state.items():
            assert torch.equal(tensor, second.optimizer["state"][number][name])
    assert torch.equal(first.random["torch"], second.random["torch"])
    assert first.random["numpy"] == second.random["numpy"]
    assert first.random["python"] == second.random["python"]


@pytest.mark.training
def test_training_learns_and_writes_a_row_for_each_epoch(
    create: Callable[..., RunFolder],
) -> None:
    run = create(epochs=30, size=200, learning_rate=0.03, patience=None)
    result = train(run)
    rows = run.read_metrics()
    assert [row["epoch"] for row in rows] == list(range(1, 31))
    assert [row["step"] for row in rows] == [25 * epoch for epoch in range(1, 31)]
    assert (result.epochs, result.stopped_early) == (30, False)
    assert result.validation["accuracy"] > 0.85
    assert rows[-1]["train_loss"] < 0.5 * rows[0]["train_loss"]
    for row in rows:
        assert 0 < row["gradient_norm_mean"] <= row["gradient_norm_max"]
        assert row["seconds"] > 0


@pytest.mark.parametrize("step", [1, 3, 5, 6, 9])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_killed_run_goes_on_to_the_last_bit(
    create: Callable[..., RunFolder], step: int, fresh: bool
) -> None:
    settings = {"fresh": fresh, "checkpoint_every": 0, "clip_norm": 0.5}
    whole = create("whole", **settings)
    train(whole)
    killed = create("killed", **settings)
    with pytest.raises(Killed):
        train(killed, progress=AtStep(step, kill))
    seed_everything(99)  # another process has other states
    result = resume(RunFolder.open(killed.path))
    require_same(whole, killed)
    assert result.epochs == 3


@pytest.mark.parametrize("step", [3, 7])
def test_a_carried_state_survives_a_stop_in_the_middle_of_an_epoch(
    create: Callable[..., RunFolder], step: int
) -> None:
    settings = {"epochs": 2, "size": 43, "continued": True}
    whole, stopped, fresh = create("w", **settings), create("s", **settings), create("f", size=43)
    train(whole)
    with pytest.raises(TrainingInterrupted):
        train(stopped, progress=AtStep(step, interrupt))
    resume(RunFolder.open(stopped.path))
    require_same(whole, stopped)
    train(fresh)
    assert read_numbers(whole)[0]["train_loss"] != read_numbers(fresh)[0]["train_loss"]


def test_a_kill_between_metrics_and_checkpoint_repeats_no_row(
    create: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = create("whole"), create("killed")
    train(whole)
    from qrnn_qiskit.training import loop

    def write(path: Any, checkpoint: Checkpoint) -> None:
        if checkpoint.position["epoch"] == 2:
            raise Killed
        real(path, checkpoint)

    real = loop.write_checkpoint
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "write_checkpoint", write)
        with pytest.raises(Killed):
            train(killed)
    assert len(killed.read_metrics()) == 2
    monkeypatch.setattr("qrnn_qiskit.tasks.registry._tasks", {"toy": type(killed.experiment.task)})
    resume(RunFolder.open(killed.path))
    require_same(whole, killed)


def test_an_interrupt_saves_between_two_steps_and_goes_on(
    create: Callable[..., RunFolder],
) -> None:
    whole, stopped = create("whole"), create("stopped")
    train(whole)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(TrainingInterrupted, match=r"step 7; continue with 'qrnn resume") as info:
        train(stopped, progress=AtStep(7, interrupt))
    assert isinstance(info.value, KeyboardInterrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert read_checkpoint(stopped.checkpoint_file, stopped.config).position["step"] == 7
    with pytest.raises(TrainingInterrupted):  # a second time, in the last batch of an epoch
        resume(RunFolder.open(stopped.path), progress=AtStep(3, interrupt))
    resume(RunFolder.open(stopped.path))
    require_same(whole, stopped)


def test_training_runs_outside_the_main_thread(create: Callable[..., RunFolder]) -> None:
    whole, threaded = create("whole"), create("threaded")
    train(whole)
    thread = threading.Thread(target=train, args=(threaded,))
    thread.start()
    thread.join()
    require_same(whole, threaded)


def test_a_run_is_the_same_again_and_another_with_another_seed(
    create: Callable[..., RunFolder],
) -> None:
    first, second, third = create("1", seed=4), create("2", seed=4), create("3", seed=5)
    for run in (first, second, third):
        train(run)
    require_same(first, second)
    assert read_numbers(first) != read_numbers(third)


def test_a_finished_run_returns_its_result_again(create: Callable[..., RunFolder]) -> None:
    run = create()
    result = train(run)
    content = run.metrics_file.read_bytes()
    assert resume(RunFolder.open(run.path)) == result
    assert run.metrics_file.read_bytes() == content


def test_resume_begins_a_run_that_was_stopped_before_its_first_checkpoint(
    create: Callable[..., RunFolder],
) -> None:
    whole, run = create("whole"), create("run")
    train(whole)
    resume(RunFolder.open(run.path))
    require_same(whole, run)


def test_training_twice_is_refused(create: Callable[..., RunFolder]) -> None:
    run = create(epochs=1)
    train(run)
    with pytest.raises(RunFolderError, match=r"has already started.*qrnn resume"):
        train(RunFolder.open(run.path))


def test_changed_data_is_refused(create: Callable[..., RunFolder], tmp_path: Any) -> None:
    file = tmp_path / "data.csv"
    file.write_text("1")
    run = create(epochs=1, file=str(file))
    train(run)
    file.write_text("2")
    with pytest.raises(CheckpointError, match="has changed since training"):
        resume(RunFolder.open(run.path))


def test_metrics_shorter_than_the_checkpoint_knew_are_refused(
    create: Callable[..., RunFolder],
) -> None:
    run = create(epochs=1)
    train(run)
    run.metrics_file.write_text("")
    with pytest.raises(RunFolderError, match="has 0 bytes, its checkpoint covers"):
        resume(RunFolder.open(run.path))


def test_the_best_weights_are_those_of_the_best_validation(
    create: Callable[..., RunFolder],
) -> None:
    run = create(epochs=12, size=60, learning_rate=0.1, schedule="constant", patience="none")
    result = train(run)
    rows = run.read_metrics()
    best = max(rows, key=lambda row: (row["validation_accuracy"], -row["validation_cross_entropy"]))
    assert result.best_epoch == best["epoch"] < 12
    validation = run.experiment.splits.validation
    for weights, row in (("best", best), ("last", rows[-1])):
        model = load(run.path, weights=weights)
        measured = model.task.measure(model.predict(validation), validation)
        assert estimate_mean(measured["accuracy"]).value == row["validation_accuracy"]
        assert estimate_mean(measured["cross_entropy"]).value == row["validation_cross_entropy"]


def test_the_test_split_does_not_touch_training(
    create: Callable[..., RunFolder], toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, changed = create("plain"), create("changed")
    train(plain)
    load_splits = toy.load

    def load_other_test(self: Any) -> Any:
        splits = load_splits(self)
        splits.test.inputs.fill_(float("nan"))
        return splits

    monkeypatch.setattr(toy, "load", load_other_test)
    train(RunFolder.open(changed.path))
    require_same(plain, changed)


def test_patience_stops_early(create: Callable[..., RunFolder]) -> None:
    run = create(epochs=40, patience=2, learning_rate=1e-30)
    result = train(run)
    assert (result.best_epoch, result.epochs, result.stopped_early) == (1, 3, True)


@pytest.mark.parametrize("scale", ["1e30", "3e38"])
def test_nan_and_infinity_stop_with_step_and_advice(
    create: Callable[..., RunFolder], toy: Any, monkeypatch: pytest.MonkeyPatch, scale: str
) -> None:
    run = create(checkpoint_every=0)
    real = toy.loss

    def explode(self: Any, prediction: Any, batch: Any) -> Any:
        loss = real(self, prediction, batch)
        explode.step += 1  # type: ignore[attr-defined]
        if explode.step == 4:  # type: ignore[attr-defined]
            loss = loss * float(scale) * (1e30 if scale == "3e38" else 1e8)
        return loss

    explode.step = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(toy, "loss", explode)
    what = "the loss .*got inf" if scale == "3e38" else "the gradient norm .*got (inf|nan)"
    with pytest.raises(TrainingDiverged, match=rf"epoch 1 at step 4: .*{what}.*learning_rate"):
        train(run)
    stored = read_checkpoint(run.checkpoint_file, run.config)
    assert stored.position["step"] == 3
    assert all(tensor.isfinite().all() for tensor in stored.weights.values())


def test_clipping_limits_the_step_but_not_the_norm_in_the_log(
    create: Callable[..., RunFolder],
) -> None:
    free, clipped = create("free", clip_norm="none"), create("clipped", clip_norm="1e-3")
    for run in (free, clipped):
        train(run)
    assert clipped.read_metrics()[0]["gradient_norm_max"] > 1e-2
    assert read_numbers(free) != read_numbers(clipped)


def test_nothing_is_printed_where_nobody_watches(
    create: Callable[..., RunFolder], capfd: pytest.CaptureFixture[str]
) -> None:
    train(create(epochs=1))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_the_bar_is_on_standard_error(
    create: Callable[..., RunFolder], capfd: pytest.CaptureFixture[str]
) -> None:
    train(create(epochs=2), progress=TrainingProgress(enabled=True))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "validation accuracy" in captured.err


def test_metrics_are_strict_json(create: Callable[..., RunFolder]) -> None:
    run = create(epochs=1)
    train(run)
    (line,) = run.metrics_file.read_text().splitlines()
    row = json.loads(line, parse_constant=lambda name: pytest.fail(name))
    assert list(row) == [
        "epoch",
        "step",
        "learning_rate",
        "train_loss",
        "gradient_norm_mean",
        "gradient_norm_max",
        "validation_cross_entropy",
        "validation_accuracy",
        "seconds",
    ]

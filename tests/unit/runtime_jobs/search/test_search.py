"""The search over circuits: its space, its trials after a kill, its front."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from circuits.errors import InvalidValueError
from qrnn_qiskit.training.loop import Trainer
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.search.report import draw_front, write_report
from runtime_jobs.search.trials import Search, Trial, find_front

SETTINGS = {"epochs": "1", "parameters": "700", "observables": "z", "rotations": "ry,rz"}


def make(out: Path, **more: Any) -> Search:
    return Search("digits", out, SETTINGS | more, "kingston", open_target("kingston"))


@pytest.mark.training
def test_a_killed_search_goes_on_without_training_anything_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, notes = make(tmp_path), []
    assert set(search.space) == {"model.ansatz", "model.num_layers", "model.entangler"}
    search.run(2, lambda trial, done: notes.append(done))
    assert notes == [1, 2]
    kept = search.list_trials()
    fit = Trainer.train_epoch

    def kill(self: Trainer, interrupted: Any) -> None:
        raise SystemExit(9)

    monkeypatch.setattr(Trainer, "train_epoch", kill)
    with pytest.raises(SystemExit):
        search.run(3, lambda *_: None)
    cut_off = search.study.trials[-1].params
    trained = []

    def watch(self: Trainer, interrupted: Any) -> None:
        trained.append(self.run.path.name)
        fit(self, interrupted)

    monkeypatch.setattr(Trainer, "train_epoch", watch)
    again = make(tmp_path)
    again.run(3, lambda *_: None)
    assert again.list_trials()[: len(kept)] == kept
    assert again.list_trials()[-1].settings == cut_off
    assert set(trained) == {Path(again.list_trials()[-1].run).name}
    recalled = again.try_circuit(kept[0].settings)
    assert recalled == kept[0]
    paths = write_report(tmp_path, again.list_trials(), "accuracy", True, "kingston")
    assert all(path.stat().st_size for path in paths)
    lines = paths[0].read_text().splitlines()
    assert len(lines) == 1 + len(again.list_trials())
    assert all((Path(line.rpartition(",")[2]) / "config.toml").is_file() for line in lines[1:])


def test_costs_are_those_of_the_compiled_circuit(tmp_path: Path) -> None:
    search = make(tmp_path)
    chosen = {"model.ansatz": "linear", "model.num_layers": 1, "model.entangler": "cz"}
    linear = search.try_circuit(chosen)
    product = search.try_circuit(chosen | {"model.ansatz": "product"})
    assert linear.two_qubit_gates == 8 * 3  # steps by bonds of a line of four qubits
    assert product.two_qubit_gates == 0
    assert 0 < product.seconds < linear.seconds < 1e-3
    assert abs(linear.parameters - 700) <= 35


def test_another_question_for_the_same_folder_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(ValueError, match="give another --out"):
        make(tmp_path, epochs="2")


def test_a_damaged_search_is_an_error_of_the_user(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "search.json").write_text('{"task": ')
    with pytest.raises(InvalidValueError, match=r"search.json is damaged .* another --out"):
        make(tmp_path)


def test_something_must_be_left_to_search(tmp_path: Path) -> None:
    fixed = {"ansatz": "linear", "num_layers": "1", "model.entangler": "cz"}
    with pytest.raises(ValueError, match="leave one of them"):
        make(tmp_path / "x", **fixed)
    assert not (tmp_path / "x").exists()


def test_the_front_holds_what_nothing_beats() -> None:
    def trial(metric: float | None, gates: int) -> Trial:
        return Trial({"model.ansatz": "ring"}, metric, 1, gates, gates * 1e-6, f"runs/{metric}")

    trials = [trial(*pair) for pair in [(0.5, 10), (0.7, 30), (0.6, 30), (0.4, 20), (None, 0)]]
    assert [t.metric for t in find_front(trials, "two_qubit_gates", True)] == [0.5, 0.7]
    assert [t.metric for t in find_front(trials, "seconds", False)] == [0.5, 0.4]
    figure = draw_front(trials, "accuracy", True, "kingston")
    assert len(figure.axes) == 2

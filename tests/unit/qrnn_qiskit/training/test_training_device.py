from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from qrnn_qiskit.training.checkpoint import CheckpointError, read_checkpoint
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.interruption import TrainingInterrupted
from qrnn_qiskit.training.loop import Trainer
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.trainer import resume, train

SMALL: dict[str, Any] = {
    "epochs": 2,
    "model.num_qubits": 2,
    "model.controller_hidden": 4,
    "model.dtype": "float64",
    "data.max_lines": 60,
    "data.window": 5,
    "data.embedding_size": 3,
}
ELSEWHERE = [
    pytest.param({"model.engine": "torch"}, id="torch"),
    pytest.param(
        {"train.device": "cuda"},
        id="cuda",
        marks=pytest.mark.skipif(
            not torch.cuda.is_available(), reason="torch.cuda.is_available() is False: no GPU here"
        ),
    ),
]


def make(folder: Path, **settings: Any) -> RunFolder:
    return create_run(folder, resolve_config("language", SMALL | settings))


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_a_run_goes_on_with_another_engine(
    tmp_path: Path, elsewhere: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, begun = make(tmp_path / "whole"), make(tmp_path / "begun")
    train(whole)
    stop = Trainer.stop_if
    monkeypatch.setattr(Trainer, "stop_if", lambda self, _: stop(self, self.position.step == 3))
    with pytest.raises(TrainingInterrupted):
        train(begun)
    monkeypatch.undo()
    ((key, value),) = elsewhere.items()
    name, before = key.partition(".")[2], {"model.engine": "auto", "train.device": "cpu"}[key]
    text = (begun.path / "config.toml").read_text()
    (begun.path / "config.toml").write_text(
        text.replace(f'{name} = "{before}"', f'{name} = "{value}"')
    )
    moved = RunFolder.open(begun.path)
    assert moved.config != begun.config
    resume(moved)
    for row, wanted in zip(moved.read_metrics(), whole.read_metrics(), strict=True):
        row["seconds"] = wanted["seconds"]
        assert row == pytest.approx(wanted, rel=1e-8)
    assert read_checkpoint(moved.checkpoint_file, begun.config).position["epoch"] == 2


def test_other_settings_must_stay(tmp_path: Path) -> None:
    run = make(tmp_path / "run", epochs=1)
    train(run)
    other = resolve_config("language", SMALL | {"epochs": 3, "model.engine": "torch"})
    with pytest.raises(CheckpointError, match=r"another configuration: train\.epochs was 1"):
        read_checkpoint(run.checkpoint_file, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train.device": "gpu"}, "train.device='gpu'; expected cpu, cuda or cuda:1"),
        ({"train.device": "meta"}, "train.device='meta'; expected the CPU or a CUDA GPU"),
        ({"train.device": "cuda", "model.kind": "lstm"}, "model.kind='lstm'.*omit train.device"),
        ({"train.device": "cuda", "readout": "measured"}, "model.readout='measured'"),
        ({"train.device": "cuda:99"}, r"'cuda:99', but torch finds \d+ GPU"),
    ],
)
def test_devices_that_cannot_be_are_refused_before_anything_is_written(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()

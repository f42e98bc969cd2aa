"""Other kinds of models in runs: trained, interrupted, resumed, loaded, drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from qrnn_qiskit.pictures.run import draw_run
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.loading import load
from qrnn_qiskit.training.loop import Trainer
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import resume, train


def settings(kind: str) -> dict[str, Any]:
    return {"kind": kind, "parameters": 900, "epochs": 2, "model.dropout": 0.1}


@pytest.mark.training
@pytest.mark.parametrize("kind", ["lstm", "scornn", "orthogonal"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve_config("digits", settings(kind) | {"checkpoint_every": 0})
    whole, stopped = (create_run(tmp_path / name, config) for name in ("whole", "stopped"))
    result = train(whole)
    step, steps = Trainer.step, []

    def stop(self: Trainer, *arguments: Any) -> Any:
        steps.append(1)
        if len(steps) == 25:
            raise SystemExit(9)
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", stop)
        with pytest.raises(SystemExit):
            train(stopped)
    again = resume(type(stopped).open(stopped.path))
    assert again.validation == result.validation
    expected, found = (load(run.path, weights="last") for run in (whole, stopped))
    for name, tensor in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    described = json.loads((whole.path / "provenance.json").read_text())["model"]
    assert described["kind"] == kind
    assert described["parameters"] == expected.qrnn.count_parameters()
    assert set(described["sizes"]) & {"hidden_size", "controller_hidden"}
    assert evaluate(whole, sequences=20).device == "simulator"
    assert {path.name for path in draw_run(whole.path)} >= {"readouts.png", "training.png"}


def test_a_device_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    config = resolve_config("digits", settings("gru"))
    with pytest.raises(ValueError, match="'gru' has no circuits"):
        create_run(tmp_path / "run", config, device="aer?shots=10", gradient="spsa")
    assert not (tmp_path / "run").exists()


def test_a_run_from_before_there_were_kinds_is_a_qrnn() -> None:
    trained = load("example:digits")
    assert trained.config.model.kind == "qrnn"
    assert trained.qrnn.sizes == {}

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from qrnn_qiskit.training.checkpoint import CheckpointError
from qrnn_qiskit.training.loading import load
from qrnn_qiskit.training.run_folder import RunFolder, RunFolderError
from qrnn_qiskit.training.trainer import train


@pytest.fixture
def trained(create: Callable[..., RunFolder]) -> RunFolder:
    run = create(epochs=2, evaluation_batch_size=7)
    train(run)
    return run


def test_predictions_of_tensors_sequences_and_files_agree(
    trained: RunFolder, tmp_path: Path
) -> None:
    model = load(trained.path)
    test = trained.experiment.splits.test
    file = tmp_path / "new.txt"
    np.savetxt(file, test.inputs.reshape(len(test), -1).double().numpy())
    prediction = model.predict(test.inputs)
    assert prediction.shape == (40, 2)
    assert not prediction.requires_grad
    assert torch.equal(prediction, model.predict(test))
    assert torch.equal(prediction, model.predict(file))
    torch.testing.assert_close(prediction, model(test.inputs))
    assert torch.equal(prediction, model.predict(test.inputs.numpy()))
    with pytest.raises(TypeError, match=r"path of a file.*got a list"):
        model.predict([1.0, 2.0])  # type: ignore[arg-type]


def test_the_model_is_in_evaluation_mode_with_its_task(trained: RunFolder) -> None:
    model = load(trained.path)
    assert not any(module.training for module in model.modules())
    assert model.task.name == "toy"
    assert model.config == trained.config
    assert model.qrnn is model.model.qrnn


def test_loading_does_not_read_the_data(
    trained: RunFolder, toy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "load", lambda self: pytest.fail("the data was read"))
    load(trained.path)


def test_loading_twice_gives_the_same_model(trained: RunFolder) -> None:
    first, second = load(trained.path), load(trained.path)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_best_weights_before_the_first_epoch(create: Callable[..., RunFolder]) -> None:
    run = create()
    with pytest.raises(CheckpointError, match="no checkpoint was written yet"):
        load(run.path)


def test_unknown_weights_and_folders(trained: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'best', 'last' or 'tuned'"):
        load(trained.path, weights="first")
    with pytest.raises(RunFolderError, match="does not exist"):
        load(tmp_path / "absent")

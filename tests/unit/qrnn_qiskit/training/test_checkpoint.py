from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from qrnn_qiskit.training.checkpoint import CheckpointError, read_checkpoint, write_atomically
from qrnn_qiskit.training.loading import load
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.trainer import resume, train


class Malice:
    """Unpickling this object would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def trained(create: Callable[..., RunFolder]) -> RunFolder:
    run = create(epochs=1)
    train(run)
    return run


def test_it_loads_with_weights_only_and_holds_everything(trained: RunFolder) -> None:
    content = torch.load(trained.checkpoint_file, weights_only=True)
    assert set(content) == {
        "format",
        "config",
        "task",
        "data_sha256",
        "weights",
        "best_weights",
        "optimizer",
        "random",
        "position",
    }
    assert content["config"]["train"]["epochs"] == 1
    assert content["position"]["step"] == 5
    assert set(content["random"]) == {"torch", "numpy", "python"}


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_truncated_checkpoint_is_refused(trained: RunFolder, share: float) -> None:
    content = trained.checkpoint_file.read_bytes()
    trained.checkpoint_file.write_bytes(content[: int(len(content) * share)])
    for use in (lambda: load(trained.path), lambda: resume(RunFolder.open(trained.path))):
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt is truncated") as info:
            use()
        assert info.value.__cause__ is not None


def test_a_flipped_bit_is_noticed(trained: RunFolder) -> None:
    content = bytearray(trained.checkpoint_file.read_bytes())
    name = next(iter(torch.load(trained.checkpoint_file, weights_only=True)["weights"].values()))
    content[bytes(content).find(name.numpy().tobytes())] ^= 1
    trained.checkpoint_file.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged: the checksum"):
        load(trained.path)


def test_pickled_code_is_refused_and_not_run(trained: RunFolder, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    content = torch.load(trained.checkpoint_file, weights_only=True)
    torch.save(content | {"task": Malice(trap)}, trained.checkpoint_file)
    with pytest.raises(CheckpointError, match="holds pickled code") as info:
        load(trained.path)
    assert isinstance(info.value.__cause__, pickle.UnpicklingError)
    assert not trap.exists()


def test_a_plain_pickle_is_refused_and_not_run(trained: RunFolder, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trained.checkpoint_file.write_bytes(pickle.dumps(Malice(trap)))
    with pytest.raises(CheckpointError, match="holds pickled code"):
        load(trained.path)
    assert not trap.exists()


def test_another_torch_file_is_refused(trained: RunFolder) -> None:
    torch.save({"weights": torch.zeros(3)}, trained.checkpoint_file)
    with pytest.raises(CheckpointError, match="not a checkpoint of a training run"):
        load(trained.path)
    torch.save(torch.zeros(3), trained.checkpoint_file)
    with pytest.raises(CheckpointError, match="not a checkpoint of a training run"):
        load(trained.path)


def test_another_version_is_refused(trained: RunFolder) -> None:
    content = torch.load(trained.checkpoint_file, weights_only=True)
    torch.save(content | {"format": 99}, trained.checkpoint_file)
    with pytest.raises(CheckpointError, match="another version"):
        load(trained.path)


def test_a_checkpoint_of_another_configuration_is_refused(
    trained: RunFolder, create: Callable[..., RunFolder]
) -> None:
    other = create("other", epochs=1, learning_rate=0.5, num_qubits=3)
    other.checkpoint_file.write_bytes(trained.checkpoint_file.read_bytes())
    with pytest.raises(CheckpointError, match="another configuration") as info:
        resume(other)
    assert "train.learning_rate was 0.01, is 0.5 in config.toml" in str(info.value)
    assert "model.num_qubits was 4, is 3 in config.toml" in str(info.value)
    assert "train.epochs" not in str(info.value)


def test_a_key_that_is_newer_than_the_checkpoint_has_its_default(trained: RunFolder) -> None:
    content = torch.load(trained.checkpoint_file, weights_only=True)
    del content["config"]["train"]["weight_decay"]
    torch.save(content, trained.checkpoint_file)
    load(trained.path)
    text = (trained.path / "config.toml").read_text()
    (trained.path / "config.toml").write_text(
        re.sub("weight_decay = .*", "weight_decay = 0.5", text)
    )
    with pytest.raises(CheckpointError, match=r"weight_decay was .*, is 0\.5 in config\.toml"):
        load(trained.path)


def test_weights_of_another_model_are_refused(trained: RunFolder) -> None:
    content = torch.load(trained.checkpoint_file, weights_only=True)
    content["weights"]["head.linear.weight"] = torch.zeros(7, 7)
    content["best_weights"] = content["weights"]
    torch.save(content, trained.checkpoint_file)
    for use in (lambda: load(trained.path), lambda: resume(trained)):
        with pytest.raises(CheckpointError, match="does not fit the model"):
            use()


def test_a_missing_checkpoint_is_named(create: Callable[..., RunFolder]) -> None:
    run = create()
    with pytest.raises(CheckpointError, match="does not exist: no checkpoint was written yet"):
        read_checkpoint(run.checkpoint_file, run.config)


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, lambda file: file.write(b"whole"))

    def fail(file: Any) -> None:
        file.write(b"ha")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"whole"

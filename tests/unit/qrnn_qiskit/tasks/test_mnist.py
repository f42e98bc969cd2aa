from __future__ import annotations

import gzip
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from qrnn_qiskit.tasks import DataError
from qrnn_qiskit.tasks.mnist import Mnist, MnistSettings
from qrnn_qiskit.training.config import ConfigError, resolve_config


def make_task(**settings: Any) -> Mnist:
    return Mnist(MnistSettings(**settings))


def format_idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """24 training images and 5 test images, one of the files compressed."""
    random = np.random.default_rng(0)
    for name, count in (("train", 24), ("t10k", 5)):
        images = random.integers(256, size=(count, 28, 28), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(format_idx(images))
        (tmp_path / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(format_idx(labels)))
    return tmp_path


def test_the_sample_is_split_by_digit_and_scanned_in_three_ways() -> None:
    rows, pixels = make_task().load(), make_task(scan="pixels").load()
    permuted, again = (make_task(scan="permuted", permutation_seed=seed).load() for seed in (0, 0))
    other = make_task(scan="permuted", permutation_seed=1).load()
    assert [len(part) for part in (rows.train, rows.validation, rows.test)] == [3500, 500, 1000]
    assert torch.bincount(rows.test.targets).tolist() == [100] * 10
    assert rows.test.inputs.shape == (1000, 28, 28)
    assert pixels.test.inputs.shape == permuted.test.inputs.shape == (1000, 784, 1)
    assert torch.equal(rows.test.inputs.flatten(1), pixels.test.inputs.flatten(1))
    assert torch.equal(permuted.test.inputs, again.test.inputs)
    assert not torch.equal(permuted.test.inputs, other.test.inputs)
    order = np.random.RandomState(0).permutation(784)
    assert torch.equal(permuted.train.inputs, pixels.train.inputs[:, order])


@pytest.mark.parametrize("side", [14, 7])
def test_smaller_images_are_means_of_squares(side: int, folder: Path) -> None:
    whole = make_task(folder=folder).load()
    task = make_task(folder=folder, side=side, scan="pixels")
    small = task.load()
    images = whole.train.inputs.double()[:, None]
    expected = torch.nn.functional.avg_pool2d(images, 28 // side).flatten(1)
    assert small.train.inputs.shape == (22, side * side, 1)
    assert small.train.inputs.dtype == torch.uint8
    assert (small.train.inputs.squeeze(2) - expected).abs().max() <= 0.5
    assert torch.equal(small.train.targets, whole.train.targets)
    new = task.read(folder / "t10k-images-idx3-ubyte")
    assert torch.equal(new.inputs, small.test.inputs)
    permuted = make_task(folder=folder, side=side, scan="permuted").load()
    order = np.random.RandomState(0).permutation(side * side)
    assert torch.equal(permuted.test.inputs, small.test.inputs[:, order])


def test_smaller_images_by_rows_are_as_wide_as_the_model(
    make_gru: Callable[[int], nn.Module], folder: Path
) -> None:
    task = make_task(folder=folder, side=14)
    assert task.build(make_gru)(task.load().test.inputs).shape == (5, 10)


def test_fewer_training_images_keep_the_shares_of_the_digits_and_the_other_splits() -> None:
    whole, part = make_task().load(), make_task(train_size=1000).load()
    assert len(part.train) == 1000
    assert (torch.bincount(part.train.targets) - 100).abs().max() <= 1
    assert part.train.rows is not None
    assert whole.train.rows is not None
    assert set(part.train.rows.tolist()) < set(whole.train.rows.tolist())
    for name in ("validation", "test"):
        assert torch.equal(getattr(part, name).inputs, getattr(whole, name).inputs)
    with pytest.raises(DataError, match=r"at most 3500, .* got 3501"):
        make_task(train_size=3501).load()


@pytest.mark.parametrize("side", [0, 12, 29])
def test_a_side_that_does_not_divide_the_images_is_refused(side: int) -> None:
    with pytest.raises(ConfigError, match=r"side"):
        resolve_config("mnist", {"side": side})


@pytest.mark.parametrize(
    ("scan", "gain", "rate"),
    [("rows", 1.0, 0.005), ("pixels", 0.1, 0.001), ("permuted", 0.1, 0.001)],
)
def test_long_scans_begin_calmly(scan: str, gain: float, rate: float) -> None:
    config = resolve_config("mnist", {"scan": scan, "start": "default"})
    assert config.model.model_dump()["feedback_gain"] == gain
    assert config.train.learning_rate == rate
    given = resolve_config("mnist", {"scan": scan, "learning_rate": 0.02})
    assert given.train.learning_rate == 0.02


def test_pixels_reach_the_model_between_0_and_1(
    make_gru: Callable[[int], nn.Module], dtype: torch.dtype
) -> None:
    model = make_task().build(make_gru)
    seen = []
    model.qrnn.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    model(torch.tensor([0, 51, 255] * 28, dtype=torch.uint8).repeat(28, 1)[None, :, :28])
    assert seen[0].dtype == dtype
    assert seen[0][0, 0, :3].tolist() == pytest.approx([0, 0.2, 1])
    assert not [name for name in model.state_dict() if "unit" in name]


def test_a_folder_of_idx_files_keeps_its_test_images(folder: Path) -> None:
    task = make_task(folder=folder)
    splits = task.load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [22, 2, 5]
    assert splits.test.targets.tolist() == [0, 1, 2, 3, 4]
    new = task.read(folder / "t10k-images-idx3-ubyte")
    assert torch.equal(new.inputs, splits.test.inputs)
    assert not new.has_targets


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3-ubyte", b"", "train-images-idx3-ubyte is empty"),
        ("train-images-idx3-ubyte", b"GIF89a", "is not an IDX file of bytes: it begins with 47494"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x03\0\0\0\x18", "is not an IDX file of bytes"),
        (
            "train-images-idx3-ubyte",
            format_idx(np.zeros((24, 28, 28), np.uint8))[:-1],
            r"shape \(24, 28, 28\) by its header, got 18815",
        ),
        (
            "train-images-idx3-ubyte",
            format_idx(np.zeros((24, 8, 8), np.uint8)),
            r"got images \(24, 8, 8\) with labels \(24,\)",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            gzip.compress(b"x" * 99, mtime=0)[:-9],
            "is a damaged gzip file",
        ),
        ("t10k-labels-idx1-ubyte.gz", None, "has no file t10k-labels-"),
    ],
)
def test_a_damaged_folder_is_refused(
    folder: Path, name: str, content: bytes | None, message: str
) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        make_task(folder=folder).load()


def test_the_full_set_comes_from_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(root: str, train: bool, download: bool) -> SimpleNamespace:
        count = 36 if train else 3
        return SimpleNamespace(
            data=torch.zeros(count, 28, 28, dtype=torch.uint8), targets=torch.arange(count) % 10
        )

    module = SimpleNamespace(MNIST=read)
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(datasets=module))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
    splits = make_task(source="full").load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [33, 3, 3]
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(DataError, match=r"pip install torchvision, or use .*data\.source=sample"):
        make_task(source="full").load()


def test_a_pixel_out_of_range_is_located(write: Callable[..., Path]) -> None:
    rows = "\n".join(",".join(["0"] * 783 + [last]) for last in ("255", "256"))
    with pytest.raises(DataError, match=r"row 2 \(line 2\): .*from 0 to 255, got 256"):
        make_task().read(write(rows))

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from qrnn_qiskit.tasks import DataError, DataSettings, Splits
from qrnn_qiskit.tasks.digits import Digits

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def splits() -> Splits:
    return Digits(DataSettings()).load()


def test_split_is_complete_stratified_and_of_the_stated_sizes(splits: Splits) -> None:
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [1150, 250, 397]
    rows = torch.cat([part.rows for part in parts])
    assert torch.equal(rows.sort().values, torch.arange(1, 1798))
    shares = np.bincount(load_digits().target) / 1797
    for part in parts:
        counts = torch.bincount(part.targets, minlength=10).numpy()
        assert np.abs(counts - shares * len(part)).max() < 2


def test_sequences_are_the_images_row_by_row(splits: Splits) -> None:
    digits = load_digits()
    for part in (splits.train, splits.test):
        image = part.rows[3] - 1
        assert np.array_equal(part.inputs[3].numpy() * 16, digits.images[image])
        assert part.targets[3] == digits.target[image]
    assert (splits.train.inputs.min(), splits.train.inputs.max()) == (0, 1)


def test_split_depends_on_the_split_seed_alone(splits: Splits) -> None:
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - the global state must not matter
    again = Digits(DataSettings()).load()
    other = Digits(DataSettings(split_seed=1)).load()
    assert torch.equal(again.train.inputs, splits.train.inputs)
    assert torch.equal(again.test.rows, splits.test.rows)
    assert set(other.test.rows.tolist()) != set(splits.test.rows.tolist())


def test_split_of_seed_0_never_changes(splits: Splits) -> None:
    """A trained model must not meet its training images in another version's test split."""
    assert splits.test.rows[:5].tolist() == [102, 1133, 573, 879, 612]


def test_a_recurrent_network_learns_the_digits(
    splits: Splits, make_gru: Callable[[int], nn.Module]
) -> None:
    task = Digits(DataSettings())
    model = task.build(make_gru)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(60):
        optimizer.zero_grad()
        task.loss(model(splits.train.inputs), splits.train).backward()
        optimizer.step()
    accuracy = task.measure(model(splits.test.inputs), splits.test)["accuracy"].mean()
    assert accuracy > 0.5


def test_images_from_npy_and_csv_are_those_of_the_data(splits: Splits, write: Write) -> None:
    images = splits.test.inputs[:5].numpy() * 16
    task = Digits(DataSettings())
    square, flat = write(b"", "square.npy"), write(b"", "flat.npy")
    np.save(square, images.astype(np.uint8))
    np.save(flat, images.reshape(5, 64).astype(np.float32))
    text = write("\n".join(",".join(map(str, image)) for image in images.reshape(5, 64)))
    for path in (square, flat, text):
        batch = task.read(path)
        assert torch.equal(batch.inputs, splits.test.inputs[:5])
        assert not batch.has_targets


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 28, 28)), r"\(N, 8, 8\) or \(N, 64\), got \(2, 28, 28\)"),
        (np.zeros(64), r"got \(64,\)"),
        (np.zeros((0, 64)), "holds no image"),
        (np.full((2, 64), "a"), "expected real numbers"),
        (np.eye(2, 64) * 255, r"image 1: .*from 0 to 16, got 255"),
        (np.array([[1.0] * 64, [np.nan] * 64]), "image 2: .*got nan"),
    ],
)
def test_unusable_array_is_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    path = tmp_path / "images.npy"
    np.save(path, array)
    with pytest.raises(DataError, match=rf"images\.npy.*{message}"):
        Digits(DataSettings()).read(path)


def test_unusable_csv_is_refused_with_the_row(write: Write) -> None:
    task = Digits(DataSettings())
    good = ",".join(["1"] * 64)
    with pytest.raises(DataError, match=r"expected 64 columns.*got 3"):
        task.read(write("1,2,3\n"))
    with pytest.raises(DataError, match=r"row 2 \(line 2\), column '64': .*got 'x'"):
        task.read(write(f"{good}\n{good[:-1]}x\n"))
    with pytest.raises(DataError, match=r"row 2 \(line 2\): .*got -1"):
        task.read(write(f"{good}\n-{good}\n"))

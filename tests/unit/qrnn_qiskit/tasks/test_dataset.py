"""Datasets in memory: what they accept, what they refuse, and their file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch

from qrnn_qiskit import Dataset
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.dataset import SPLITS

X = np.random.default_rng(0).normal(size=(6, 4, 2))
CLASSES = [0, 1, 1, 0, 2, 2]


def test_arrays_tensors_and_lists_are_the_same_data() -> None:
    first = Dataset(X, CLASSES)
    for x in (torch.from_numpy(X), list(X), X.tolist(), list(torch.from_numpy(X))):
        assert Dataset(x, torch.tensor(CLASSES)).fingerprint() == first.fingerprint()


def test_sequences_of_unequal_lengths_are_an_array_with_lengths() -> None:
    ends = [4, 2, 3, 1, 4, 2]
    listed = Dataset([x[:end] for x, end in zip(X, ends, strict=True)], CLASSES)
    padded = X.copy()
    for row, end in zip(padded, ends, strict=True):
        row[end:] = np.nan  # not read
    assert listed.fingerprint() == Dataset(padded, CLASSES, lengths=ends).fingerprint()
    assert (listed.x[1, 2:] == 0).all()
    assert listed.lengths is not None
    assert listed.lengths.tolist() == ends


@pytest.mark.parametrize(
    ("y", "goal", "shape", "classes"),
    [
        (CLASSES, "classes", (6,), ("0", "1", "2")),
        ([7, 3, 3, 7, 7, 3], "classes", (6,), ("3", "7")),
        (list("babaab"), "classes", (6,), ("a", "b")),
        ([True, False] * 3, "classes", (6,), ("False", "True")),
        (np.tile([0, 1, 1, 0], (6, 1)), "classes", (6, 4), ("0", "1")),
        (X[:, 0, 0], "values", (6, 1), ()),
        (X[:, 0], "values", (6, 2), ()),
        (X, "values", (6, 4, 2), ()),
    ],
)
def test_the_goal_follows_from_the_targets(
    y: Any, goal: str, shape: tuple[int, ...], classes: tuple[str, ...]
) -> None:
    targets = Dataset(X, y).targets
    assert (targets.goal, targets.numbers.shape, targets.classes) == (goal, shape, classes)
    if goal == "classes":
        assert (targets.labels[targets.numbers] == np.asarray(y)).all()


@pytest.mark.parametrize(
    "data",
    [
        Dataset(X, CLASSES, classes=["up", "down", "flat"]),
        Dataset([x[: 1 + n % 4] for n, x in enumerate(X)], list("abcabc"), classes=list("bca")),
        Dataset(list(X[:, :3]), [list("aab")] * 6),
        Dataset(X.astype(np.float32), X[:, 0], split=["train"] * 4 + ["test", "validation"]),
        Dataset(X, [1, 2, 3, 4, 5, 6], goal="values"),
        Dataset(
            [x[: 2 + n % 2] for n, x in enumerate(X)], [x[: 2 + n % 2] for n, x in enumerate(X)]
        ),
        Dataset.of_splits((X[:4], CLASSES[:4]), test=(X[4:], CLASSES[:2])),
    ],
)
def test_a_file_holds_the_same_data(data: Dataset, tmp_path: Path) -> None:
    with (tmp_path / "data.npz").open("wb") as file:
        data.save(file)
    with np.load(tmp_path / "data.npz", allow_pickle=False) as arrays:
        again = Dataset.of_arrays(arrays, "data.npz")
    assert again.fingerprint() == data.fingerprint()
    assert again.targets.classes == data.targets.classes
    np.testing.assert_array_equal(again.targets.numbers, data.targets.numbers)


def test_given_splits_keep_their_order() -> None:
    data = Dataset.of_splits((X[:3], CLASSES[:3]), (X[3:5], CLASSES[3:5]), (X[5:], CLASSES[5:]))
    assert data.split is not None
    assert [SPLITS[split] for split in data.split] == ["train"] * 3 + ["validation"] * 2 + ["test"]
    np.testing.assert_array_equal(data.x, X)


def spoil(value: float) -> np.ndarray:
    x = X.copy()
    x[2, 3, 1] = value
    return x


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": X[:, :, 0]}, r"shape \(N, T, E\), got \(6, 4\) of rank 2; add the axis E"),
        ({"x": X.astype(complex)}, "real numbers.*complex128"),
        ({"x": X.astype(str)}, "real numbers"),
        ({"x": X[:0]}, r"at least one sequence, step and feature, got \(0, 4, 2\)"),
        ({"x": []}, "at least one sequence, got an empty list"),
        (
            {"x": [*X[:5], X[5, :, :1]]},
            r"2 features, as sequence 0 has, got \(4, 1\) for sequence 5",
        ),
        ({"x": [*X[:5], X[5, 0]]}, r"sequence 5 of x of shape \(T_i, E\), got \(2,\)"),
        ({"x": list(X), "lengths": [4] * 6}, "leave lengths out"),
        ({"x": spoil(np.nan)}, "sequence 2, step 3, feature 1 is nan"),
        ({"x": spoil(-np.inf)}, "sequence 2, step 3, feature 1 is -inf"),
        ({"lengths": [4, 4, 5, 4, 4, 4]}, "from 1 to the 4 steps of x, got 5 for sequence 2"),
        ({"lengths": [4, 0, 4, 4, 4, 4]}, "got 0 for sequence 1"),
        ({"lengths": [4.0] * 6}, "lengths as 6 integers"),
        ({"lengths": [4] * 5}, r"lengths as 6 integers.*shape \(5,\)"),
        ({"y": CLASSES[:5]}, "a target for each of 6 sequences, got 5"),
        ({"y": [[0, 1]] * 6}, r"classes y of shape \(N,\), or \(N, T\) with T = 4.*got \(6, 2\)"),
        ({"y": [1j] * 6}, "got complex128"),
        ({"y": [None] * 6}, "got object"),
        ({"y": [*[0.5] * 5, np.nan]}, "y must be finite, but sequence 5 has nan"),
        ({"y": X[:, :3]}, r"\(N, T, k\) with T = 4, got \(6, 3, 2\)"),
        ({"y": [0] * 6}, "at least 2 classes, got only '0' in 6 sequences"),
        ({"y": [[0, 1], [1], [0], [1], [0], [1]]}, "each of the 4 steps of sequence 0"),
        ({"classes": ["a", "b"]}, r"\(0 to 1\), got 2 for sequence 4"),
        ({"classes": ["a", "a", "b"]}, "different names"),
        ({"classes": ["a"], "y": X[:, 0, 0]}, "no classes for values"),
        ({"y": X[:, 0, 0], "goal": "classes"}, "give the goal 'values'"),
        ({"y": list("ababab"), "goal": "values"}, "got texts"),
        ({"split": ["train"] * 5}, r"6 names, one for each sequence, got shape \(5,\)"),
        ({"split": ["train"] * 5 + ["dev"]}, "train, validation, test, got 'dev'"),
    ],
)
def test_bad_arrays_are_refused_in_one_sentence(arguments: dict[str, Any], message: str) -> None:
    given = {"x": X, "y": CLASSES} | arguments
    with pytest.raises(DataError, match=message) as caught:
        Dataset(given.pop("x"), given.pop("y"), **given)
    assert "\n" not in str(caught.value)


def test_texts_of_pandas_are_classes() -> None:
    names = pandas.Series(np.where(X[:, 0, 0] > 0, "up", "down"), dtype=object)
    assert Dataset(X, names).targets.classes == Dataset(X, names.tolist()).targets.classes
    with pytest.raises(DataError, match=r"got object; convert it"):
        Dataset(X, names.mask(names == "up"))

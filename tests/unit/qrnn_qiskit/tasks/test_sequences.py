"""The task ``sequences``: files of three kinds, splits, targets of each kind, and its tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qrnn_qiskit import Dataset
from qrnn_qiskit.tasks import DataError
from qrnn_qiskit.tasks.sequences import LabelledSequences, SequencesSettings
from qrnn_qiskit.training.config import resolve_config

Write = Callable[..., Path]
RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(40, 5, 2))
ENDS = [2 + n % 4 for n in range(40)]
RAGGED = [x[:end] for x, end in zip(X, ENDS, strict=True)]
CLASSES = np.arange(40) % 2


def make_task(data: Dataset, **settings: Any) -> LabelledSequences:
    return LabelledSequences(SequencesSettings(goal=data.targets.goal, **settings), data)


def format_csv(labels: list[Any]) -> str:
    """A row for each step, the series interleaved, with a label for each of their steps."""
    rows = [
        (step, f"s{n},{step}," + ",".join(map(repr, map(float, values))) + f",{labels[n][step]}\n")
        for n, x in enumerate(RAGGED)
        for step, values in enumerate(x)
    ]
    return "series,time,a,b,label\n" + "".join(text for _, text in sorted(rows, key=lambda r: r[0]))


def format_ts(dataset: range, classes: bool = True) -> str:
    head = "# a comment\n@problemName mine\n@timestamps false\n@dimensions 2\n@equalLength false\n"
    head += "@classLabel true down up\n" if classes else "@targetlabel true\n"
    lines = [
        ":".join(",".join(repr(float(v)) for v in column) for column in RAGGED[n].T)
        + (f":{('up', 'down')[n % 2]}" if classes else f":{n / 2}")
        for n in dataset
    ]
    return head + "@data\n" + "\n".join(lines) + "\n"


def test_a_csv_and_a_ts_file_hold_the_data_of_the_arrays(write: Write, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X, y=CLASSES, lengths=ENDS)
    expected = make_task(Dataset(RAGGED, CLASSES))
    expected.load()
    names = [("up", "down")[n % 2] for n in range(40)]
    csv = write(format_csv([[int(label)] * 5 for label in CLASSES]), "x.csv")
    for file in (tmp_path / "x.npz", csv):
        task = LabelledSequences(SequencesSettings(file=file, goal="classes"))
        splits = task.load()
        assert task.fingerprint() == expected.fingerprint()
        assert len(splits.train) == 28
    ts = write(format_ts(range(40)), "x.ts")
    task = LabelledSequences(SequencesSettings(file=ts))
    task.load()
    assert task.fingerprint() == Dataset(RAGGED, names, classes=["down", "up"]).fingerprint()
    assert task.classes == ["down", "up"]


def test_training_and_test_files_are_given_splits(write: Write) -> None:
    train, test = write(format_ts(range(30)), "a.ts"), write(format_ts(range(30, 40)), "b.ts")
    splits = LabelledSequences(SequencesSettings(file=train, test_file=test)).load()
    assert splits.test.rows is not None
    assert splits.test.rows.tolist() == list(range(31, 41))
    assert (len(splits.train), len(splits.validation)) == (26, 4)


@pytest.mark.parametrize(
    ("content", "goal"),
    [
        (format_csv([[n % 2] * 5 for n in range(40)]), "classes"),
        (format_csv([["up", "down"] * 3] * 40), "classes"),
        (format_csv([[n / 8] * 5 for n in range(40)]), "values"),
    ],
)
def test_the_configuration_records_the_goal_of_a_file(
    write: Write, content: str, goal: str
) -> None:
    file = write(content)
    config = resolve_config("sequences", {"data.file": str(file)})
    assert config.data.model_dump()["goal"] == goal
    task = LabelledSequences(config.data)  # type: ignore[arg-type]
    task.load()
    assert task.headline == {"classes": "accuracy", "values": "nmse"}[goal]
    assert task.goal.is_stepwise == ("up" in content)


def test_values_of_a_ts_file(write: Write) -> None:
    file = write(format_ts(range(40), classes=False), "x.ts")
    task = LabelledSequences(SequencesSettings(file=file, goal="values"))
    splits = task.load()
    prediction = splits.test.targets
    assert splits.test.rows is not None
    np.testing.assert_allclose(task.present(prediction), (splits.test.rows.numpy() - 1) / 2)


def test_features_are_scaled_by_the_training_steps_alone() -> None:
    x = X * [1000.0, 1e-4] + [500.0, 3.0]
    splits = make_task(Dataset(x, CLASSES, lengths=ENDS)).load()
    train = splits.train
    assert train.lengths is not None
    valid = torch.arange(5) < train.lengths[:, None]
    torch.testing.assert_close(train.inputs[valid].mean(0), torch.zeros(2).double())
    torch.testing.assert_close(train.inputs[valid].std(0, correction=0), torch.ones(2).double())
    assert (train.inputs[~valid] == 0).all()
    plain = make_task(Dataset(x, CLASSES, lengths=ENDS), standardize=False).load()
    assert plain.train.rows is not None
    np.testing.assert_array_equal(
        plain.train.inputs[:, 0].numpy(), x[plain.train.rows.numpy() - 1, 0]
    )


def test_splits_have_the_class_shares_of_the_whole_and_follow_their_seed() -> None:
    data = Dataset(X, CLASSES)
    first, again = make_task(data).load(), make_task(data).load()
    other = make_task(data, split_seed=1).load()
    for part in ("train", "validation", "test"):
        targets = getattr(first, part).targets
        assert abs(targets.double().mean().item() - 0.5) <= 0.5 / len(targets)
        assert torch.equal(getattr(first, part).rows, getattr(again, part).rows)
    assert not torch.equal(first.test.rows, other.test.rows)  # type: ignore[arg-type]
    rare = make_task(Dataset(X, [0] * 37 + [1] * 3)).load()
    assert [int(part.targets.sum()) for part in (rare.train, rare.validation, rare.test)] == [1] * 3


@pytest.mark.parametrize(
    "y",
    [
        CLASSES,
        X[:, 0, 0],
        X[:, 0] * 7 + 3,
        [x[:, :1] for x in RAGGED],
        [np.where(x[:, 0] > 0, "hi", "lo") for x in RAGGED],
    ],
)
def test_what_was_learned_is_restored_and_presented_in_the_form_of_y(
    y: Any, make_gru: Callable[[int], Any]
) -> None:
    data = Dataset(RAGGED, y)
    task = make_task(data)
    splits = task.load()
    model = task.build(make_gru)
    with torch.no_grad():
        prediction = model.run(splits.test)[0]
    restored = LabelledSequences(task.settings)
    restored.restore(task.remember())
    shown = restored.present(prediction)
    assert shown.dtype.kind == data.y.dtype.kind
    assert shown.shape == (len(splits.test), *data.y.shape[1:])
    header, rows = restored.tabulate(prediction, splits.test)
    assert header[0] == "row"
    assert len(rows) == (
        sum(splits.test.lengths.tolist())  # type: ignore[union-attr]
        if task.goal.is_stepwise
        else len(splits.test)
    )
    again = restored.accept(RAGGED)
    assert again.lengths is not None
    assert splits.test.rows is not None
    chosen = splits.test.rows - 1
    torch.testing.assert_close(again.inputs[chosen], splits.test.inputs)


def test_the_error_of_a_sequence_counts_its_valid_steps_alone() -> None:
    task = make_task(Dataset(RAGGED, [x[:, :1] for x in RAGGED]))
    batch = task.load().train
    prediction = batch.targets.clone()
    prediction[:, 4] += 100.0
    for row, end in zip(prediction, batch.lengths.tolist(), strict=True):  # type: ignore[union-attr]
        row[end:] = 1e6
        row[end - 1] += 2.0
    errors = task.measure(prediction, batch)["nmse"]
    ends = batch.lengths
    assert ends is not None
    expected = torch.where(ends == 5, 102.0**2 / 5, 4.0 / ends)
    torch.testing.assert_close(errors, expected.double())
    torch.testing.assert_close(task.loss(prediction, batch), expected.double().mean())


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (Dataset(X[:2], X[:2, 0]), {}, "at least 3 sequences to draw the splits from, got 2"),
        (Dataset(X, [0] * 38 + [1] * 2), {}, "at least 3 sequences of the class '1'.*got 2"),
        (
            Dataset(X, CLASSES, split=np.where(CLASSES > 0, "train", "test")),
            {},
            "class '0' has no sequence in the split train",
        ),
        (Dataset(X, CLASSES, split=["test"] * 40), {}, "at least 2 sequences .*got 0"),
        (Dataset(X, np.full(40, 0.5)), {}, "'value 0' has the same value in all 28 training rows"),
        (Dataset(X * 1e200, CLASSES), {}, r"'feature 0' has values up to .*e\+200"),
    ],
)
def test_unusable_splits_and_scales_are_refused(
    data: Dataset, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        make_task(data, **settings).load()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.npz", b"PK not a zip", "is not a .npz file of plain arrays"),
        ("x.csv", "series,time,label\na,0,1\n", "columns of values besides label, series, time"),
        ("x.csv", "series,time,v,label\na,1,0.5,1\na,0,0.5,1\n", "row 2.*is earlier than 1"),
        ("x.csv", "series,v,label\na,0.5,\n", r"row 1 \(line 2\): label is empty"),
        ("x.csv", "series,v\na,0.5\nb,0.1\n", "the array y is missing"),
        ("x.ts", "1,2:a\n", "expected a line @data"),
        ("x.ts", "@timestamps true\n@data\n(0,1):a\n", "has time stamps"),
        ("x.ts", "@classLabel true a b\n@data\n1,?:a\n", "series 1, dimension 1.*missing values"),
        ("x.ts", "@classLabel true a b\n@data\n1,2:3:a\n", r"equal length, got \[2, 1\]"),
        ("x.ts", "@classLabel true a b\n@data\n1,2:c\n", r"within the 2 classes.*got 'c'"),
        ("x.ts", "@classLabel true a b\n@data\n", "no series after @data"),
    ],
)
def test_bad_files_name_the_place(
    write: Write, name: str, content: str | bytes, message: str
) -> None:
    task = LabelledSequences(SequencesSettings(file=write(content, name)))
    with pytest.raises(DataError, match=message) as caught:
        task.load()
    assert name in str(caught.value)


def test_new_inputs_need_the_features_of_the_training(write: Write, tmp_path: Path) -> None:
    task = make_task(Dataset(RAGGED, CLASSES))
    splits = task.load()
    np.savez(tmp_path / "new.npz", x=X, lengths=ENDS)
    for file in (
        tmp_path / "new.npz",
        write(format_csv([[0] * 5] * 40).replace(",label", ",other"), "other.csv"),
    ):
        if file.suffix == ".csv":
            with pytest.raises(DataError, match=r"expected 2 features \(E\)"):
                task.read(file)
            continue
        new = task.read(file)
        assert splits.test.rows is not None
        torch.testing.assert_close(new.inputs[splits.test.rows - 1], splits.test.inputs)
        assert not new.has_targets
    with pytest.raises(DataError, match=r"expected 2 features \(E\)"):
        task.accept(X[:, :, :1])


def test_without_data_the_message_says_how_to_give_some(tmp_path: Path) -> None:
    task = LabelledSequences(SequencesSettings())
    with pytest.raises(DataError, match=r"give --set data.file=FILE, or a Dataset"):
        task.load()
    task.folder = tmp_path
    with pytest.raises(DataError, match=r"restore .*data\.npz of this run"):
        task.load()

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from qrnn_qiskit.tasks import DataError
from qrnn_qiskit.tasks.text import Text, TextSettings

Write = Callable[..., Path]


def make_task(path: Path, **settings: Any) -> Text:
    return Text(TextSettings(file=path, **settings))


def format_reviews(count: int = 40) -> str:
    """Texts "a good film number<i>" and "a bad film number<i>" in turn."""
    labels = ("good", "bad")
    lines = (f"A {labels[i % 2]} film number{i},{labels[i % 2]}" for i in range(count))
    return "text,label\n" + "\n".join(lines) + "\n"


def test_texts_become_tokens_padded_to_the_longest(write: Write) -> None:
    content = format_reviews() + "A good bad good film film film,good\n"
    task = make_task(write(content), min_count=1)
    splits = task.load()
    words = dict(enumerate(["<pad>", "<unknown>", *task.remember()["vocabulary"]]))
    texts = content.lower().splitlines()[1:]
    for part in (splits.train, splits.validation, splits.test):
        assert part.inputs.shape[1] == part.lengths.max()
        for tokens, length, row, label in zip(
            part.inputs.tolist(), part.lengths.tolist(), part.rows, part.targets, strict=True
        ):
            text, name = texts[row - 1].split(",")
            assert length == len(text.split())
            assert tokens[length:] == [0] * (len(tokens) - length)
            decoded = [words[token] for token in tokens[:length]]
            assert all(d in (w, "<unknown>") for d, w in zip(decoded, text.split(), strict=True))
            assert task.classes[label] == name


def test_vocabulary_comes_from_the_training_texts_alone(write: Write) -> None:
    task = make_task(write(format_reviews()), min_count=1)
    splits = task.load()
    numbered = {word for word in task.remember()["vocabulary"] if word.startswith("number")}
    assert numbered == {f"number{row - 1}" for row in splits.train.rows.tolist()}
    assert (splits.test.inputs[:, 3] == 1).all()
    assert (splits.train.inputs[:, 3] > 1).all()


def test_vocabulary_keeps_the_most_frequent_words(write: Write) -> None:
    task = make_task(write(format_reviews()))
    task.load()
    assert task.remember()["vocabulary"] == ["a", "film", "bad", "good"]
    small = make_task(write(format_reviews()), vocabulary_size=2)
    splits = small.load()
    assert small.remember()["vocabulary"] == ["a", "film"]
    assert splits.train.inputs[0].tolist() == [2, 1, 3, 1]


def test_long_texts_are_cut_at_max_length(write: Write) -> None:
    train = make_task(write(format_reviews()), max_length=3).load().train
    assert train.inputs.shape == (28, 3)
    assert (train.lengths == 3).all()


def test_split_is_stratified_complete_and_seeded(write: Write) -> None:
    path = write(format_reviews())
    splits, other = make_task(path).load(), make_task(path, split_seed=1).load()
    again = make_task(path).load()
    parts = (splits.train, splits.validation, splits.test)
    assert [torch.bincount(part.targets).tolist() for part in parts] == [[14, 14], [3, 3], [3, 3]]
    assert sorted(torch.cat([part.rows for part in parts]).tolist()) == list(range(1, 41))
    assert torch.equal(splits.test.rows, again.test.rows)
    assert set(splits.test.rows.tolist()) != set(other.test.rows.tolist())


def test_restored_task_reads_as_the_loaded_one(write: Write) -> None:
    path = write(format_reviews())
    loaded, restored = make_task(path), make_task(path)
    loaded.load()
    path.unlink()
    restored.restore(loaded.remember())
    new = write("id,text\n1,A good unheard film\n2,Bad!\n3,...\n", "new.csv")
    batch = restored.read(new)
    assert torch.equal(batch.inputs, loaded.read(new).inputs)
    assert batch.inputs.tolist() == [[2, 5, 1, 3], [4, 1, 0, 0], [1, 0, 0, 0]]
    assert batch.lengths.tolist() == [4, 2, 1]
    assert restored.classes == ["bad", "good"]
    assert restored.fingerprint() == loaded.fingerprint()
    logits = torch.tensor([[0.0, 2.0], [1.0, 0.0], [0.0, 0.0]])
    header, rows = restored.tabulate(logits, batch)
    assert header == ["row", "predicted", "probability"]
    assert rows[0] == [1, "good", pytest.approx(torch.sigmoid(torch.tensor(2.0)).item())]


REVIEWS = format_reviews()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (REVIEWS.replace("number16,good", "number16,"), r"row 17 \(line 18\): label is empty"),
        (REVIEWS.replace("A good film number16,", " ,"), r"row 17 \(line 18\): text is empty"),
        (REVIEWS.replace("text,label", "review,label"), "'text' is missing.*'review', 'label'"),
        (REVIEWS.replace("text,label", "text,stars"), "'label' is missing.*'text', 'stars'"),
        (REVIEWS.replace("number16,good", "number16,god"), r"row 17.*label 'god', got 1 of"),
        (REVIEWS.replace(",bad", ",good"), "at least two different labels, got only 'good' in 40"),
        (REVIEWS.replace("number16", "number\udce9"), "not UTF-8"),
    ],
)
def test_unusable_file_is_refused(write: Write, content: str, message: str) -> None:
    path = write(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=rf"data\.csv.*{message}"):
        make_task(path).load()


def test_six_texts_are_enough_and_a_split_without_any_is_refused(write: Write) -> None:
    path = write("text,label\n" + "x,a\ny,b\n" * 3)
    splits = make_task(path).load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [4, 1, 1]
    with pytest.raises(DataError, match="has 6 rows, which leaves 6 for training, 0 for"):
        make_task(path, validation_fraction=0.01, test_fraction=0.01).load()


def test_vocabulary_is_asked_for_before_it_exists(write: Write) -> None:
    task = make_task(write(REVIEWS))
    with pytest.raises(RuntimeError, match=r"call load\(\) or restore\(\) first"):
        task.read(task.settings.file)

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from qrnn_qiskit.tasks import DataError
from qrnn_qiskit.tasks.language import Language, LanguageSettings
from qrnn_qiskit.training.inference import infer, predict_sequences

Write = Callable[..., Path]


def make_task(**settings: Any) -> Language:
    return Language(LanguageSettings(**({"max_lines": 200} | settings)))


def count_file(count: int = 40) -> str:
    return "\n".join(f"line word{number} of {number % 3}." for number in range(count))


def test_windows_are_the_text_in_its_order_and_the_targets_its_next_words() -> None:
    task = make_task(window=7, min_count=1)
    splits = task.load()
    names = task._known_words().names
    for part in (splits.train, splits.validation, splits.test):
        assert part.continued
        assert torch.equal(part.inputs.flatten()[1:], part.targets.flatten()[:-1])
    text = " ".join(names[number] for number in splits.train.inputs.flatten().tolist())
    assert text.startswith("in the beginning god created the heaven and the earth . <end> and the")
    assert splits.train.rows is not None
    assert splits.test.rows is not None
    assert splits.train.rows.tolist()[:3] == [1, 2, 2]
    assert 171 <= splits.test.rows[0] <= splits.test.rows[-1] <= 200


def test_vocabulary_comes_from_the_training_lines_alone(write: Write) -> None:
    folder = write(count_file(), "a.txt").parent
    task = make_task(folder=folder, min_count=1, max_lines=None, window=3)
    task.load()
    numbered = {word for word in task.remember()["vocabulary"] if word.startswith("word")}
    assert numbered == {f"word{number}" for number in range(28)}


def test_files_of_a_folder_are_read_in_the_order_of_their_names(write: Write) -> None:
    write("second a b c d e f\n" * 5, "1901_x.txt")
    folder = write("first a b c d e f\n\n" * 5, "1801_y.txt").parent
    task = make_task(folder=folder, window=2, min_count=1)
    splits = task.load()
    text = task._known_words().decode(splits.train.inputs.flatten().tolist())
    assert text.split()[0] == "first"
    assert text.split().count("second") == 1
    with pytest.raises(DataError, match=r"at least 31 words .*got 16 in 2 lines"):
        make_task(folder=folder, window=30).load()
    with pytest.raises(DataError, match=r"has no text file \*\.txt"):
        make_task(folder=folder / "none").load()


def test_perplexity_of_guessing_is_the_number_of_words(
    make_gru: Callable[[int], nn.Module],
) -> None:
    task = make_task()
    test = task.load().test
    words = len(task._known_words())
    guess = torch.zeros(*test.targets.shape, words)
    summary = task.summarize(task.measure(guess, test))
    assert summary["perplexity"].value == pytest.approx(words, rel=1e-5)
    assert 50 < summary["unigram_perplexity"].value < 0.6 * words
    model = task.build(make_gru)
    inference = infer(task, model, test, 3)
    assert inference.prediction.shape == test.targets.shape
    kept = task.summarize(inference.values)["perplexity"].value
    assert kept == pytest.approx(math.exp(-inference.prediction.mean().item()), rel=1e-5)
    header, rows = task.tabulate(inference.prediction, test)
    assert header == ["row", "perplexity", "text"]
    assert rows[0][1] == pytest.approx(math.exp(-inference.prediction[0].mean().item()))


def test_the_next_word_of_new_lines_is_printed(
    write: Write, make_gru: Callable[[int], nn.Module]
) -> None:
    task = make_task()
    task.load()
    model = task.build(make_gru)
    batch = task.read(write("And God said\n\nLet there\n", "new.txt"))
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [3, 2]
    header, rows = task.tabulate(predict_sequences(model, batch, 2), batch)
    assert header == ["row", "next word", "probability"]
    alone = torch.tensor(task._known_words().encode(["let there"]))
    best = model(alone)[0, -1].softmax(0).max(0)
    assert rows[1][0] == 2
    assert rows[1][1] == task._known_words().names[best.indices]
    assert rows[1][2] == pytest.approx(best.values.item(), rel=1e-5)


def test_the_full_text_keeps_its_own_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(name: str, version: str) -> dict[str, Any]:
        assert (name, version) == ("Salesforce/wikitext", "wikitext-2-raw-v1")
        return {
            part: {"text": ["", f" = {part} = \n", "a b c d e"]}
            for part in ("train", "validation", "test")
        }

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    task = make_task(source="full", window=4, min_count=1)
    splits = task.load()
    assert task._known_words().decode(splits.train.inputs[0].tolist()) == "= train = <end>"
    assert splits.validation.inputs[0, 1] == 1

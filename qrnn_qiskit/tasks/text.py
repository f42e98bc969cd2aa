"""A user's labelled texts: classify each text by its words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from qrnn_qiskit.heads import LastStateHead
from qrnn_qiskit.tasks.base import Sequences, Splits, TaskModel
from qrnn_qiskit.tasks.classification import ClassificationTask
from qrnn_qiskit.tasks.files import DataError, DataFile, Table, read_table
from qrnn_qiskit.tasks.registry import register
from qrnn_qiskit.tasks.splitting import SplitSettings, split_stratified

if TYPE_CHECKING:
    from qrnn_qiskit.model import QRNN

__all__ = ["Text", "TextSettings", "split_words"]

PADDING, UNKNOWN = 0, 1
RESERVED = 2  # tokens before the first word of the vocabulary
MIN_TEXTS_PER_LABEL = 3  # fewer is a slip of the pen, or too few to judge
WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[!?]")


class TextSettings(SplitSettings):
    """A CSV file with a header and the columns text and label."""

    file: DataFile = Field(description="CSV file with the columns text and label")
    max_length: int = Field(default=40, ge=1, description="words read of a text, from its start")
    vocabulary_size: int = Field(
        default=5000, ge=1, description="words kept, the most frequent of the training texts"
    )
    min_count: int = Field(
        default=2, ge=1, description="rarer words of the training texts count as unknown"
    )
    embedding_size: int = Field(default=16, ge=1, description="width of a word's vector")


@register
class Text(ClassificationTask):
    """Tokens (N, T): 0 padding, 1 an unknown word, 2 and up the vocabulary by frequency."""

    name = "text"
    summary = "classify your own texts by their words (data.file with columns text,label)"
    source = "your CSV file with the columns text and label, one text per row"
    Settings = TextSettings
    settings: TextSettings
    defaults: ClassVar[dict[str, Any]] = {
        "model.num_qubits": 4,
        "model.num_layers": 2,
        "model.controller_hidden": 32,
        "train.epochs": 10,
        "train.batch_size": 32,
        "train.learning_rate": 0.005,
    }

    def __init__(self, settings: TextSettings) -> None:
        super().__init__(settings)
        self._classes: list[str] | None = None
        self._vocabulary: dict[str, int] | None = None
        self._sha256: str | None = None

    @property
    def classes(self) -> list[str]:
        """The labels in alphabetical order; after load() or restore()."""
        if self._classes is None:
            raise RuntimeError("task 'text' has no classes yet; call load() or restore() first")
        return self._classes

    def load(self) -> Splits:
        """Own stratified split; vocabulary and classes come from the training texts."""
        table = read_table(self.settings.file)
        words = [split_words(text) for text in table.read_text("text")]
        labels = table.read_text("label")
        _check_labels(table, labels)
        sizes = self.settings.divide(len(words))
        if min(sizes) < 1:
            raise DataError(
                f"{table.path} has {len(words)} rows, which leaves {sizes[0]} for training, "
                f"{sizes[1]} for validation and {sizes[2]} for test; at least 1 each is required: "
                "give more rows or change the fractions"
            )
        classes = sorted(set(labels))
        codes = np.array([classes.index(label) for label in labels], dtype=np.int64)
        parts = split_stratified(codes, sizes, self.settings.split_seed)
        self._vocabulary = self._collect_vocabulary([words[index] for index in parts[0]])
        self._classes, self._sha256 = classes, table.sha256
        train, validation, test = (
            self._encode(
                [words[index] for index in part],
                targets=torch.from_numpy(codes[part]),
                rows=torch.from_numpy(part) + 1,
            )
            for part in parts
        )
        return Splits(train, validation, test)

    def build(self, qrnn_factory: Callable[[int], QRNN]) -> TaskModel:
        """Vectors for the words, and a head on the last state."""
        size = self.settings.embedding_size
        embedding = nn.Embedding(RESERVED + len(self._known_words()), size, padding_idx=PADDING)
        qrnn = qrnn_factory(size)
        return TaskModel(qrnn, LastStateHead(qrnn, len(self.classes)), embedding)

    def read(self, path: Path) -> Sequences:
        """The texts of a CSV file with the column text; other columns are not looked at."""
        words = [split_words(text) for text in read_table(path).read_text("text")]
        count = len(words)
        return self._encode(words, targets=torch.empty(count, 0), rows=torch.arange(1, count + 1))

    def remember(self) -> dict[str, Any]:
        """The labels and words in the order of their numbers, and the hash of the data."""
        return {
            "classes": self.classes,
            "vocabulary": list(self._known_words()),
            "sha256": self._sha256,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take labels and words back without reading the file."""
        self._classes = list(state["classes"])
        self._vocabulary = _number_words(state["vocabulary"])
        self._sha256 = state["sha256"]

    def fingerprint(self) -> str:
        """SHA-256 of the file's bytes; after load() or restore()."""
        if self._sha256 is None:
            raise RuntimeError("task 'text' has read no data yet; call load() or restore() first")
        return self._sha256

    def _known_words(self) -> dict[str, int]:
        if self._vocabulary is None:
            raise RuntimeError("task 'text' has no vocabulary yet; call load() or restore() first")
        return self._vocabulary

    def _collect_vocabulary(self, texts: list[list[str]]) -> dict[str, int]:
        counts = Counter(chain.from_iterable(texts))
        frequent = [word for word, count in counts.items() if count >= self.settings.min_count]
        # Equally frequent words in alphabetical order: the vocabulary depends on the texts alone.
        frequent.sort(key=lambda word: (-counts[word], word))
        return _number_words(frequent[: self.settings.vocabulary_size])

    def _encode(self, texts: list[list[str]], targets: Tensor, rows: Tensor) -> Sequences:
        vocabulary = self._known_words()
        texts = [text[: self.settings.max_length] for text in texts]
        lengths = torch.tensor([len(text) for text in texts], dtype=torch.int64)
        tokens = torch.full((len(texts), int(lengths.max())), PADDING, dtype=torch.int64)
        for index, text in enumerate(texts):
            codes = [vocabulary.get(word, UNKNOWN) for word in text]
            tokens[index, : len(text)] = torch.tensor(codes, dtype=torch.int64)
        return Sequences(tokens, targets, lengths, rows)


def split_words(text: str) -> list[str]:
    """The words of a text in lower case, with ! and ? as words of their own.

    A text without any is one unknown word, so that every text has at least one step.
    """
    return WORD.findall(text.lower()) or [""]


def _number_words(words: Sequence[str]) -> dict[str, int]:
    return {word: code for code, word in enumerate(words, start=RESERVED)}


def _check_labels(table: Table, labels: list[str]) -> None:
    counts = Counter(labels)
    if len(counts) < 2:
        raise DataError(
            f"{table.path}: all {len(labels)} labels are {labels[0]!r}; "
            "at least two different labels are required"
        )
    for label, count in counts.items():
        if count < MIN_TEXTS_PER_LABEL:
            row = table.rows[labels.index(label)]
            raise DataError(
                f"{table.locate(row)}: label {label!r} occurs in {count} of {len(labels)} rows; "
                f"at least {MIN_TEXTS_PER_LABEL} are required"
            )

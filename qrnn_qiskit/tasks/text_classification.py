"""The common base of tasks that classify a text by its words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from circuits.limits import MOST_EMBEDDING
from qrnn_qiskit.heads import LastStateHead
from qrnn_qiskit.tasks.base import DataSettings, Sequences, Splits, TaskModel
from qrnn_qiskit.tasks.classification import ClassificationTask
from qrnn_qiskit.tasks.data.splitting import SplitSettings
from qrnn_qiskit.tasks.data.tables import read_table
from qrnn_qiskit.tasks.data.words import WordTokenizer, embed_words, note_new, note_vocabulary, pad

if TYPE_CHECKING:
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["TextClassification", "WordSettings"]


class WordSettings(SplitSettings):
    """How the words of a text are read."""

    max_length: int = Field(
        default=40, ge=1, description="number of words read from the start of a text"
    )
    vocabulary_size: int = Field(
        default=5000,
        ge=1,
        description="vocabulary size: the most frequent words of the training texts",
    )
    min_count: int = Field(
        default=2,
        ge=1,
        description="words that occur less often in the training texts count as unknown",
    )
    embedding_size: int = Field(
        default=16, ge=1, le=MOST_EMBEDDING, description="width of the word embeddings"
    )


class TextClassification(ClassificationTask):
    """Classify tokens (N, T): 0 padding, 1 an unknown word, 2 and up the words by frequency."""

    Settings: ClassVar[type[DataSettings]] = WordSettings
    settings: WordSettings
    text_column: str = "text"
    """The column of the texts in a file to predict."""
    encoding: str | None = None
    """The encoding of a file to predict; None for UTF-8."""
    defaults: ClassVar[dict[str, Any]] = {
        "model.num_qubits": 4,
        "model.num_layers": 2,
        "model.controller_hidden": 32,
        "model.feedback_gain": 0.1,
        "train.epochs": 10,
        "train.batch_size": 32,
        "train.learning_rate": 0.003,
    }

    def __init__(self, settings: WordSettings) -> None:
        super().__init__(settings)
        self._classes: list[str] | None = None
        self._tokenizer: WordTokenizer | None = None
        self._sha256: str | None = None

    @property
    def classes(self) -> list[str]:
        """The labels in the order of the logits; after load() or restore()."""
        return self.require_loaded(self._classes)

    def build(self, qrnn_factory: Callable[[int], RecurrentModel]) -> TaskModel:
        """Build word embeddings, and a head on the last state."""
        size = self.settings.embedding_size
        words = len(self.require_loaded(self._tokenizer))
        qrnn = qrnn_factory(size)
        embedding = embed_words(words, size)
        return TaskModel(qrnn, LastStateHead(qrnn, len(self.classes)), embedding)

    def read(self, path: Path) -> Sequences:
        """Read the texts of a CSV file with a column of texts; other columns are ignored.

        A row with an empty text is left out, with a warning.
        """
        table = read_table(path, encoding=self.encoding)
        texts, rows = table.read_filled(self.text_column)
        new = self.encode(texts, torch.empty(len(texts), 0), torch.tensor(rows))
        note_new(str(path), new.inputs)
        return new

    def remember(self) -> dict[str, Any]:
        """Return the labels and words in the order of their numbers, and the hash of the data."""
        return {
            "classes": self.classes,
            "vocabulary": self.require_loaded(self._tokenizer).words,
            "sha256": self._sha256,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore labels and words without reading the texts."""
        self._classes = list(state["classes"])
        self._tokenizer = WordTokenizer(state["vocabulary"])
        self._sha256 = state["sha256"]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the data; after load() or restore()."""
        return self.require_loaded(self._sha256)

    def fit(self, training: Sequence[str], classes: Sequence[str], sha256: str) -> None:
        """Fit the vocabulary on the training texts."""
        settings = self.settings
        self._tokenizer = WordTokenizer.fit(
            training, size=settings.vocabulary_size, min_count=settings.min_count
        )
        self._classes, self._sha256 = list(classes), sha256

    def note_words(self, place: str, splits: Splits) -> Splits:
        """Note the share of unknown words in each split, and return the splits.

        Raises:
            DataError: The vocabulary is empty.
        """
        note_vocabulary(
            place,
            len(self.require_loaded(self._tokenizer).words),
            training=splits.train.inputs,
            validation=splits.validation.inputs,
            test=splits.test.inputs,
        )
        return splits

    def encode(self, texts: Sequence[str], targets: Tensor, rows: Tensor) -> Sequences:
        """Encode texts as padded tokens, the first ``max_length`` words of each."""
        numbers = self.require_loaded(self._tokenizer).encode(texts)
        tokens, lengths = pad([row[: self.settings.max_length] for row in numbers])
        return Sequences(tokens, targets, lengths, rows)

    def select(
        self, texts: Sequence[str], codes: NDArray[np.int64], part: NDArray[np.int64]
    ) -> Sequences:
        """Select the texts at the positions ``part`` with their classes; rows count from 1."""
        chosen = [texts[index] for index in part]
        return self.encode(chosen, torch.from_numpy(codes[part]), torch.from_numpy(part) + 1)

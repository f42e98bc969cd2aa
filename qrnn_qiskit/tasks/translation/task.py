"""Translation from German to English with an encoder, a decoder and soft attention."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from qrnn_qiskit import metrics
from qrnn_qiskit.metrics import MeanAndError
from qrnn_qiskit.tasks.base import Sequences, Splits, Task, TaskModel, number_rows
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.files import read_lines
from qrnn_qiskit.tasks.data.words import (
    EVERYTHING,
    PADDING,
    UNKNOWN,
    WordTokenizer,
    embed_words,
    note_new,
    note_vocabulary,
    pad,
)
from qrnn_qiskit.tasks.registry import register
from qrnn_qiskit.tasks.translation.pairs import Pair
from qrnn_qiskit.tasks.translation.sentence_pairs import TranslationSettings, read_parts
from qrnn_qiskit.tasks.translation.translator import TranslationHead, Translator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["Translation"]

START, END = UNKNOWN + 1, UNKNOWN + 2
RESERVED = ("<start>", "<end>")
BOOTSTRAP = 1000  # resamples of the sentences, for the interval of BLEU
TWO_SIDED_95 = 1.96  # standard errors


@register
class Translation(Task):
    """Translate tokens (N, T) of the source; targets (N, T') end with 3 and are padded with 0.

    In both languages 0 is padding, 1 an unknown word, 2 the start, 3 the end, 4 and up the
    vocabulary by frequency. Every pair has the same weight: the loss is a mean over sentences of
    the mean over their words.
    """

    name = "translation"
    summary = "translate German to English: encoder, decoder, soft attention over the readouts"
    source = (
        "PyPI Django (BSD-3): German messages, to try it out; custom pairs or Debian trans-de-en "
        "(GPL-2+) by data.file, npm xmlbible (CC0) by data.folder, Multi30k by data=full"
    )
    Settings = TranslationSettings
    settings: TranslationSettings
    defaults: ClassVar[dict[str, Any]] = {
        "model.num_qubits": 4,
        "model.num_layers": 2,
        "model.controller_hidden": 32,
        "train.epochs": 20,
        "train.batch_size": 32,
        "train.learning_rate": 0.005,
    }
    headline = "cross_entropy"
    higher_is_better = False
    ranges: ClassVar[dict[str, tuple[float, float]]] = {
        "cross_entropy": metrics.NON_NEGATIVE,
        "accuracy": metrics.SHARE,
        "bleu": (0.0, 100.0),
    }

    def __init__(self, settings: TranslationSettings) -> None:
        super().__init__(settings)
        self._languages: tuple[WordTokenizer, WordTokenizer] | None = None
        self._sha256: str | None = None
        self._pairs: list[Pair] = []

    def load(self) -> Splits:
        """Read the pairs; the vocabularies come from the training pairs only."""
        try:
            import_module("sacrebleu")  # fail now rather than after hours of training
        except ImportError as error:
            raise DataError(
                "BLEU needs sacrebleu, which is not installed; pip install "
                "'.[data]' in a clone of this project"
            ) from error
        parts = read_parts(self.settings)
        self._pairs = [pair for part in parts for pair in part]
        self._sha256 = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        german, english = (self._fit([pair[side] for pair in parts[0]]) for side in (0, 1))
        self._languages = german, english
        first_rows = np.cumsum([1, *map(len, parts)]).tolist()
        train, validation, test = (
            self._encode(part, first) for part, first in zip(parts, first_rows[:-1], strict=True)
        )
        source = str(self.settings.file or self.settings.folder or self.settings.source)
        splits = {"training": train, "validation": validation, "test": test}
        for words, name in ((german.words, "inputs"), (english.words, "targets")):
            tokens = {part: getattr(split, name) for part, split in splits.items()}
            note_vocabulary(f"{source}, {name}", len(words), **tokens)
        return Splits(train, validation, test)

    def build(self, qrnn_factory: Callable[[int], RecurrentModel]) -> Translator:
        """Build two recurrent models of the same kind, and word embeddings of both languages."""
        settings = self.settings
        german, english = self._fitted()
        size = settings.embedding_size
        encoder, decoder = qrnn_factory(size), qrnn_factory(size)
        head = TranslationHead(decoder, settings.attention_size, len(english), settings.attention)
        embeddings = (
            embed_words(len(german), size),
            embed_words(len(english), size),
        )
        return Translator(
            encoder,
            decoder,
            head,
            embeddings,
            start=START,
            end=END,
            max_length=settings.max_length + 1,
            beam_width=settings.beam_width,
        )

    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Compute the mean cross-entropy in nats."""
        return metrics.cross_entropy(prediction, batch.targets, PADDING).mean()

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute cross-entropy and accuracy per word, given the correct preceding words."""
        return {
            "cross_entropy": metrics.cross_entropy(prediction, batch.targets, PADDING),
            "accuracy": metrics.accuracy(prediction, batch.targets, PADDING),
        }

    def score(self, prediction: Tensor, sequences: Sequences) -> dict[str, MeanAndError]:
        """Compute BLEU of lower-case translations, with a bootstrap error over sentences."""
        from sacrebleu.metrics.bleu import BLEU

        references = [english for _, english in self._select_pairs(sequences)]
        # force: silences the warning about tokenized full stops, which these sentences have.
        result = BLEU(lowercase=True, force=True).corpus_score(
            self._write(prediction), [references], n_bootstrap=BOOTSTRAP
        )
        interval = float(getattr(result, "_ci", 0.0))
        return {"bleu": MeanAndError(result.score, interval / TWO_SIDED_95)}

    def draw(self, model: TaskModel, test: Sequences) -> dict[str, Figure]:
        """Draw attention maps of the first test sentences; none without attention."""
        assert isinstance(model, Translator)
        if not self.settings.attention:
            return {}
        first = test.select(slice(3))
        with torch.no_grad():
            tokens, _ = model.eval().translate(first.inputs, first.lengths, 1)
            weights = model.attend(Sequences(first.inputs, tokens, first.lengths))
        german, english = self._fitted()
        words = [
            (_name(german, inputs), _name(english, outputs))
            for inputs, outputs in zip(first.inputs.tolist(), tokens.tolist(), strict=True)
        ]
        from qrnn_qiskit.tasks.translation.picture import draw_attention

        return {"attention": draw_attention(weights.numpy(), words)}

    def read(self, path: Path) -> Sequences:
        """Read a German sentence from each line of a text file."""
        lines = read_lines(path, self.settings.encoding)
        numbers = self._fitted()[0].encode(lines)
        tokens, lengths = pad([row[: self.settings.max_length] for row in numbers])
        note_new(str(path), tokens)
        count = len(lines)
        return Sequences(tokens, torch.empty(count, 0), lengths, torch.arange(1, count + 1))

    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Tabulate the translation of each sentence, with both sentences where known."""
        rows, translations = number_rows(batch), self._write(prediction)
        if not batch.has_targets:
            table = zip(rows, translations, strict=True)
            return ["row", "translation"], [list(row) for row in table]
        pairs = self._select_pairs(batch)
        return ["row", "german", "translation", "english"], [
            [row, german, translation, english]
            for row, translation, (german, english) in zip(rows, translations, pairs, strict=True)
        ]

    def remember(self) -> dict[str, Any]:
        """Return the words of both languages in the order of their numbers, and the pairs' hash."""
        german, english = self._fitted()
        return {"german": german.words, "english": english.words, "sha256": self._sha256}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the words without reading the pairs."""
        german, english = (
            WordTokenizer(state[name], EVERYTHING, RESERVED) for name in ("german", "english")
        )
        self._languages, self._sha256 = (german, english), state["sha256"]

    def fingerprint(self) -> str:
        """Return the SHA-256 of all pairs; after load() or restore()."""
        return self.require_loaded(self._sha256)

    def _fitted(self) -> tuple[WordTokenizer, WordTokenizer]:
        return self.require_loaded(self._languages)

    def _fit(self, texts: Sequence[str]) -> WordTokenizer:
        return WordTokenizer.fit(
            texts,
            size=self.settings.vocabulary_size,
            min_count=self.settings.min_count,
            pattern=EVERYTHING,
            reserved=RESERVED,
        )

    def _encode(self, pairs: Sequence[Pair], first_row: int) -> Sequences:
        german, english = self._fitted()
        tokens, lengths = pad(german.encode([pair[0] for pair in pairs]))
        targets, _ = pad([[*row, END] for row in english.encode([pair[1] for pair in pairs])])
        rows = torch.arange(first_row, first_row + len(pairs))
        return Sequences(tokens, targets, lengths, rows)

    def _select_pairs(self, sequences: Sequences) -> list[Pair]:
        """Select the pairs of sequences that load() made."""
        return [self._pairs[row - 1] for row in number_rows(sequences)]

    def _write(self, tokens: Tensor) -> list[str]:
        """Write out the words up to the end of each sentence."""
        _, english = self._fitted()
        return [
            english.decode(takewhile(lambda number: number not in (END, PADDING), row))
            for row in tokens.tolist()
        ]


def _name(language: WordTokenizer, numbers: list[int]) -> list[str]:
    return [language.names[number] for number in numbers if number != PADDING]

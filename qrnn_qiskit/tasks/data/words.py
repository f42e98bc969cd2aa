"""Words as numbers: a vocabulary fitted on training texts with the library tokenizers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["CONTENT", "EVERYTHING", "PADDING", "UNKNOWN", "WordTokenizer", "embed_words", "pad"]

PADDING, UNKNOWN = 0, 1
RESERVED = ("<pad>", "<unknown>")  # no pattern matches these
CONTENT = r"\w+(?:['\u2019]\w+)*|[!?]"
"""Regular expression for words, exclamation and question marks."""
EVERYTHING = r"\w+(?:['\u2019]\w+)*|[^\w\s]"
"""Regular expression for words and single punctuation marks."""
EMBEDDING_SCALE = 0.1
MARKUP = r"<[a-z/][^<>]*>"  # <br /> separates the paragraphs of a review


class WordTokenizer:
    """Encode texts in lower case as numbers of words, and decode them.

    Number 0 is padding, 1 an unknown word; the words of ``reserved`` follow, then the vocabulary
    by frequency.

    Args:
        words: The vocabulary in the order of its numbers.
        pattern: Regular expression of a word; the rest of a text is dropped.
        reserved: Special words of the task, which no text contains.
    """

    def __init__(
        self, words: Sequence[str], pattern: str = CONTENT, reserved: Sequence[str] = ()
    ) -> None:
        from tokenizers import models

        self.words = list(words)
        self.names = [*RESERVED, *reserved, *words]
        numbers = {name: number for number, name in enumerate(self.names)}
        self._tokenizer = _make_tokenizer(pattern)
        self._tokenizer.model = models.WordLevel(numbers, unk_token=RESERVED[UNKNOWN])

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        *,
        size: int,
        min_count: int,
        pattern: str = CONTENT,
        reserved: Sequence[str] = (),
    ) -> WordTokenizer:
        """Fit a vocabulary: the ``size`` most frequent words of at least ``min_count`` occurrences.

        Equally frequent words are in alphabetical order, so that the vocabulary depends only on the
        texts.
        """
        from tokenizers import trainers

        tokenizer = _make_tokenizer(pattern)
        trainer = trainers.WordLevelTrainer(
            vocab_size=size, min_frequency=min_count, show_progress=False
        )
        tokenizer.train_from_iterator(texts, trainer)
        numbers: dict[str, int] = tokenizer.get_vocab()
        return cls(sorted(numbers, key=numbers.__getitem__), pattern, reserved)

    def __len__(self) -> int:
        """Return how many numbers there are, including reserved ones."""
        return len(self.names)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of the words of each text; one unknown word for a text without any."""
        return [encoding.ids or [UNKNOWN] for encoding in self._tokenizer.encode_batch(texts)]

    def decode(self, numbers: Iterable[int]) -> str:
        """Join the words of these numbers with spaces."""
        return " ".join(self.names[number] for number in numbers)


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Pad rows of unequal length to tokens (N, T) int64; return them with the lengths (N,)."""
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    tokens = torch.full((len(rows), int(lengths.max())), PADDING, dtype=torch.int64)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = torch.tensor(row, dtype=torch.int64)
    return tokens, lengths


def embed_words(words: int, size: int) -> nn.Embedding:
    """Make trainable embeddings (words, size), 0 for padding.

    Their initial standard deviation is 0.1. With torch's default of 1 the few steps that a rare
    word gets do not move it away from its random position, and every model learns the noise.
    """
    embedding = nn.Embedding(words, size, padding_idx=PADDING)
    with torch.no_grad():
        embedding.weight *= EMBEDDING_SCALE
    return embedding


def _make_tokenizer(pattern: str) -> Any:
    """Make a tokenizer without a vocabulary: lower case, markup removed, split into words."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({}, unk_token=RESERVED[UNKNOWN]))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex(MARKUP), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return tokenizer

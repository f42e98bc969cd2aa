"""Words as numbers: a vocabulary that is fitted on training texts, by the library tokenizers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["CONTENT", "EVERYTHING", "PADDING", "UNKNOWN", "WordTokenizer", "embed_words", "pad"]

PADDING, UNKNOWN = 0, 1
RESERVED = ("<pad>", "<unknown>")  # no pattern finds these
CONTENT = r"\w+(?:['\u2019]\w+)*|[!?]"
"""The words of a text, and the marks of feeling."""
EVERYTHING = r"\w+(?:['\u2019]\w+)*|[^\w\s]"
"""The words of a text and each mark between them."""
EMBEDDING_SCALE = 0.1
MARKUP = r"<[a-z/][^<>]*>"  # <br /> stands between the paragraphs of a review


class WordTokenizer:
    """Texts in lower case as numbers of words, and back.

    Number 0 is padding, 1 an unknown word; the words of ``reserved`` follow, then the vocabulary
    by frequency.

    Args:
        words: the vocabulary in the order of its numbers.
        pattern: regular expression of what is a word; the rest of a text is left out.
        reserved: words of the task's own, which no text has.
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
        """Take the ``size`` most frequent words that occur at least ``min_count`` times.

        Equally frequent words stand in alphabetical order, so that the vocabulary depends on the
        texts alone.
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
        """How many numbers there are, reserved ones included."""
        return len(self.names)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of the words of each text; one unknown word for a text without any."""
        return [encoding.ids or [UNKNOWN] for encoding in self._tokenizer.encode_batch(texts)]

    def decode(self, numbers: Iterable[int]) -> str:
        """The words of these numbers with spaces between them."""
        return " ".join(self.names[number] for number in numbers)


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of unequal length as tokens (N, T) int64, padded at their ends, and lengths (N,)."""
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    tokens = torch.full((len(rows), int(lengths.max())), PADDING, dtype=torch.int64)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = torch.tensor(row, dtype=torch.int64)
    return tokens, lengths


def embed_words(words: int, size: int) -> nn.Embedding:
    """Vectors (words, size) to be learned, 0 for padding.

    They begin with a standard deviation of 0.1. With torch's 1 the few steps that a rare word gets
    do not move it out of its random place, and every model learns the noise.
    """
    embedding = nn.Embedding(words, size, padding_idx=PADDING)
    with torch.no_grad():
        embedding.weight *= EMBEDDING_SCALE
    return embedding


def _make_tokenizer(pattern: str) -> Any:
    """Lower case without markup, split into words; without a vocabulary."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({}, unk_token=RESERVED[UNKNOWN]))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex(MARKUP), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return tokenizer

"""Words as numbers: a vocabulary fitted on training texts with the library tokenizers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from qrnn_qiskit.tasks.data.data_error import NOTES, DataError

__all__ = [
    "CONTENT",
    "EVERYTHING",
    "PADDING",
    "UNKNOWN",
    "WordTokenizer",
    "embed_words",
    "note_new",
    "note_vocabulary",
    "pad",
]

PADDING, UNKNOWN = 0, 1
RESERVED = ("<pad>", "<unknown>")  # no pattern matches these
# Regular expressions of Oniguruma, which knows scripts and emoji by their Unicode properties.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_SPACED = rf"(?:(?!{_UNSPACED})\w)"
_STYLE = r"[\x{FE0F}\x{1F3FB}-\x{1F3FF}]"  # variation selector and skin tones
_EMOJI = (
    r"[\x{1F1E6}-\x{1F1FF}]{2}"  # a flag
    rf"|(?:\p{{Emoji_Presentation}}|\p{{Extended_Pictographic}}\x{{FE0F}}){_STYLE}*"
    rf"(?:\x{{200D}}\p{{Extended_Pictographic}}{_STYLE}*)*"
)
# A character of a script without spaces is a word, with the marks on it.
_WORD = rf"{_EMOJI}|{_UNSPACED}\p{{M}}*|{_SPACED}+(?:['\u2019]{_SPACED}+)*"
CONTENT = rf"{_WORD}|[!?\uff01\uff1f]"
"""Regular expression for words, emoji, exclamation and question marks."""
EVERYTHING = rf"{_WORD}|[^\w\s]"
"""Regular expression for words, emoji and single punctuation marks."""
EMBEDDING_SCALE = 0.1
MANY_UNKNOWN = 0.5  # share of unknown words from which a prediction is doubtful
MARKUP = r"<[a-z/][^<>]*>"  # <br /> separates the paragraphs of a review


class WordTokenizer:
    """Encode texts in lower case and Unicode form NFC as numbers of words, and decode them.

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


def note_vocabulary(place: str, words: int, **splits: Tensor) -> None:
    """Note the size of a vocabulary, and the share of unknown words in tokens (N, T) by split.

    Raises:
        DataError: There is no word.
    """
    if words == 0:
        raise DataError(
            f"{place}: no word occurs often enough in the training texts for the vocabulary; give "
            "more texts, or set data.min_count=1"
        )
    shares = ", ".join(f"{_share_unknown(tokens):.1%} of {name}" for name, tokens in splits.items())
    NOTES.info("%s: vocabulary of %d words; unknown words: %s", place, words, shares)


def note_new(place: str, tokens: Tensor) -> None:
    """Note the share of unknown words in new tokens (N, T), which are predicted.

    Raises:
        DataError: No word is known.
    """
    share = _share_unknown(tokens)
    if share == 1:
        raise DataError(
            f"{place}: none of the words is known from training, so that a prediction would mean "
            "nothing; give texts in the language of the training texts"
        )
    level = logging.WARNING if share > MANY_UNKNOWN else logging.INFO
    NOTES.log(level, "%s: %.1f %% of the words are unknown", place, 100 * share)
    strange = int(((tokens == UNKNOWN) | (tokens == PADDING)).all(dim=1).sum())
    if strange:
        NOTES.warning("%s: %d of %d texts have no known word", place, strange, len(tokens))


def _share_unknown(tokens: Tensor) -> float:
    return (tokens == UNKNOWN).sum().item() / (tokens != PADDING).sum().item()


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
    """Make a tokenizer without a vocabulary: lower case, NFC, markup removed, split into words."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({}, unk_token=RESERVED[UNKNOWN]))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.NFC(), normalizers.Replace(Regex(MARKUP), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return tokenizer

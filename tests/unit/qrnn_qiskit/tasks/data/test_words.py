from __future__ import annotations

import pytest
import torch

from qrnn_qiskit.tasks.data.words import CONTENT, EVERYTHING, WordTokenizer, embed_words, pad


def fit(texts: list[str], pattern: str = CONTENT, size: int = 100) -> WordTokenizer:
    return WordTokenizer.fit(texts, size=size, min_count=1, pattern=pattern, reserved=("<end>",))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (CONTENT, ["don't", "miss", "it", "élodie\u2019s", "2nd", "film", "!", "?"]),
        (EVERYTHING, ["don't", "miss", "it", ",", "élodie\u2019s", "2nd", "film", "!", "?", "."]),
    ],
)
def test_words_are_split_in_lower_case_without_markup(pattern: str, words: list[str]) -> None:
    text = "Don't miss IT,<br />Élodie\u2019s 2nd film!?"
    text += "." if pattern == EVERYTHING else "..."
    tokenizer = fit([text], pattern)
    (numbers,) = tokenizer.encode([text])
    assert tokenizer.decode(numbers) == " ".join(words)
    assert sorted(numbers) == list(range(3, 3 + len(words)))


def test_a_text_without_words_is_one_unknown_word() -> None:
    assert fit(["good film"]).encode(["...", "", "bad film"]) == [[1], [1], [1, 3]]


def test_words_are_numbered_by_frequency_and_then_by_the_alphabet() -> None:
    tokenizer = fit(["b a c c", "d b"])
    assert tokenizer.words == ["b", "c", "a", "d"]
    assert len(tokenizer) == 7
    assert fit(["b a c c", "d b"], size=3).words == ["b", "c", "a"]


def test_no_text_reaches_a_reserved_number() -> None:
    for pattern in (CONTENT, EVERYTHING):
        tokenizer = fit(["<end> end <pad> pad <unknown> unknown"], pattern)
        (numbers,) = tokenizer.encode(["<end> <pad> <unknown> end"])
        assert min(numbers) > 2


def test_a_vocabulary_reads_the_same_when_it_is_made_again() -> None:
    tokenizer = fit(["a rose is a rose", "is it"], EVERYTHING)
    again = WordTokenizer(tokenizer.words, EVERYTHING, ("<end>",))
    texts = ["it is a tulip.", "Rose"]
    assert again.encode(texts) == tokenizer.encode(texts)


def test_rows_are_padded_at_their_ends() -> None:
    tokens, lengths = pad([[4, 5], [6], [7, 8, 9]])
    assert tokens.tolist() == [[4, 5, 0], [6, 0, 0], [7, 8, 9]]
    assert lengths.tolist() == [2, 1, 3]


def test_vectors_begin_small_and_that_of_padding_stays_0() -> None:
    embedding = embed_words(2000, 16)
    assert embedding.weight[1:].std().item() == pytest.approx(0.1, rel=0.05)
    embedding(torch.tensor([[5, 0]])).sum().backward()
    assert embedding.weight[0].tolist() == [0.0] * 16
    assert embedding.weight.grad is not None
    assert embedding.weight.grad.sum(1)[[0, 5]].tolist() == [0.0, 16.0]

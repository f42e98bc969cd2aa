"""Texts in scripts without spaces, emoji, Unicode forms, unknown words, and labels by form."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qrnn_qiskit.tasks.data.data_error import NOTES, DataError
from qrnn_qiskit.tasks.data.words import CONTENT, EVERYTHING, WordTokenizer
from qrnn_qiskit.tasks.language import Language, LanguageSettings
from qrnn_qiskit.tasks.text import Text, TextSettings

Write = Callable[..., Path]


@pytest.fixture
def notes(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", NOTES.name)
    return caplog


def make_task(path: Path, **settings: Any) -> Text:
    return Text(TextSettings(file=path, **settings))


def format_texts(good: str, bad: str, header: str = "text,label") -> str:
    return header + "\n" + f"{good},good\n{bad},bad\n" * 10


def split(text: str, pattern: str) -> list[str]:
    tokenizer = WordTokenizer.fit([text], size=100, min_count=1, pattern=pattern)
    return [tokenizer.names[number] for number in tokenizer.encode([text])[0]]


@pytest.mark.parametrize("pattern", [CONTENT, EVERYTHING])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我爱北京", ["我", "爱", "北", "京"]),
        ("ABC中文 x", ["abc", "中", "文", "x"]),
        ("食べる", ["食", "べ", "る"]),
        ("ラーメン", ["ラ", "ー", "メ", "ン"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("хорошо плохо", ["хорошо", "плохо"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("so 😀👍🏽", ["so", "😀", "👍🏽"]),
        ("👨\u200d👩\u200d👧 🇩🇪🇫🇷", ["👨\u200d👩\u200d👧", "🇩🇪", "🇫🇷"]),
        ("I ❤\ufe0f it", ["i", "❤\ufe0f", "it"]),
        ("e\u0301te\u0301 \u00e9t\u00e9", ["été", "été"]),
        ("don't 2nd", ["don't", "2nd"]),
    ],
)
def test_words_of_every_script(text: str, words: list[str], pattern: str) -> None:
    assert split(text, pattern) == words


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("这部电影很好", "这部电影很差"),
        ("とても良い", "とても悪い"),
        ("ดีมาก", "แย่มาก"),
        ("😀😀", "😡"),
    ],
)
def test_such_texts_have_a_vocabulary_and_their_classes_differ(
    write: Write, notes: pytest.LogCaptureFixture, good: str, bad: str
) -> None:
    task = make_task(write(format_texts(good, bad)))
    train = task.load().train
    assert len({tuple(row) for row in train.inputs.tolist()}) == 2
    words = len(task.remember()["vocabulary"])
    assert f"vocabulary of {words} words; unknown words: 0.0% of training" in notes.text
    new = task.read(write(f"text\n{good}\n", "new.csv"))
    assert (new.inputs > 1).all()


def test_both_unicode_forms_are_the_same_text_and_the_same_label(write: Write) -> None:
    composed, decomposed = (unicodedata.normalize(form, "déjà,été") for form in ("NFC", "NFD"))
    path = write("text,label\n" + f"{composed}\n{decomposed}\nnon,autre\nnon,autre\n" * 5)
    task = make_task(path)
    task.load()
    assert task.classes == ["autre", "\u00e9t\u00e9"]
    assert task.remember()["vocabulary"] == ["d\u00e9j\u00e0", "non"]
    new = task.read(write(f"text\n{decomposed.split(',')[0]}\n", "new.csv"))
    assert new.inputs.tolist() == [[2]]


def test_a_training_without_words_is_refused(write: Write) -> None:
    with pytest.raises(DataError, match=r"data\.csv: no word occurs.*min_count=1"):
        make_task(write(format_texts("...", "---"))).load()


def test_the_share_of_unknown_words_is_noted_and_none_known_is_an_error(
    write: Write, notes: pytest.LogCaptureFixture
) -> None:
    task = make_task(write(format_texts("a good film", "a bad film")))
    task.load()
    task.read(write("text\na good film\nquite unheard\n", "new.csv"))
    assert "40.0 % of the words are unknown" in notes.text
    assert "1 of 2 texts have no known word" in notes.text
    with pytest.raises(DataError, match=r"new\.csv: none of the words is known"):
        task.read(write("text\nganz fremd\nsehr schade\n", "new.csv"))


def test_the_same_holds_for_lines_of_a_text(
    tmp_path: Path, write: Write, notes: pytest.LogCaptureFixture
) -> None:
    lines = "\n".join(["the cat sat on the mat é"] * 40)
    (tmp_path / "a.txt").write_bytes(lines.encode("cp1252"))
    task = Language(LanguageSettings(folder=tmp_path, window=4, encoding="cp1252"))
    task.load()
    assert "unknown words: 0.0% of training" in notes.text
    task.read(write("the é dog".encode("cp1252"), "new"))
    assert "33.3 % of the words are unknown" in notes.text
    with pytest.raises(DataError, match="none of the words is known"):
        task.read(write("ganz fremd", "new"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1", "1.0"),
        ("True", "TRUE"),
        ("good", "Good"),
        ("a b", "a  b"),
        ("A", "\uff21"),
        ("0", "-0"),
    ],
)
def test_labels_that_differ_only_in_form_are_named(
    write: Write, notes: pytest.LogCaptureFixture, first: str, second: str
) -> None:
    path = write("text,label\n" + f"a good film,{first}\na bad film,{second}\n" * 10)
    make_task(path).load()
    assert f"the labels {first!r} (10 rows), {second!r} (10 rows) differ only" in notes.text


def test_other_labels_are_not_named(write: Write, notes: pytest.LogCaptureFixture) -> None:
    path = write(
        "text,label\n" + "".join(f"a film,{label}\n" for label in ["1", "10", "yes", "Y"] * 5)
    )
    make_task(path).load()
    assert "differ only" not in notes.text


def test_the_columns_are_those_of_the_settings(write: Write) -> None:
    content = format_texts("a good film", "a bad film", "review,stars")
    task = make_task(write(content), text="review", label=" stars ")
    task.load()
    assert task.classes == ["bad", "good"]
    assert len(task.read(write("id,review\n1,good\n2,\n3,bad\n", "new.csv"))) == 2
    with pytest.raises(DataError, match=r"'text' is missing.*'review', 'stars'"):
        make_task(write(content)).load()
    with pytest.raises(ValueError, match="two columns, got 'a' for both"):
        make_task(Path("x"), text="a", label="a")


def test_a_row_without_a_text_has_no_prediction_and_the_others_keep_their_numbers(
    write: Write, notes: pytest.LogCaptureFixture
) -> None:
    task = make_task(write(format_texts("a good film", "a bad film")))
    task.load()
    new = task.read(write("id,text\n1,good\n2,\n3,bad\n", "new.csv"))
    assert new.rows is not None
    assert new.rows.tolist() == [1, 3]
    assert "text is empty in rows that are left out: 2" in notes.text

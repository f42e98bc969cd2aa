"""Custom labelled texts: classify each text by its words."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
from pydantic import Field, field_validator, model_validator

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks.base import Splits
from qrnn_qiskit.tasks.data.data_error import NOTES, DataError, quote
from qrnn_qiskit.tasks.data.decoding import UTF_8, Encoding
from qrnn_qiskit.tasks.data.files import DataFile
from qrnn_qiskit.tasks.data.splitting import split_stratified
from qrnn_qiskit.tasks.data.tables import Table, is_number, read_table
from qrnn_qiskit.tasks.registry import register
from qrnn_qiskit.tasks.text_classification import TextClassification, WordSettings

__all__ = ["Text", "TextSettings"]

MIN_TEXTS_PER_LABEL = 3  # fewer are a typing error, or too few to judge


class TextSettings(WordSettings):
    """Settings of a CSV file with a header, a column of texts and a column of labels."""

    file: DataFile = Field(description="CSV file with a column of texts and a column of labels")
    text: str = Field(default="text", min_length=1, description="column of the texts")
    label: str = Field(default="label", min_length=1, description="column of the labels")
    encoding: Encoding = Field(default=UTF_8, description="encoding of the file, such as cp1252")

    @field_validator("text", "label")
    @classmethod
    def _strip(cls, name: str) -> str:
        return name.strip()

    @model_validator(mode="after")
    def _require_two_columns(self) -> TextSettings:
        if self.text == self.label:
            raise InvalidValueError(
                f"expected two columns, got {self.text!r} for both data.text and data.label"
            )
        return self


@register
class Text(TextClassification):
    """Classify texts; the classes are the labels of the file in alphabetical order."""

    name = "text"
    summary = "classify custom texts by their words (data.file with columns text,label)"
    source = "a CSV file with a column of texts and a column of labels, one text per row"
    Settings = TextSettings
    settings: TextSettings

    def __init__(self, settings: TextSettings) -> None:
        super().__init__(settings)
        self.text_column, self.encoding = settings.text, settings.encoding

    def load(self) -> Splits:
        """Read the texts and split them by label; the vocabulary comes from the training texts."""
        settings = self.settings
        table = read_table(settings.file, encoding=settings.encoding)
        texts, labels = table.read_text(settings.text), table.read_text(settings.label)
        labels = [unicodedata.normalize("NFC", label) for label in labels]
        _check_labels(table, labels)
        sizes = self.settings.divide(len(texts))
        if min(sizes) < 1:
            raise DataError(
                f"{table.path} has {len(texts)} rows, which leaves {sizes[0]} for training, "
                f"{sizes[1]} for validation and {sizes[2]} for test; each needs at least 1: give "
                "more rows or change the fractions"
            )
        classes = sorted(set(labels))
        codes = np.array([classes.index(label) for label in labels], dtype=np.int64)
        parts = split_stratified(codes, sizes, self.settings.split_seed)
        self.fit([texts[index] for index in parts[0]], classes, table.sha256)
        train, validation, test = (self.select(texts, codes, part) for part in parts)
        return self.note_words(str(table.path), Splits(train, validation, test))


def _check_labels(table: Table, labels: list[str]) -> None:
    counts = Counter(labels)
    forms: dict[str, list[str]] = {}
    for label in counts:
        forms.setdefault(_simplify(label), []).append(label)
    for alike in forms.values():
        if len(alike) > 1:
            NOTES.warning(
                "%s: the labels %s differ only in their form; they are different classes unless "
                "you make them equal",
                table.path,
                ", ".join(f"{quote(label)} ({counts[label]} rows)" for label in alike),
            )
    if len(counts) < 2:
        raise DataError(
            f"{table.path}: expected at least two different labels, got only {labels[0]!r} in "
            f"{len(labels)} rows"
        )
    for label, count in counts.items():
        if count < MIN_TEXTS_PER_LABEL:
            row = table.rows[labels.index(label)]
            raise DataError(
                f"{table.locate(row)}: expected at least {MIN_TEXTS_PER_LABEL} rows with label "
                f"{label!r}, got {count} of {len(labels)} rows"
            )


def _simplify(label: str) -> str:
    """Reduce a label to what is left without case, width, spaces and the form of a number."""
    plain = "".join(unicodedata.normalize("NFKC", label).casefold().split())
    return repr(float(plain) + 0.0) if is_number(plain) else plain

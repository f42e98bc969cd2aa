"""Text files in any encoding: the bytes as text, and a remedy where they are something else."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks.data.data_error import NOTES, DataError

__all__ = ["UTF_8", "Encoding", "decode"]

UTF_8 = "utf-8"
CONTAINERS = {  # the first bytes of files that are often taken for text
    b"PK\x03\x04": "a zip file or an Excel workbook (.xlsx)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"\x1f\x8b": "a gzip file",
    b"PAR1": "a Parquet file",
}


def _require_encoding(name: str) -> str:
    try:
        "a".encode(name)
    except (LookupError, ValueError) as error:
        raise InvalidValueError(
            f"expected an encoding that Python knows, such as utf-8, utf-16, cp1252 or shift_jis, "
            f"got {name!r}"
        ) from error
    return codecs.lookup(name).name


# The name of an encoding in the settings, in Python's spelling.
Encoding = Annotated[str, AfterValidator(_require_encoding)]


def decode(content: bytes, path: Path, encoding: str | None = None) -> str:
    """Decode the content of a file; a byte-order mark of UTF-8 has precedence over ``encoding``.

    Args:
        content: The bytes.
        path: The file, for messages.
        encoding: The setting ``data.encoding`` of the task; UTF-8 for a task without it.

    Raises:
        DataError: The bytes are not in this encoding, or are no text; the message gives a remedy.
    """
    for start, kind in CONTAINERS.items():
        if content.startswith(start):
            raise DataError(f"{path} is {kind}; save it as text (CSV) in UTF-8")
    with_mark = content.startswith(codecs.BOM_UTF8)
    chosen = "utf-8-sig" if with_mark else encoding or UTF_8
    try:
        text = content.decode(chosen)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x} is not {_name(chosen)}"
        raise DataError(f"{path}, line {line}: {found}; {_advise(content, encoding)}") from error
    except UnicodeError as error:
        raise DataError(
            f"{path} is not {_name(chosen)} ({error}); {_advise(content, encoding)}"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"{path}, line {line}: has a NUL character, so it is not text in {_name(chosen)}; "
            f"{_advise(content, encoding)}"
        )
    if encoding is not None and not chosen.startswith("utf"):
        _doubt(content, path, chosen)
    return text.removeprefix("\ufeff")


def _name(encoding: str) -> str:
    return encoding.removesuffix("-sig").upper()


def _advise(content: bytes, encoding: str | None) -> str:
    """Advise how to read these bytes; ``data.encoding`` only where the task has this setting."""
    found = _recognize(content)
    if found is not None and found == encoding:
        return "the file is damaged or cut; save it again, best in UTF-8"
    if encoding is None:
        known = "" if found is None else f" (it looks like {found.upper()})"
        return f"save the file in UTF-8{known}"
    if found is not None:
        return f"it looks like {found.upper()}: set data.encoding={found}, or save it in UTF-8"
    return (
        "save the file in UTF-8, or set data.encoding to the encoding of the file, such as "
        "data.encoding=cp1252 (Windows, Western Europe)"
    )


def _recognize(content: bytes) -> str | None:
    """Recognize UTF-16 and UTF-32 by their mark, and UTF-16 without a mark by its zero bytes."""
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = content[:1000]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) > len(start) // 4:
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _doubt(content: bytes, path: Path, encoding: str) -> None:
    """Warn of a file that is read in another encoding although it is valid UTF-8."""
    if content.isascii():
        return
    try:
        content.decode(UTF_8)
    except UnicodeDecodeError:
        return
    NOTES.warning(
        "%s is read as %s (data.encoding), but it is valid UTF-8; if letters with accents look "
        "wrong, set data.encoding=utf-8",
        path,
        _name(encoding),
    )

"""Paths of files that a user names, which may be anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from circuits import build_ansatz
from circuits.errors import InvalidValueError
from circuits.files import is_utf8, read_file


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/dev/zero", "a device or a pipe; copy its content"),
        ("/dev/full", "a device or a pipe"),
        ("pipe", "a device or a pipe"),
        ("huge", "1099511627776 bytes, but may have at most 1073741824"),
        (".", "Is a directory"),
        ("loop", "symbolic links"),
        ("a\0b", "not a path: embedded null"),
        ("x" * 5000, "File name too long"),
        ("\ud800", "not a path: .*surrogates"),
    ],
)
def test_what_is_no_file_of_bounded_size_is_refused_at_once(
    tmp_path: Path, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.symlink("loop", "loop")
    with open("huge", "wb") as huge:
        huge.truncate(1 << 40)  # takes no room
    with pytest.raises(OSError, match=message):
        read_file(name)
    with pytest.raises(InvalidValueError, match="cannot be opened") as caught:
        build_ansatz(f"./{name}" if name[0] != "/" else name, num_qubits=2)
    assert "\n" not in str(caught.value)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)))
    assert read_file(tmp_path / "file", 256) == bytes(range(256))
    with pytest.raises(OSError, match="256 bytes, but may have at most 255"):
        read_file(tmp_path / "file", 255)


def test_bytes_of_other_encodings_are_not_utf8() -> None:
    assert is_utf8("é 中 😀")
    assert not is_utf8(os.fsdecode(b"d\xe9"))

"""Reading of files that a user names, which may be anything that has a path."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from circuits.limits import MOST_FILE_BYTES

__all__ = ["expand_user", "is_utf8", "read_file"]


def expand_user(path: str | os.PathLike[str]) -> Path:
    """Return a path with the home of its user in place of ``~``, which stays without a home."""
    return Path(os.path.expanduser(path))  # Path.expanduser would raise


def is_utf8(text: str | os.PathLike[str]) -> bool:
    """Return whether a text can be written to a file as UTF-8.

    Python keeps the other bytes of an argument or of a file name as surrogates.
    """
    try:
        str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


def read_file(path: str | os.PathLike[str], most: int = MOST_FILE_BYTES) -> bytes:
    """Read a regular file; a pipe would wait for ever, and a device may have no end.

    Args:
        path: The file.
        most: The most bytes that it may have.

    Raises:
        OSError: It is missing, unreadable, too large, or not a regular file; ``strerror`` gives the
            reason.
    """
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(
                errno.EINVAL, "it is a device or a pipe; copy its content to a file", str(path)
            )
        if status.st_size > most:
            raise OSError(
                errno.EFBIG,
                f"it has {status.st_size} bytes, but may have at most {most}; use a part of it",
                str(path),
            )
        with open(path, "rb") as file:
            return file.read()
    except ValueError as error:  # a NUL character, or one without a form in this file system
        raise OSError(errno.EINVAL, f"this is not a path: {error}", ascii(str(path))) from error

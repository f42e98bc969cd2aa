"""Reading of user files: bytes, lines and arrays; every error message names the file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from circuits.files import expand_user, read_file
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.decoding import decode

__all__ = ["DataFile", "read_array", "read_bytes", "read_lines"]

# A path in the settings, made absolute so that a run can be resumed from any folder.
DataFile = Annotated[Path, AfterValidator(lambda path: expand_user(path).absolute())]


def read_bytes(path: Path) -> bytes:
    """Read the content of a file.

    Raises:
        DataError: The file is missing, a folder, unreadable or empty.
    """
    try:
        content = read_file(path)
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder; expected a file") from error
    except FileNotFoundError as error:
        raise DataError(
            f"{path} does not exist (looked in {path.absolute().parent}); give the path of a file"
        ) from error
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    if not content.strip():
        raise DataError(f"{path} is empty")
    return content


def read_lines(path: Path, encoding: str | None = None) -> list[str]:
    """Read the lines of a text file that are not blank.

    Args:
        path: The file.
        encoding: The setting ``data.encoding`` of the task; UTF-8 for a task without it.

    Raises:
        DataError: The file cannot be read, or has another encoding.
    """
    lines = decode(read_bytes(path), path, encoding).splitlines()
    return [line.strip() for line in lines if line.strip()]


def read_array(path: Path) -> NDArray[Any]:
    """Read the array of a .npy file; pickled objects are refused.

    Raises:
        DataError: The file cannot be read, or is not a .npy file of plain numbers.
    """
    content = read_bytes(path)
    try:
        array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (
        ValueError,
        EOFError,
        MemoryError,
        OverflowError,
    ) as error:  # the header may claim any size
        raise DataError(f"{path} is not a .npy file of plain numbers: {error}") from error
    return array

"""Square images from user files: .npy, IDX (the format of MNIST), or CSV."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.files import read_array, read_bytes
from qrnn_qiskit.tasks.data.tables import read_table

__all__ = ["read_idx", "read_images"]


def read_images(path: Path, side: int, brightest: int) -> NDArray[np.float64]:
    """Read images (N, side, side) with pixels from 0 to ``brightest``.

    The file is a .npy file of shape (N, side, side) or (N, side * side), an IDX file (its name
    contains "idx"), or a CSV file without a header and with one row per image.

    Raises:
        DataError: The file cannot be used; the message names the image.
    """
    if path.suffix != ".npy" and "idx" not in path.name:
        return _read_csv(path, side, brightest)
    array = read_array(path) if path.suffix == ".npy" else read_idx(path)
    if array.dtype.kind not in "iuf":
        raise DataError(f"{path}: expected real numbers, got {array.dtype} values")
    if len(array.shape) < 2 or array.shape[1:] not in {(side, side), (side * side,)}:
        raise DataError(
            f"{path}: expected shape (N, {side}, {side}) or (N, {side * side}), got {array.shape}"
        )
    images = array.astype(np.float64).reshape(-1, side, side)
    if len(images) == 0:
        raise DataError(f"{path} holds no image")
    places = [f"{path}, image {number}" for number in range(1, len(images) + 1)]
    return _check_pixels(images, places, brightest)


def _check_pixels(
    images: NDArray[np.float64], places: list[str], brightest: int
) -> NDArray[np.float64]:
    """Return the images (N, ...) if all pixels are valid; DataError names the first other one."""
    valid = (images >= 0) & (images <= brightest)  # false for NaN as well
    for image in np.flatnonzero(~valid.reshape(len(images), -1).all(axis=1)):
        pixel = images[image][~valid[image]][0]
        raise DataError(
            f"{places[image]}: expected pixel values from 0 to {brightest}, got {pixel:g}"
        )
    return images


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read the array of an IDX file of bytes, with or without gzip compression.

    Its header is two zero bytes, 8 for unsigned bytes, the rank, and each size in 4 bytes, most
    significant byte first.

    Raises:
        DataError: The file has another format.
    """
    content = read_bytes(path)
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is a damaged gzip file: {error}") from error
    rank = content[3] if len(content) > 3 else 0
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * rank:
        raise DataError(f"{path} is not an IDX file of bytes: it begins with {content[:4].hex()}")
    shape = tuple(np.frombuffer(content, ">u4", rank, offset=4).tolist())
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * rank)
    if len(values) != math.prod(shape):
        raise DataError(
            f"{path}: expected values of shape {shape} by its header, got {len(values)}; the file "
            "is truncated or damaged"
        )
    return values.reshape(shape)


def _read_csv(path: Path, side: int, brightest: int) -> NDArray[Any]:
    table = read_table(path, header=False)
    if len(table.columns) != side * side:
        raise DataError(
            f"{path}: expected {side * side} columns, the pixels of an image row by row, without a "
            f"header, got {len(table.columns)}"
        )
    images = table.read_numbers(table.columns).reshape(-1, side, side)
    return _check_pixels(images, [table.locate(row) for row in table.rows], brightest)

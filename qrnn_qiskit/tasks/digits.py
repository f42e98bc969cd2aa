"""Handwritten digits of 8x8 pixels, read one row of pixels per step."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from qrnn_qiskit.heads import LastStateHead
from qrnn_qiskit.tasks.base import DataSettings, Sequences, Splits, TaskModel
from qrnn_qiskit.tasks.classification import ClassificationTask
from qrnn_qiskit.tasks.data.images import read_images
from qrnn_qiskit.tasks.data.packages import find_package_file
from qrnn_qiskit.tasks.data.splitting import split_stratified
from qrnn_qiskit.tasks.registry import register

if TYPE_CHECKING:
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["Digits"]

SIDE = 8
BRIGHTEST = 16
SPLIT_SIZES = (1150, 250, 397)


@register
class Digits(ClassificationTask):
    """Ten classes, T = 8 steps of E = 8 pixels scaled to [0, 1]."""

    name = "digits"
    summary = "classify handwritten digits of 8x8 pixels, one row of pixels per step"
    source = "scikit-learn load_digits: 1,797 images, split 1,150 / 250 / 397"
    defaults: ClassVar[dict[str, Any]] = {
        "model.num_qubits": 4,
        "model.num_layers": 2,
        "model.controller_hidden": 32,
        "model.activation": "gelu",
        "train.epochs": 60,
        "train.batch_size": 64,
        "train.learning_rate": 0.01,
    }

    @classmethod
    def choose_defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Set g = pi/2 in measured mode: a measurement that is not projective learns more."""
        is_measured = given.get("model.readout") == "measured"
        if is_measured and given.get("model.coupling", "cry") == "cry":
            return cls.defaults | {"model.coupling_strength": math.pi / 2}
        return dict(cls.defaults)

    def __init__(self, settings: DataSettings) -> None:
        super().__init__(settings)
        self._sha256: str | None = None

    @property
    def classes(self) -> list[str]:
        """The digits "0" to "9"."""
        return [str(digit) for digit in range(10)]

    def load(self) -> Splits:
        """Load all images, with a split stratified by digit."""
        images, labels = _load_images()
        self._sha256 = _hash(images, labels)
        inputs = _scale(images)
        targets = torch.from_numpy(labels)
        train, validation, test = (
            Sequences(inputs[part], targets[part], rows=torch.from_numpy(part) + 1)
            for part in split_stratified(labels, SPLIT_SIZES, self.settings.split_seed)
        )
        return Splits(train, validation, test)

    def build(self, qrnn_factory: Callable[[int], RecurrentModel]) -> TaskModel:
        """Build a head on the last state for ten digits."""
        qrnn = qrnn_factory(SIDE)
        return TaskModel(qrnn, LastStateHead(qrnn, len(self.classes)))

    def read(self, path: Path) -> Sequences:
        """Read images with pixels from 0 to 16: .npy (N, 8, 8) or (N, 64), or CSV of 64 columns."""
        images = read_images(path, SIDE, BRIGHTEST)
        return Sequences(
            _scale(images),
            targets=torch.empty(len(images), 0),
            rows=torch.arange(1, len(images) + 1),
        )

    def fingerprint(self) -> str:
        """Return the SHA-256 of all pixels and labels."""
        if self._sha256 is None:
            self._sha256 = _hash(*_load_images())
        return self._sha256


def _load_images() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    # The file that sklearn.datasets.load_digits reads; importing sklearn takes a second.
    path = find_package_file("scikit-learn", "sklearn/datasets/data/digits.csv.gz")
    table = np.loadtxt(path, delimiter=",")
    return table[:, :-1].reshape(-1, SIDE, SIDE).copy(), table[:, -1].astype(np.int64)


def _hash(images: NDArray[np.float64], labels: NDArray[np.int64]) -> str:
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()


def _scale(images: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(images / BRIGHTEST)

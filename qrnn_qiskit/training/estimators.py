"""Estimators of scikit-learn: a QRNN inside Pipeline, GridSearchCV and cross_val_score."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from qrnn_qiskit.tasks.data.arrays import to_array
from qrnn_qiskit.tasks.data.dataset import Dataset
from qrnn_qiskit.training.fit import fit
from qrnn_qiskit.training.loading import TrainedModel

__all__ = ["QRNNClassifier", "QRNNRegressor"]

_LEAST = 1e-9  # share of the test split, which gets one sequence of each class


class _QRNNEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the two estimators share; see :class:`QRNNClassifier`."""

    model_: TrainedModel

    def __init__(
        self,
        num_qubits: int = 4,
        num_layers: int = 2,
        *,
        readout: str = "expectation",
        controller_hidden: int | None = 32,
        epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float = 0.01,
        validation_fraction: float = 0.15,
        random_state: int = 0,
        settings: Mapping[str, Any] | None = None,
        out: str | os.PathLike[str] | None = None,
    ) -> None:
        self.num_qubits = num_qubits
        self.num_layers = num_layers
        self.readout = readout
        self.controller_hidden = controller_hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.settings = settings
        self.out = out

    def _fit(self, x: Any, y: Any, goal: str) -> None:
        data = Dataset(_add_features(x), to_array(y), goal=goal)
        settings = {
            "model.num_qubits": self.num_qubits,
            "model.num_layers": self.num_layers,
            "model.readout": self.readout,
            "model.controller_hidden": self.controller_hidden,
            "train.epochs": self.epochs,
            "train.batch_size": self.batch_size,
            "train.learning_rate": self.learning_rate,
            "data.validation_fraction": self.validation_fraction,
            "data.test_fraction": _LEAST,
            "data.split_seed": self.random_state,
        }
        with tempfile.TemporaryDirectory() as place:
            self.model_ = fit(
                data,
                out=self.out or Path(place) / "run",
                seed=self.random_state,
                settings=settings | dict(self.settings or {}),
            )
        self.n_features_in_ = data.x.shape[2]

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class or the values of each sequence, in the form of ``y``.

        Raises:
            NotFittedError: ``fit`` was not called.
            DataError: The sequences have other features than those of ``fit``.
        """
        check_is_fitted(self)
        predicted: NDArray[Any] = self.model_.predict(_add_features(X))
        return predicted


class QRNNClassifier(ClassifierMixin, _QRNNEstimator):  # type: ignore[misc]
    """A QRNN that classifies sequences, as an estimator of scikit-learn.

    ``X`` is what :class:`qrnn_qiskit.Dataset` takes, (N, T, E) or a list of (T_i, E); of rank 2,
    (N, T), each step is one number. The weights are those that were best on a share of the
    sequences that is held out for validation.

    Args:
        num_qubits, num_layers, readout, controller_hidden: See :class:`qrnn_qiskit.QRNN`.
        epochs, batch_size, learning_rate: Of the training.
        validation_fraction: Share of the sequences for validation.
        random_state: Seed of the initial weights, of the batches and of the validation split.
        settings: Further configuration values by dotted key; ``qrnn tasks sequences`` lists them.
        out: Folder of the run; unless given, no folder is kept.

    Attributes:
        model_: The trained model, for ``runtime_jobs.plan`` and ``submit`` where ``out`` was given.
        classes_: (C,) the classes, in the order of ``predict_proba``.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train on sequences with their classes (N,), as integers or texts.

        Raises:
            DataError: The sequences or the classes cannot be used.
            ConfigError: A parameter is out of range.
        """
        self._fit(X, y, "classes")
        self.classes_ = np.unique(to_array(y))
        return self

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Predict the probability of each class, (N, C).

        Raises:
            NotFittedError: ``fit`` was not called.
        """
        check_is_fitted(self)
        return self.model_.predict_proba(_add_features(X))


class QRNNRegressor(RegressorMixin, _QRNNEstimator):  # type: ignore[misc]
    """A QRNN that predicts values of sequences; the arguments are those of the classifier."""

    def fit(self, X: Any, y: Any) -> Self:
        """Train on sequences with values (N,) or (N, k).

        Raises:
            DataError: The sequences or the values cannot be used.
            ConfigError: A parameter is out of range.
        """
        self._fit(X, y, "values")
        return self


def _add_features(x: Any) -> Any:
    """Return sequences whose steps are one number, (N, T), as (N, T, 1); others unchanged."""
    if isinstance(x, list | tuple):
        return x
    array = to_array(x)
    return array[:, :, None] if array.ndim == 2 else array

"""Estimators of scikit-learn: a QRNN inside Pipeline, GridSearchCV and cross_val_score."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d, validate_data

from qrnn_qiskit.tasks.data.arrays import to_array
from qrnn_qiskit.tasks.data.data_error import DataError
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

    def _fit(self, x: Any, y: NDArray[Any], goal: str) -> None:
        data = Dataset(self._read(x, reset=True), y, goal=goal)
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
        if not _is_table(x):
            self.n_features_in_ = data.x.shape[2]

    def _read(self, x: Any, *, reset: bool) -> Any:
        """Return sequences for a Dataset; a table (N, T) by the rules of scikit-learn.

        Args:
            x: The sequences.
            reset: Whether they set the number of features, or have to have it.
        """
        if not _is_table(x):
            return x
        least = 2 if reset else 1
        found = validate_data(self, X=x, reset=reset, ensure_min_samples=least)
        return np.asarray(found)[:, :, None]

    def _predict(self, x: Any) -> NDArray[Any]:
        check_is_fitted(self)
        predicted: NDArray[Any] = self.model_.predict(self._read(x, reset=False))
        return predicted

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        return tags


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
        labels = column_or_1d(_require(self, y), warn=True)
        check_classification_targets(labels)
        classes, places = np.unique(labels, return_inverse=True)
        # A Dataset takes integers and texts only; it keeps their order.
        self._names = classes.astype(str if classes.dtype.kind in "OUS" else np.int64)
        self._fit(X, self._names[places], "classes")
        self.classes_ = classes
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of each sequence, (N,).

        Raises:
            NotFittedError: ``fit`` was not called.
            DataError: The sequences have other features than those of ``fit``.
        """
        predicted = self._predict(X)
        found: NDArray[Any] = self.classes_[np.searchsorted(self._names, predicted)]
        return found

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Predict the probability of each class, (N, C).

        Raises:
            NotFittedError: ``fit`` was not called.
        """
        check_is_fitted(self)
        return self.model_.predict_proba(self._read(X, reset=False))


class QRNNRegressor(RegressorMixin, _QRNNEstimator):  # type: ignore[misc]
    """A QRNN that predicts values of sequences; the arguments are those of the classifier."""

    def fit(self, X: Any, y: Any) -> Self:
        """Train on sequences with values (N,) or (N, k).

        Raises:
            DataError: The sequences or the values cannot be used.
            ConfigError: A parameter is out of range.
        """
        values = check_array(_require(self, y), ensure_2d=False, allow_nd=True, dtype=np.float64)
        self._fit(X, values, "values")
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the values of each sequence, in the shape of ``y``.

        Raises:
            NotFittedError: ``fit`` was not called.
            DataError: The sequences have other features than those of ``fit``.
        """
        return self._predict(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _require(estimator: _QRNNEstimator, y: Any) -> NDArray[Any]:
    """Return targets as an array; a DataError without any."""
    if y is None:
        raise DataError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None"
        )
    return to_array(y)


def _is_table(x: Any) -> bool:
    """Return whether each step of all sequences is one number, (N, T), as scikit-learn has it.

    Arrays (N, T, E) and lists of sequences (T_i, E) are no tables.
    """
    if scipy.sparse.issparse(x):
        return True
    if isinstance(x, list | tuple):
        return not x or np.ndim(x[0]) < 2
    rank: int = x.ndim if hasattr(x, "ndim") else np.asarray(x).ndim
    return rank < 3

"""The estimators inside the tools of scikit-learn."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from qrnn_qiskit import QRNNClassifier, QRNNRegressor
from qrnn_qiskit.tasks import DataError

TINY: dict[str, Any] = {"num_qubits": 2, "num_layers": 1, "controller_hidden": 4, "epochs": 1}
X = np.random.default_rng(0).normal(size=(24, 3, 2))
Y = np.where(X[:, :, 0].sum(axis=1) > 0, "up", "down")


@pytest.mark.training
def test_a_classifier_works_in_a_pipeline_and_a_grid(tmp_path: Path) -> None:
    steps = make_pipeline(FunctionTransformer(np.tanh), QRNNClassifier(**TINY))
    grid = GridSearchCV(steps, {"qrnnclassifier__learning_rate": [0.01, 0.1]}, cv=2)
    grid.fit(X, Y)
    assert grid.best_params_["qrnnclassifier__learning_rate"] in (0.01, 0.1)
    probabilities = grid.predict_proba(X)
    np.testing.assert_array_equal(grid.classes_[probabilities.argmax(axis=1)], grid.predict(X))
    assert grid.score(X, Y) == np.mean(grid.predict(X) == Y)


@pytest.mark.training
def test_a_fitted_estimator_survives_pickle_and_its_clone_is_not_fitted(tmp_path: Path) -> None:
    model = QRNNClassifier(**TINY, out=tmp_path / "run").fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert model.model_.path == tmp_path / "run"
    other = clone(model)
    assert other.get_params() == model.get_params()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        other.predict(X)


@pytest.mark.training
def test_a_regressor_takes_series_of_one_number(tmp_path: Path) -> None:
    model = QRNNRegressor(**TINY).fit(X[:, :, 0], X[:, 0, 0])
    assert model.predict(X[:, :, 0]).shape == (24,)
    assert -10 < model.score(X[:, :, 0], X[:, 0, 0]) <= 1
    with pytest.raises(DataError, match=r"expected 1 features \(E\)"):
        model.predict(X)


def test_bad_parameters_and_data_are_refused() -> None:
    with pytest.raises(ValueError, match="epochs"):
        QRNNClassifier(epochs=0).fit(X, Y)
    with pytest.raises(DataError, match="a target for each of 24 sequences, got 23"):
        QRNNClassifier().fit(X, Y[:-1])
    with pytest.raises(ValueError, match="unknown key"):
        QRNNRegressor(settings={"model.qubits": 3}).fit(X, X[:, 0])

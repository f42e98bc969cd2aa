"""The estimators inside the tools of scikit-learn."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

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


@pytest.mark.training
def test_a_table_follows_the_rules_of_scikit_learn() -> None:
    table, labels = X[:, :, 0], np.where(Y == "up", 7, 3)[:, None]
    with pytest.warns(DataConversionWarning):
        model = QRNNClassifier(**TINY).fit(table.tolist(), labels)
    assert model.n_features_in_ == 3
    assert set(model.predict(table)) <= {3, 7}
    assert model.classes_.tolist() == [3, 7]
    with pytest.raises(ValueError, match="X has 2 features, but QRNNClassifier is expecting 3"):
        model.predict(table[:, :2])
    for wrong, message in (
        (scipy.sparse.csr_array(table), "Sparse data was passed"),
        (np.where(table > 1, np.nan, table), "contains NaN"),
        (table[0], "Reshape your data"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            QRNNClassifier(**TINY).fit(wrong, Y)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        QRNNClassifier(**TINY).fit(table, X[:, 0, 0])
    with pytest.raises(DataError, match="QRNNRegressor requires y to be passed"):
        QRNNRegressor().fit(X, None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [QRNNClassifier, QRNNRegressor])
def test_the_estimators_pass_the_checks_of_scikit_learn(kind: type[QRNNClassifier]) -> None:
    """All of them: a table (N, T) is a series of T numbers. None is expected to fail."""
    model = kind(num_qubits=2, num_layers=1, controller_hidden=4, epochs=30, learning_rate=0.03)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(model, on_fail=None, on_skip=None)
    wrong = {each["check_name"] for each in results if each["status"] != "passed"}
    assert wrong <= {"check_array_api_input"}  # skipped without SCIPY_ARRAY_API
    assert len(results) > 40


def test_bad_parameters_and_data_are_refused() -> None:
    with pytest.raises(ValueError, match="epochs"):
        QRNNClassifier(epochs=0).fit(X, Y)
    with pytest.raises(DataError, match="a target for each of 24 sequences, got 23"):
        QRNNClassifier().fit(X, Y[:-1])
    with pytest.raises(ValueError, match="unknown key"):
        QRNNRegressor(settings={"model.qubits": 3}).fit(X, X[:, 0])

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qrnn_qiskit.pictures import (
    draw_confusion,
    draw_evaluations,
    draw_readouts,
    draw_training,
)
from qrnn_qiskit.pictures.run import draw_run
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.trainer import train


def test_a_model_without_qubits_gets_the_pictures_it_can_have(
    create: Callable[..., RunFolder],
) -> None:
    run = create(epochs=2)
    train(run)
    files = draw_run(run.path)
    assert [file.name for file in files] == ["training.png", "confusion.png", "readouts.png"]
    assert sorted(files) == sorted((run.path / "pictures").iterdir())


def make_rows(count: int = 4, **others: float) -> list[dict[str, Any]]:
    return [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "gradient_norm_mean": 1.0,
            "gradient_norm_max": 2.0 * epoch,
            **others,
        }
        for epoch in range(1, count + 1)
    ]


def test_training_curves_show_losses_the_headline_and_gradient_norms() -> None:
    rows = make_rows(validation_accuracy=0.5, validation_cross_entropy=1.0)
    figure = draw_training(rows, "accuracy")
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "loss (nats)",
        "accuracy",
        "gradient norm\nbefore clipping",
    ]
    assert figure.axes[-1].get_xlabel() == "epoch"
    assert figure.axes[-1].get_yscale() == "log"
    largest, mean = figure.axes[-1].get_lines()
    np.testing.assert_array_equal(largest.get_xydata(), [(n, 2 * n) for n in range(1, 5)])
    np.testing.assert_array_equal(mean.get_ydata(), np.ones(4))


def test_a_headline_that_is_the_cross_entropy_is_drawn_once() -> None:
    figure = draw_training(make_rows(validation_cross_entropy=1.0), "cross_entropy")
    assert [len(axes.get_lines()) for axes in figure.axes] == [1, 1, 2]


def test_curves_need_an_epoch() -> None:
    with pytest.raises(ValueError, match="no epoch has been finished"):
        draw_training([], "accuracy")


def test_the_confusion_matrix_counts_actual_classes_by_row() -> None:
    figure = draw_confusion(
        np.array([0, 0, 0, 1, 2]), np.array([0, 0, 2, 1, 1]), ["a", "b", "long name"]
    )
    axes = figure.axes[0]
    written = {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in axes.texts
    }
    assert written == {(0, 0): "2", (0, 2): "1", (1, 1): "1", (2, 1): "1"}
    np.testing.assert_allclose(axes.images[0].get_array()[0], [2 / 3, 0, 1 / 3])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "actual class")
    assert axes.get_title() == "3 of 5 sequences correct (60.0%)"


def test_readouts_run_over_time_with_an_observable_in_each_row() -> None:
    values = np.linspace(-1, 1, 15).reshape(5, 3)
    figure = draw_readouts([values, values[:2]], ["X0", "Y0", "Z0"], ["first", "second"])
    first, second, bar = figure.axes
    np.testing.assert_array_equal(first.images[0].get_array(), values.T)
    assert second.images[0].get_array().shape == (3, 2)
    assert [label.get_text() for label in first.get_yticklabels()] == ["X0", "Y0", "Z0"]
    assert first.get_xlabel() == "time (steps)"
    assert first.images[0].get_clim() == (-1, 1)
    assert bar.get_ylabel() == "expectation value"


def test_readouts_of_large_observables_are_not_cut_off() -> None:
    figure = draw_readouts([np.array([[3.0], [-0.5]])], ["3 Z0"], ["one"])
    assert figure.axes[0].images[0].get_clim() == (-3, 3)


def test_evaluations_stand_side_by_side_with_their_errors() -> None:
    accuracy = [{"value": 0.9, "standard_error": 0.1}, {"value": 0.7, "standard_error": None}]
    loss = [{"value": 0.2, "standard_error": 0.05}, {"value": 0.4, "standard_error": 0.06}]
    figure = draw_evaluations(
        ["1: simulator", "2: a $ b"], {"accuracy": accuracy, "cross_entropy": loss}
    )
    left, right = figure.axes
    assert (left.get_xlabel(), right.get_xlabel()) == ("accuracy", "cross entropy (nats)")
    assert [label.get_text() for label in left.get_yticklabels()] == ["1: simulator", "2: a $ b"]
    np.testing.assert_allclose(right.containers[0].lines[0].get_xydata(), [(0.2, 0), (0.4, 1)])
    (bars,) = right.containers[0].lines[2]
    np.testing.assert_allclose(bars.get_segments()[1][:, 0], [0.34, 0.46])
    figure.savefig(io.BytesIO(), format="png")


def test_proportions_are_drawn_with_their_interval_and_panels_in_two_columns() -> None:
    exact = {"value": 1.0, "standard_error": 0.0, "interval": [0.7225, 1.0]}
    figure = draw_evaluations(
        ["1: simulator", "2: aer"], {name: [exact, exact] for name in ("a", "b", "c")}
    )
    assert len(figure.axes) == 3
    places = [axes.get_position().x0 for axes in figure.axes]
    assert places[0] == places[2] < places[1]
    assert figure.get_figwidth() < 10
    (bars,) = figure.axes[0].containers[0].lines[2]
    np.testing.assert_allclose(bars.get_segments()[0][:, 0], [0.7225, 1.0])
    assert "95 %" in figure.axes[0].get_legend().get_texts()[0].get_text()


def test_a_confusion_matrix_names_its_device() -> None:
    figure = draw_confusion(np.array([0, 1]), np.array([0, 0]), ["a", "b"], "aer?shots=5")
    assert figure.axes[0].get_title() == "aer?shots=5: 1 of 2 sequences correct (50.0%)"

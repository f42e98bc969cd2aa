from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from qrnn_qiskit.inspection import Influence
from qrnn_qiskit.pictures.hidden_state import draw_bloch, draw_entropy, draw_influence


def test_bloch_vectors_have_a_panel_for_each_sequence_and_qubit() -> None:
    first, second = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 5, 2, 3))
    figure = draw_bloch([first, second[:3]], ["one", "two $5_$"])
    assert [axes.get_title() for axes in figure.axes] == [
        "one, qubit 0",
        "one, qubit 1",
        "two $5_$, qubit 0",
        "two $5_$, qubit 1",
    ]
    lines = {line.get_label(): line for line in figure.axes[3].get_lines()}
    assert set(lines) == {"X", "Y", "Z", "length"}
    np.testing.assert_array_equal(
        lines["Y"].get_xydata(), np.stack(([1, 2, 3], second[:3, 1, 1]), 1)
    )
    np.testing.assert_allclose(lines["length"].get_ydata(), np.sqrt((second[:3, 1] ** 2).sum(1)))
    assert figure.get_supxlabel() == "time (steps)"
    figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize(("qubits", "shown"), [(4, 8), (6, 6)])
def test_many_qubits_are_drawn_for_the_first_sequence_alone(qubits: int, shown: int) -> None:
    figure = draw_bloch([np.zeros((3, qubits, 3))] * 2, ["a", "b"])
    assert sum(axes.get_visible() for axes in figure.axes) == shown


def test_entropy_is_a_mean_with_its_spread_below_what_is_possible() -> None:
    values = np.array([[0.0, 0.5], [0.2, 0.7]])
    figure = draw_entropy([values, values[:1]], ["both $", "one"], num_qubits=4)
    (axes,) = figure.axes
    both, one, most = axes.get_lines()
    np.testing.assert_allclose(both.get_xydata(), [(1, 0.1), (2, 0.6)])
    np.testing.assert_allclose(one.get_ydata(), [0.0, 0.5])
    assert most.get_ydata()[0] == 2
    assert axes.get_ylabel() == "entropy of qubits 0 to 1 (bits)"
    assert len(axes.collections) == 1  # a band for more than one sequence
    figure.savefig(io.BytesIO(), format="png")


def test_influence_is_shown_by_input_and_by_angle() -> None:
    values = torch.tensor([[0.3, 0.4], [0.0, 0.1], [0.6, 0.8]])
    figure = draw_influence(Influence(values, 1, ["input 0", "X0", "X1"]))
    bars, heat, scale = figure.axes
    widths = [bar.get_width() for container in bars.containers for bar in container]
    np.testing.assert_allclose(widths, values.square().mean(1).sqrt())
    assert [label.get_text() for label in bars.get_yticklabels()] == ["input 0", "X0", "X1"]
    assert [text.get_text() for text in bars.get_legend().get_texts()] == ["input", "feedback"]
    np.testing.assert_array_equal(heat.images[0].get_array(), values)
    assert scale.get_ylabel() == "change of the angle (radians)"


def test_a_model_without_feedback_has_no_legend_for_it() -> None:
    figure = draw_influence(Influence(torch.ones(100, 2), 100, [f"input {k}" for k in range(100)]))
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["input"]


def test_the_qubits_of_many_registers_are_rows_of_heat_maps() -> None:
    values = np.random.default_rng(1).uniform(-0.5, 0.5, (5, 88, 3))
    figure = draw_bloch([values, values], ["first $", "second"])
    *panels, _ = figure.axes
    assert [axes.get_title() for axes in panels] == ["X", "Y", "Z", "length"]
    np.testing.assert_array_equal(panels[1].images[0].get_array(), values[:, :, 1].T)
    lengths = np.sqrt((values**2).sum(2)).T
    np.testing.assert_allclose(panels[3].images[0].get_array(), lengths)
    assert figure.get_suptitle() == "first $"
    assert figure.get_figheight() < 14
    figure.savefig(io.BytesIO(), format="png", dpi=40)

from __future__ import annotations

import numpy as np
import pytest
import torch

from qrnn_qiskit.tasks.translation.attention import SoftAttention
from qrnn_qiskit.tasks.translation.picture import draw_attention


def test_weights_are_a_softmax_over_the_valid_steps_of_the_memory() -> None:
    torch.manual_seed(0)
    attention = SoftAttention(5, 4, 3).double()
    queries, memory = torch.randn(2, 6, 5).double(), torch.randn(2, 7, 4).double()
    context, weights = attention(queries, memory, torch.tensor([7, 3]))
    assert context.shape == (2, 6, 3)
    assert torch.allclose(weights.sum(2), torch.ones(2, 6).double())
    assert (weights[1, :, 3:] == 0).all()
    scores = attention.query(queries[1, 2]) @ attention.key(memory[1, :3]).T / 3**0.5
    expected = scores.softmax(0) @ attention.value(memory[1, :3])
    assert torch.allclose(context[1, 2], expected)
    shorter, _ = attention(queries[1:], memory[1:, :3])
    assert torch.allclose(shorter, context[1:])


def test_the_map_has_a_row_for_each_word_of_the_translation() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(5), size=(2, 4))
    sentences = [(["ein", "$satz", "."], ["a", "sentence"]), (["ja"] * 5, ["yes"] * 4)]
    figure = draw_attention(weights, sentences)
    first, second, bar = figure.axes
    assert [label.get_text() for label in first.get_xticklabels()] == ["ein", "$satz", "."]
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "sentence"]
    assert np.array_equal(first.images[0].get_array(), weights[0, :2, :3])
    assert second.images[0].get_array().shape == (4, 5)
    assert first.get_xlabel()
    assert first.get_ylabel()
    assert bar.get_ylabel() == "attention weight"
    figure.savefig("/dev/null", format="png")


def test_attention_lets_the_gradient_reach_the_memory() -> None:
    attention = SoftAttention(2, 2, 2)
    memory = torch.randn(1, 3, 2, requires_grad=True)
    context, _ = attention(torch.randn(1, 1, 2), memory, torch.tensor([2]))
    context.sum().backward()
    assert memory.grad is not None
    assert memory.grad[0, :2].abs().min() > 0
    assert memory.grad[0, 2].tolist() == pytest.approx([0, 0])

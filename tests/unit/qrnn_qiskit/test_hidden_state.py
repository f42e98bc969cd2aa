"""The state that a model returns: selecting sequences, moving."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from qrnn_qiskit import QRNN, HiddenState


def make() -> QRNN:
    torch.manual_seed(0)
    return QRNN(2, 3, controller_hidden=5, dtype=torch.float64)


def draw() -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(3, 6, 2, dtype=torch.float64, generator=random)


def assert_close(one: Tensor | None, other: Tensor | None) -> None:
    torch.testing.assert_close(one, other, rtol=0.0, atol=1e-12)


def make_state() -> HiddenState:
    readouts = torch.arange(8.0, dtype=torch.float64).reshape(4, 2)
    return HiddenState(readouts, vector=torch.randn(4, 2, dtype=torch.complex128))


@pytest.mark.parametrize("index", [1, -3, np.int64(1)])
def test_states_are_indexed_over_the_batch(index: Any) -> None:
    state = make_state()
    one = state[index]
    assert len(state) == 4
    assert len(one) == 1
    assert torch.equal(one.readouts, state.readouts[1:2])
    assert one.vector is not None
    assert state.vector is not None
    assert torch.equal(one.vector, state.vector[1:2])
    assert one.density is None


def test_states_are_indexed_by_slices_masks_and_lists() -> None:
    state = make_state()
    mask = torch.tensor([True, False, True, False])
    for index in (slice(0, 4, 2), mask, [0, 2], torch.tensor([0, 2])):
        assert torch.equal(state[index].readouts, state.readouts[[0, 2]])
    assert [float(one.readouts[0, 0]) for one in state] == [0.0, 2.0, 4.0, 6.0]  # type: ignore[attr-defined]
    for beyond in (4, -5):
        with pytest.raises(IndexError, match=f"sequence {beyond} of a state of 4 sequences"):
            state[beyond]


def test_selected_states_carry_on() -> None:
    model, x = make(), draw()
    _, state = model(x)
    expected, _ = model(x, state)
    for index in ([2, 0], torch.tensor([2, 0])):
        assert_close(model(x[[2, 0]], state[index])[0], expected[[2, 0]])
    assert_close(model(x[1:2], state[1])[0], expected[1:2])


def test_states_move_to_a_device() -> None:
    state = make_state()
    moved = state.to("cpu", copy=True)
    assert torch.equal(moved.readouts, state.readouts)
    assert moved.readouts is not state.readouts

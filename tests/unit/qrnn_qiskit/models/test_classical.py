"""Hidden units that are rounded to a few bits after each step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from qrnn_qiskit.models import GRU
from qrnn_qiskit.training.build import build_recurrent
from qrnn_qiskit.training.schema import ModelConfig

LENGTHS = torch.tensor([7, 2, 5])


def build(memory_bits: int | None) -> tuple[GRU, Tensor]:
    torch.manual_seed(4)
    model = GRU(3, 5, memory_bits=memory_bits, dtype=torch.float64)
    return model, torch.randn(3, 7, 3, dtype=torch.float64)


def test_two_bits_leave_four_values() -> None:
    model, x = build(2)
    values = model(x)[0].unique()
    assert 3 <= len(values) <= 4
    torch.testing.assert_close(values * 3, (values * 3).round())


def test_many_bits_are_the_floats_also_in_the_gradient() -> None:
    (model, x), (rounded, _) = build(None), build(16)
    losses = [each(x, lengths=LENGTHS)[0].square().sum() for each in (model, rounded)]
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-3, atol=0)
    grads = [
        torch.autograd.grad(loss, list(each.parameters()))
        for loss, each in zip(losses, (model, rounded), strict=True)
    ]
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-2, atol=1e-3)


def test_the_rounded_state_is_all_that_is_carried_on() -> None:
    model, x = build(3)
    output, state = model(x, lengths=LENGTHS)
    _, middle = model(x[:, :4], lengths=LENGTHS.clamp(max=4))
    later, last = model(x[:1, 4:], middle[0])
    torch.testing.assert_close(later[0], output[0, 4:])
    torch.testing.assert_close(last.readouts[0], state.readouts[0])
    torch.testing.assert_close(state.readouts[1], output[1, 1])
    assert not output[1, 2:].any()


@pytest.mark.parametrize("bits", [0, 17])
def test_other_numbers_of_bits_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=rf"memory_bits.*got {bits}"):
        build(bits)


def test_models_without_bounded_units_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model.memory_bits=4.*'lstm'; set it to none"):
        build_recurrent(ModelConfig(kind="lstm", memory_bits=4), 3)

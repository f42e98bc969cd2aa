"""Controllers: the standard one, what is done to it, and others in its place."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from qrnn_qiskit import QRNN
from qrnn_qiskit.controller import Controller


def make(**arguments: Any) -> QRNN:
    torch.manual_seed(0)
    return QRNN(2, 3, controller_hidden=5, dtype=torch.float64, **arguments)


def draw() -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(3, 6, 2, dtype=torch.float64, generator=random)


def assert_close(one: Tensor | None, other: Tensor | None) -> None:
    torch.testing.assert_close(one, other, rtol=0.0, atol=1e-12)


def test_controllers_take_any_leading_dimensions() -> None:
    controller = make().controller
    inputs = torch.randn(4, 3, 11, dtype=torch.float64)
    whole = controller(inputs)
    assert whole.shape == (4, 3, 6)
    assert_close(controller(inputs[1, 2]), whole[1, 2])


def test_gains_scale_the_initial_weights() -> None:
    plain, scaled = make(), make(feedback_gain=0.2, angle_gain=0.1)
    first, last = "controller.layers.0.weight", "controller.layers.3.weight"
    before, after = plain.state_dict(), scaled.state_dict()
    assert_close(after[first][:, :2], before[first][:, :2])
    assert_close(after[first][:, 2:], 0.2 * before[first][:, 2:])
    assert_close(after[last], 0.1 * before[last])


class Constant(nn.Module):
    """Angles 1, 2, 3, ... for every input."""

    def __init__(self, width: int, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.angles = torch.arange(1.0, width + 1.0, dtype=dtype)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.angles.expand(len(inputs), -1)


@pytest.mark.parametrize("width", [5, 7])
def test_controllers_must_return_one_angle_for_each_parameter(width: int) -> None:
    model = make()
    model.controller = Constant(width)
    message = rf"must return 6 angles.*\(3, 6\), but returned \(3, {width}\)"
    with pytest.raises(ValueError, match=message):
        model(draw())


def test_controllers_must_return_the_dtype_of_the_model() -> None:
    model = make()
    model.controller = Constant(6, torch.float32)
    with pytest.raises(TypeError, match=r"dtype torch\.float64, but returned torch\.float32"):
        model(draw())


@pytest.mark.parametrize("place", ["", "layers.0", "layers.1", "layers.3"])
@pytest.mark.parametrize("is_copied", [False, True])
def test_hooks_of_the_controller_are_called(place: str, is_copied: bool) -> None:
    model, x = make(), draw()
    model = copy.deepcopy(model) if is_copied else model
    plain = model(x)[0]
    hooked = model.controller.get_submodule(place)
    calls = []
    handle = hooked.register_forward_hook(lambda *_: calls.append(1))
    assert_close(model(x)[0], plain)
    assert len(calls) == 6
    handle.remove()
    assert torch.equal(model(x)[0], plain)
    assert len(calls) == 6


def test_a_replaced_layer_is_used() -> None:
    model, x = make(), draw()
    assert isinstance(model.controller, Controller)
    model.controller.layers[1] = nn.Tanh()
    first, last = model.controller.layers[0], model.controller.layers[3]
    inputs = torch.cat((x[:, 0], model.angles(x).new_tensor([0.0] * 6 + [1.0] * 3).expand(3, 9)), 1)
    assert_close(model.angles(x)[:, 0], last(first(inputs).tanh()).detach())


@pytest.mark.parametrize("place", [0, 3])
def test_dtype_and_device_are_those_of_a_replaced_layer(place: int) -> None:
    model = make()
    layers = model.get_submodule("controller.layers")
    assert isinstance(layers, nn.Sequential)
    old = layers[place]
    assert isinstance(old, nn.Linear)
    layers[place] = nn.Linear(old.in_features, old.out_features)
    model.float()
    assert model.dtype == torch.float32
    assert model(draw().float())[0].dtype == torch.float32
    assert model.to("meta").device.type == "meta"


class Doubled(nn.Sequential):
    """Twice what comes out of the layers."""

    def forward(self, input: Tensor) -> Tensor:
        return 2.0 * super().forward(input)


def test_a_module_that_stands_in_for_all_layers_is_used() -> None:
    model, x = make(), draw()
    expected = 2.0 * model.angles(x)[:, 0]
    layers = model.get_submodule("controller.layers")
    model.controller.layers = Doubled(*layers.children())
    assert_close(model.angles(x)[:, 0], expected)


def test_reparametrized_layers_are_used() -> None:
    model, x = make(), draw()
    first = model.get_submodule("controller.layers.0")
    nn.utils.parametrizations.weight_norm(first)
    model(x)[0].sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
    nn.utils.parametrize.remove_parametrizations(first, "weight")


def test_what_dropout_keeps_counts_as_memory() -> None:
    """Dropout keeps the factors of the hidden units twice: as drawn, and as laid out."""
    without, dropping = (
        Controller(3, 2, 4, hidden_size=7, dropout=dropout).kept for dropout in (0.0, 0.5)
    )
    assert dropping.of_step - without.of_step == 2 * 7
    assert dropping.of_block == without.of_block
    linear = [Controller(3, 2, 4, activation="linear", dropout=each).kept for each in (0.0, 0.5)]
    assert linear[0] == linear[1]

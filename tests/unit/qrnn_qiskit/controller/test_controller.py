"""Controllers: the standard one, what is done to it, and others in its place."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune as prune_weights

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


class DoubledLinear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return 2.0 * super().forward(input)


def replace_forward(controller: Any, layer: int) -> None:
    module = controller if layer < 0 else controller.layers[layer]
    original = module.forward
    module.forward = lambda inputs: 2.0 * original(inputs)


def replace_sequential(controller: Any) -> None:
    original = controller.layers.forward
    controller.layers.forward = lambda inputs: 2.0 * original(inputs)


def swap_class(controller: Any) -> None:
    controller.layers[3].__class__ = DoubledLinear


def swap_activation(controller: Any) -> None:
    controller.layers[1].__class__ = nn.Tanh


def approximate(controller: Any) -> None:
    controller.layers[1].approximate = "tanh"


def remove_bias(controller: Any) -> None:
    controller.layers[3].bias = None


def parametrize(controller: Any) -> None:
    nn.utils.parametrizations.spectral_norm(controller.layers[0])


def normalize(controller: Any) -> None:
    nn.utils.parametrizations.weight_norm(controller.layers[3])
    with torch.no_grad():
        controller.layers[3].parametrizations.weight.original0.mul_(2.0)


def prune(controller: Any) -> None:
    prune_weights.l1_unstructured(controller.layers[0], "weight", amount=0.5)


def replace_hooks(controller: Any) -> None:
    """Some programs replace the dictionary of hooks to remove them all, and add hooks later."""
    controller.layers[3]._forward_hooks = OrderedDict()
    controller.layers[3].register_forward_hook(lambda _m, _i, output: 2.0 * output)


def change_output_in_hook(controller: Any) -> None:
    controller.layers[1].register_forward_hook(lambda _m, _i, output: 0.5 * output)


CHANGES = [
    lambda c: replace_forward(c, -1),
    lambda c: replace_forward(c, 0),
    lambda c: replace_forward(c, 1),
    replace_sequential,
    swap_class,
    swap_activation,
    approximate,
    remove_bias,
    parametrize,
    normalize,
    prune,
    replace_hooks,
    change_output_in_hook,
]


@pytest.mark.parametrize("readout", ["expectation", "none"])
@pytest.mark.parametrize("change", CHANGES)
def test_changed_modules_compute_what_they_say(change: Any, readout: str) -> None:
    """The compiled recurrence would ignore these changes; a wrapper never takes it."""

    class Wrapped(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, inputs: Tensor) -> Tensor:
            angles: Tensor = self.inner(inputs)
            return angles

    model, x = make(readout=readout), draw()
    plain = model(x)[0]
    change(model.controller)
    assert isinstance(model.controller, Controller)
    assert model.controller.find_weights() is None
    model.eval()  # spectral norm updates its estimate in training
    found = model(x)[0]
    assert not torch.allclose(found, plain)
    model.controller = Wrapped(model.controller)
    assert_close(found, model(x)[0])


def test_an_activation_of_another_class_counts() -> None:
    """Its name is read from the module, so that the compiled recurrence may take it."""
    model, x = make(), draw()
    model.get_submodule("controller.layers.1").__class__ = nn.ReLU
    other = QRNN(2, 3, controller_hidden=5, dtype=torch.float64, activation="relu")
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(x)[0], other(x)[0])


def test_hooks_on_all_modules_are_called() -> None:
    model, x, seen = make(), draw().requires_grad_(), []
    plain = model(x)[0]
    for register in (
        nn.modules.module.register_module_forward_hook,
        nn.modules.module.register_module_forward_pre_hook,
        nn.modules.module.register_module_full_backward_hook,
        nn.modules.module.register_module_full_backward_pre_hook,
    ):
        seen.clear()
        handle = register(lambda module, *_: seen.append(type(module)))
        try:
            output = model(x)[0]
            output.sum().backward()
        finally:
            handle.remove()
        assert_close(output, plain)
        assert seen.count(nn.Linear) == 12
    assert torch.equal(model(x)[0], plain)


def test_a_forward_replaced_for_all_modules_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = make(), draw()
    plain, original = model(x)[0], nn.Linear.forward
    monkeypatch.setattr(nn.Linear, "forward", lambda self, inputs: 2.0 * original(self, inputs))
    assert not torch.allclose(model(x)[0], plain)
    monkeypatch.undo()
    assert torch.equal(model(x)[0], plain)

"""Tensors without memory of their own, wherever compiled code takes an address."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.masked import masked_tensor
from torch.utils import _pytree as pytree

from qrnn_qiskit import QRNN, HiddenState

MODES: list[dict[str, Any]] = [
    {},
    {"reset_state": True},
    {"engine": "torch"},
    {"readout": "measured"},
    {"readout": "measured", "num_trajectories": 3},
]
FIELDS = {0: "vector", 1: "vector", 2: "vector", 3: "density", 4: "trajectories"}


class Wrapper(Tensor):
    """A tensor whose numbers are in another tensor, as in MaskedTensor and DTensor."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Wrapper:
        wrapper: Wrapper = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, inner.shape, dtype=inner.dtype, device=inner.device
        )
        wrapper.inner = inner
        return wrapper

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = pytree.tree_map_only(Wrapper, lambda w: w.inner, (args, kwargs or {}))
        return pytree.tree_map_only(Tensor, Wrapper, func(*args, **kwargs))


class Named(Tensor):
    """A tensor with memory of its own and a name, as many libraries have them."""


def make(mode: int = 0) -> QRNN:
    torch.manual_seed(0)
    return QRNN(3, 2, controller_hidden=5, **MODES[mode])


def draw() -> Tensor:
    return torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1))


def fake(x: Tensor) -> Tensor:
    with FakeTensorMode() as mode:
        return mode.from_tensor(x)


WITHOUT_MEMORY: dict[str, Callable[[Tensor], Tensor]] = {
    "a MaskedTensor": lambda x: masked_tensor(x, x > 0),  # type: ignore[no-untyped-call]
    "a Wrapper": Wrapper,
    "a FakeTensor": fake,
    r"a tensor of layout torch\.sparse_coo": lambda x: x.to_sparse(),
    r"a tensor of layout torch\._mkldnn": lambda x: x.to_mkldnn(),
    "a nested tensor": lambda x: torch.nested.nested_tensor(list(x.unbind())),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # prototypes of torch
@pytest.mark.parametrize("found", WITHOUT_MEMORY)
@pytest.mark.parametrize("mode", range(len(MODES)))
def test_inputs_without_memory_are_refused(mode: int, found: str) -> None:
    with pytest.raises(TypeError, match=f"expected x as a plain torch.Tensor.*got {found}"):
        make(mode)(WITHOUT_MEMORY[found](draw()))


@pytest.mark.parametrize("mode", range(len(MODES)))
def test_states_and_lengths_without_memory_are_refused(mode: int) -> None:
    model, x = make(mode), draw()
    state = model(x)[1].detach()
    name = FIELDS[mode]
    for field in {name} if mode == 4 else {name, "readouts"}:
        wrapped = dataclasses.replace(state, **{field: Wrapper(getattr(state, field))})
        with pytest.raises(TypeError, match=rf"expected state\.{field} as a plain.*a Wrapper"):
            model(x, wrapped)
    with pytest.raises(TypeError, match=r"expected lengths as a plain.*a Wrapper"):
        model(x, None, Wrapper(torch.tensor([1, 2])))


@pytest.mark.parametrize("mode", [0, 1, 3, 4])
def test_weights_without_memory_are_refused_where_they_leave_torch(mode: int) -> None:
    """The controller itself runs as torch operations; its angles must be plain."""
    model = make(mode)
    for layer in (model.get_submodule("controller.layers.0"),):
        assert isinstance(layer, nn.Linear)
        layer.weight = nn.Parameter(Wrapper(layer.weight.detach()), requires_grad=False)
    with pytest.raises(TypeError, match="got a Wrapper"):
        model(draw())


@pytest.mark.parametrize("mode", [0, 1, 3])
def test_gradients_without_memory_are_refused(mode: int) -> None:
    model = make(mode)
    output = model(draw())[0]
    with pytest.raises(TypeError, match=r"expected a gradient as a plain.*a Wrapper"):
        torch.autograd.grad(output, list(model.parameters()), Wrapper(torch.ones_like(output)))


def test_a_gradient_of_zeros_without_memory_is_refused() -> None:
    model = make()
    output = model(draw())[0]
    zeros = torch._efficientzerotensor(output.shape)
    with pytest.raises(TypeError, match="without memory"):
        torch.autograd.grad(output, list(model.parameters()), zeros)


@pytest.mark.parametrize("mode", range(len(MODES)))
def test_subclasses_with_memory_are_plain(mode: int) -> None:
    """As inputs, states, lengths, weights and gradients."""
    model, x = make(mode), draw()
    torch.manual_seed(2)
    expected, state = model(x, None, torch.tensor([3, 2]))
    gradients = torch.autograd.grad(expected.sum(), list(model.parameters()))
    named = copy.deepcopy(model)
    for layer in (0, 3):
        linear = named.get_submodule(f"controller.layers.{layer}")
        assert isinstance(linear, nn.Linear)
        linear.weight = nn.Parameter(linear.weight.detach().as_subclass(Named))
    torch.manual_seed(2)
    output, _ = named(x.as_subclass(Named), None, torch.tensor([3, 2]).as_subclass(Named))
    torch.testing.assert_close(output.as_subclass(Tensor), expected)
    ones = torch.ones_like(expected).as_subclass(Named)
    found = torch.autograd.grad(output, list(named.parameters()), ones)
    for one, other in zip(found, gradients, strict=True):
        torch.testing.assert_close(one.as_subclass(Tensor), other, rtol=0.0, atol=1e-5)
    carried = HiddenState(
        **{
            field.name: None if value is None else value.detach().as_subclass(Named)
            for field in dataclasses.fields(state)
            for value in [getattr(state, field.name)]
        }
    )
    torch.manual_seed(2)
    again = model(x, carried)[0]
    torch.manual_seed(2)
    torch.testing.assert_close(again.as_subclass(Tensor), model(x, state)[0])


def test_inputs_of_a_subclass_have_gradients() -> None:
    x = draw().as_subclass(Named).requires_grad_()
    make()(x)[0].sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_a_parameter_is_plain() -> None:
    x = nn.Parameter(draw())
    assert torch.equal(make()(x)[0], make()(x.detach())[0])


def test_a_model_without_numbers_is_refused() -> None:
    with pytest.raises(TypeError, match="a tensor on the device meta"):
        make().to("meta")(draw().to("meta"))

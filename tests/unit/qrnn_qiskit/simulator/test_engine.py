"""Memory that is handed over to the kernels by address."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from circuits import build_ansatz, build_readout
from qrnn_qiskit import QRNN
from qrnn_qiskit.simulator import Simulator, advance, begin
from qrnn_qiskit.simulator.engine import lay_out
from qrnn_qiskit.simulator.lanes import VECTOR_BYTES


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("num_qubits", "batch"), [(1, 1), (4, 7), (6, 40)])
def test_a_pair_is_aligned_and_half_a_page_apart(
    num_qubits: int, batch: int, dtype: torch.dtype
) -> None:
    ansatz = build_ansatz("linear", num_qubits=num_qubits)
    names = [parameter.name for parameter in ansatz.parameters]
    observables = build_readout(num_qubits=num_qubits).observables
    simulator = Simulator(ansatz.circuit, names, observables, dtype)
    states = simulator.allocate_states(batch)
    pair = simulator.allocate_pair(batch)
    places = [row.data_ptr() for row in pair]
    assert not any(place % VECTOR_BYTES for place in (states.data_ptr(), *places))
    assert (places[1] - places[0]) % 4096 == 2048
    assert all(row.numel() >= states.numel() for row in pair)


def scramble(tensor: Tensor) -> list[Tensor]:
    """The same numbers in other layouts: transposed, strided, with a negative bit, expanded."""
    strided = torch.stack((tensor, torch.full_like(tensor, 9.0)), -1)[..., 0]
    negative = torch.complex(torch.zeros_like(tensor), -tensor).conj().imag
    assert negative.is_neg()
    return [tensor.transpose(0, 1).contiguous().transpose(0, 1), strided, negative]


def test_layouts_do_not_change_the_numbers() -> None:
    torch.manual_seed(0)
    model = QRNN(2, 3, dtype=torch.float64)
    x = torch.randn(5, 4, 2, dtype=torch.float64)
    expected, state = model(x)
    gradient = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, list(model.parameters()), gradient)
    for other in scramble(x):
        assert torch.equal(model(other)[0], expected)
    for other in scramble(gradient):
        found = torch.autograd.grad(model(x)[0], list(model.parameters()), other)
        assert all(map(torch.equal, found, wanted))
    assert state.vector is not None
    following = model(x, state)[0]
    conjugate = state.vector.conj().resolve_conj().conj()
    assert conjugate.is_conj()
    carried = type(state)(state.readouts, vector=conjugate)
    assert torch.equal(model(x, carried)[0], following)
    weight = model.controller.layers[0].weight
    weight.data = weight.data.t().contiguous().t()
    assert torch.equal(model(x)[0], expected)


def test_a_plain_tensor_is_handed_over_as_it_is() -> None:
    tensor = torch.rand(3, 4)
    assert lay_out("x", tensor, (3, 4), torch.float32) is tensor


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(TypeError, match=r"x must be torch\.float64 on the CPU, and torch\.float32"):
        lay_out("x", torch.rand(3, 4), (3, 4), torch.float64)
    with pytest.raises(TypeError, match=r"and torch\.float32 on meta arrived"):
        lay_out("x", torch.rand(3, 4, device="meta"), (3, 4), torch.float32)
    with pytest.raises(TypeError, match="and NoneType arrived"):
        lay_out("x", None, (3, 4), torch.float32)
    with pytest.raises(ValueError, match=r"x must have shape \(4, 3\), and \(3, 4\) arrived"):
        lay_out("x", torch.rand(3, 4), (4, 3), torch.float32)


@pytest.mark.parametrize(
    ("layer", "name", "weight", "message"),
    [
        (3, "weight", nn.Parameter(torch.rand(12, 32).double()), "controller's output must be"),
        (3, "weight", nn.Parameter(torch.rand(12, 31)), r"output must have shape \(12, 32\)"),
        (3, "bias", None, "output_bias must be torch.float32 on the CPU, and NoneType"),
        (0, "weight", nn.Parameter(torch.rand(32, 5)), r"first must have shape \(32, 11\)"),
        (0, "bias", nn.Parameter(torch.rand(3)), r"first_bias must have shape \(32,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    layer: int, name: str, weight: Any, message: str
) -> None:
    model = QRNN(2, 3, 2)
    setattr(model.controller.layers[layer], name, weight)
    with pytest.raises((TypeError, ValueError), match=message):
        model(torch.rand(1, 2, 2))


@pytest.mark.parametrize("angles", [torch.rand(2, 3), torch.rand(1, 6), torch.rand(2, 6).double()])
def test_angles_that_do_not_fit_are_refused(angles: Tensor) -> None:
    model = QRNN(2, 3, controller_hidden=None)
    names = [parameter.name for parameter in model.ansatz.parameters]
    observables = model.readout.observables
    simulator = Simulator(model.ansatz.circuit, names, observables, torch.float32)
    evolution, token = begin(simulator, None, 2)
    with pytest.raises((TypeError, ValueError), match="angles must"):
        advance(evolution, token, angles)


def test_without_gradients_nothing_is_kept_for_backward() -> None:
    model = QRNN(2, 3)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        with torch.no_grad():
            silent, _ = model(torch.ones(2, 3, 2))
        assert not kept
        loud, _ = model(torch.ones(2, 3, 2))
        assert kept
    assert torch.equal(silent, loud)


@pytest.mark.parametrize("activation", ["linear", "glu"])
def test_what_hooks_keep_elsewhere_is_found_again(activation: str) -> None:
    torch.manual_seed(0)
    hidden = None if activation == "linear" else 6
    model = QRNN(2, 3, controller_hidden=hidden, activation=activation)
    x = torch.randn(20, 5, 2)

    def train() -> list[Tensor]:
        return list(torch.autograd.grad(model(x)[0].square().sum(), list(model.parameters())))

    def pack(tensor: Tensor) -> Any:
        return tensor.numpy().copy()

    expected = train()
    with torch.autograd.graph.saved_tensors_hooks(pack, torch.from_numpy):
        output, _ = model(x)
    clutter = [torch.full((size,), 7.0) for size in range(1, 9000, 37)]
    found = torch.autograd.grad(output.square().sum(), list(model.parameters()))
    assert len(clutter) > 100
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_copies_have_addresses_of_their_own() -> None:
    x = torch.randn(3, 4, 2)
    model = QRNN(2, 3)
    expected = model(x)[0]
    twins = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    del model
    gc.collect()
    clutter = [torch.full((size,), 3.0) for size in range(1, 4000, 7)]
    assert len(clutter) > 100
    for twin in twins:
        assert torch.equal(twin(x)[0], expected)

"""Memory that is passed to the kernels by address."""

from __future__ import annotations

import copy
import gc
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from circuits import build_ansatz, build_readout
from qrnn_qiskit import QRNN
from qrnn_qiskit.engines.contract import KINDS
from qrnn_qiskit.engines.cpu import Simulator, begin
from qrnn_qiskit.engines.cpu.call_records import Forward, Sizes
from qrnn_qiskit.engines.cpu.lane_vectors import VECTOR_BYTES
from qrnn_qiskit.engines.cpu.memory_layout import Plan
from qrnn_qiskit.engines.cpu.simulator import lay_out
from qrnn_qiskit.engines.reversible import advance


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("num_qubits", "batch"), [(1, 1), (4, 7), (6, 40)])
def test_a_pair_is_aligned_and_half_a_page_apart(
    num_qubits: int, batch: int, dtype: torch.dtype
) -> None:
    ansatz = build_ansatz("linear", num_qubits=num_qubits)
    observables = build_readout(num_qubits=num_qubits).observables
    simulator = Simulator(ansatz.circuit, observables, dtype)
    pair = simulator.allocate(simulator.shape_pair(batch))
    places = [row.data_ptr() for row in pair]
    assert not any(place % VECTOR_BYTES for place in places)
    assert (places[1] - places[0]) % 4096 == 2048
    assert all(row.numel() >= math.prod(simulator.shape_states(batch)) for row in pair)


@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(1, 40),
    st.integers(1, 20),
    st.sampled_from([torch.float32, torch.float64]),
    st.booleans(),
    st.booleans(),
)
def test_arrays_in_one_piece_are_aligned_and_apart(
    activation: str, batch: int, steps: int, dtype: torch.dtype, keeps: bool, heard: bool
) -> None:
    simulator = QRNN(1, 2, dtype=dtype).mode._compile(dtype)
    out = {"linear": simulator.num_parameters, "glu": 6}.get(activation, 3)
    plan = Plan.find(
        simulator,
        kind=KINDS[activation],
        inputs=(batch, steps, 5),
        first=(out, 5 + heard * simulator.num_readouts),
        keeps=keeps,
        drops=False,
        has_vector=False,
        has_readouts=False,
    )
    rows, units = simulator.count_lanes(batch) * steps, 0 if activation == "linear" else 3
    sizes = {
        plan.turns: math.prod(simulator.shape_turns(batch, steps)),
        plan.inputs: rows * (5 + heard * simulator.num_readouts),
        plan.slope: rows * out,
        plan.hidden: rows * units,
        0: math.prod(simulator.shape_states(batch)),
    }
    places = {0, plan.turns, plan.inputs, plan.slope, plan.hidden}
    assert len(places) == (5 if units else 3) if keeps else places == {0}
    assert not any(place % VECTOR_BYTES for place in places)
    ends = [place + sizes[place] * dtype.itemsize for place in sorted(places)]
    assert ends == [*sorted(places)[1:], plan.numbers * dtype.itemsize]


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


def test_a_plain_tensor_is_passed_unchanged() -> None:
    tensor = torch.rand(3, 4)
    assert lay_out("x", tensor, (3, 4), torch.float32) is tensor


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(TypeError, match=r"x .*torch\.float64 on the CPU.* torch\.float32"):
        lay_out("x", torch.rand(3, 4), (3, 4), torch.float64)
    with pytest.raises(TypeError, match=r"got torch\.float32 on meta"):
        lay_out("x", torch.rand(3, 4, device="meta"), (3, 4), torch.float32)
    with pytest.raises(TypeError, match="got NoneType"):
        lay_out("x", None, (3, 4), torch.float32)
    with pytest.raises(ValueError, match=r"x .*shape \(4, 3\).* \(3, 4\)"):
        lay_out("x", torch.rand(3, 4), (4, 3), torch.float32)


@pytest.mark.parametrize(
    ("layer", "name", "weight", "message"),
    [
        (
            3,
            "weight",
            nn.Parameter(torch.rand(12, 32).double()),
            r"controller's output .*torch\.float32.*torch\.float64",
        ),
        (3, "weight", nn.Parameter(torch.rand(12, 31)), r"output .*shape \(12, 32\).* \(12, 31\)"),
        (0, "weight", nn.Parameter(torch.rand(32, 5)), r"first .*shape \(32, 11\).* \(32, 5\)"),
        (0, "bias", nn.Parameter(torch.rand(3)), r"first_bias .*shape \(32,\).* \(3,\)"),
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
    observables = model.readout.observables
    simulator = Simulator(model.ansatz.circuit, observables, torch.float32)
    evolution, token = begin(simulator, None, 2)
    with pytest.raises((TypeError, ValueError), match="expected angles"):
        advance(evolution, token, angles)


@pytest.mark.parametrize("is_stepwise", [False, True])
def test_without_gradients_nothing_is_kept_for_backward(
    is_stepwise: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = QRNN(2, 3, reset_state=is_stepwise), torch.ones(2, 3, 2)
    calls: list[int] = []
    run = Simulator.run

    def count(simulator: Simulator, sizes: NDArray[np.int64], work: int, call: Forward) -> bool:
        calls.append(Sizes(*sizes).steps if call.turns else 0)
        return run(simulator, sizes, work, call)

    monkeypatch.setattr(Simulator, "run", count)
    with torch.no_grad():
        silent, _ = model(x)
    with torch.inference_mode():
        model(x)
    assert calls
    assert not any(calls)
    loud, _ = model(x)
    assert sum(calls) == 3
    assert torch.equal(silent, loud)


def make_activated(activation: str) -> QRNN:
    torch.manual_seed(0)
    hidden = None if activation == "linear" else 6
    return QRNN(2, 3, controller_hidden=hidden, activation=activation)


def move(tensor: Tensor) -> Any:
    return tensor.numpy().copy()


def turn(tensor: Tensor) -> Tensor:
    return torch.stack((tensor, torch.full_like(tensor, 9.0)), -1)[..., 0]


@pytest.mark.parametrize("activation", ["linear", "glu"])
@pytest.mark.parametrize(("pack", "unpack"), [(move, torch.from_numpy), (turn, turn)])
def test_what_hooks_keep_elsewhere_is_found_again(activation: str, pack: Any, unpack: Any) -> None:
    model, x = make_activated(activation), torch.randn(20, 5, 2)
    parameters = list(model.parameters())
    expected = torch.autograd.grad(model(x)[0].square().sum(), parameters)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        output, _ = model(x)
    clutter = [torch.full((size,), 7.0) for size in range(1, 9000, 37)]
    found = torch.autograd.grad(output.square().sum(), parameters)
    assert len(clutter) > 100
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_hooks_that_round_are_refused() -> None:
    model = make_activated("gelu")
    with torch.autograd.graph.saved_tensors_hooks(Tensor.bfloat16, lambda tensor: tensor):
        output, _ = model(torch.randn(2, 3, 2))
    with pytest.raises(TypeError, match=r"a saved tensor .*torch\.float32"):
        output.sum().backward()


@pytest.mark.parametrize("activation", ["linear", "gelu"])
def test_another_dtype_of_the_model_comes_too_late_for_backward(activation: str) -> None:
    model, x = make_activated(activation).double(), torch.randn(3, 4, 2, dtype=torch.float64)
    parameters = list(model.parameters())
    expected = torch.autograd.grad(model(x)[0].square().sum(), parameters)
    output, _ = model(x)
    model.float()
    output.square().sum().backward()
    for parameter, gradient in zip(parameters, expected, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad.double(), gradient, rtol=1e-6, atol=1e-6)


def test_changed_weights_are_noticed() -> None:
    model = make_activated("gelu")
    for layer in (0, 3):
        output, _ = model(torch.randn(2, 3, 2))
        with torch.no_grad():
            model.controller.layers[layer].weight.add_(1.0)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            output.sum().backward()


@pytest.mark.parametrize("is_stepwise", [False, True])
def test_the_default_device_does_not_move_the_states(is_stepwise: bool) -> None:
    model, x = QRNN(2, 3, reset_state=is_stepwise), torch.randn(3, 4, 2)
    lengths = torch.tensor([4, 2, 3])
    expected = model(x, lengths=lengths)[0]
    with torch.device("meta"):
        output = model(x, lengths=lengths)[0]
        gradient = torch.ones_like(output)
        found = torch.autograd.grad(output, list(model.parameters()), gradient)
    wanted = torch.autograd.grad(expected, list(model.parameters()), gradient)
    assert torch.equal(output, expected)
    assert all(map(torch.equal, found, wanted))


def test_a_plan_is_found_once_for_calls_of_a_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    make = Plan.__init__

    def note(self: Plan, *args: Any, **named: Any) -> None:
        made.append(named["inputs"])
        make(self, *args, **named)

    monkeypatch.setattr(Plan, "__init__", note)
    model, x = QRNN(2, 3), torch.randn(3, 4, 2)
    expected = model(x)[0]
    assert torch.equal(model(x)[0], expected)
    assert len(made) == 1
    model(x[:2])
    model(x, model(x)[1])
    assert len(made) == 4


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

"""What torch guarantees for every module: changed tensors, inference mode, other dtypes."""

from __future__ import annotations

import math

import pytest
import torch
from qiskit.quantum_info import SparsePauliOp, Statevector

from qrnn_qiskit import QRNN, HiddenState


@pytest.mark.parametrize("detaches", [False, True])
def test_a_changed_output_is_noticed_by_backward(detaches: bool) -> None:
    torch.manual_seed(0)
    model = QRNN(2, 2)
    output, _ = model(torch.rand(3, 4, 2))
    loss = output.square().sum()
    (output.detach() if detaches else output).mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("readout", ["expectation", "none"])
def test_a_changed_output_leaves_the_state_unchanged(readout: str) -> None:
    output, state = QRNN(2, 2, readout=readout)(torch.rand(3, 4, 2))
    before = state.readouts.detach().clone()
    output.detach().mul_(2.0)
    assert torch.equal(state.readouts, before)
    assert state.readouts.untyped_storage().nbytes() == before.untyped_storage().nbytes()


@pytest.mark.parametrize("layer", [0, -1])
def test_changed_weights_are_noticed_by_backward(layer: int) -> None:
    torch.manual_seed(0)
    model = QRNN(2, 2)
    output, _ = model(torch.rand(3, 4, 2))
    with torch.no_grad():
        model.controller.layers[layer].weight.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


def test_a_changed_output_of_summed_observables_leaves_the_gradient_right() -> None:
    torch.manual_seed(0)
    model = QRNN(2, 2, observables=[SparsePauliOp(["XX", "ZI"], [0.5, 2.0])])
    x = torch.rand(3, 4, 2)
    model(x)[0].sum().backward()
    expected = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    output, _ = model(x)
    loss = output.sum()
    output.detach().mul_(2.0)
    loss.backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert torch.equal(parameter.grad, gradient)


def test_training_works_after_a_first_call_in_inference_mode() -> None:
    model = QRNN(2, 2).double()  # compiled anew in the next call
    x = torch.rand(3, 4, 2, dtype=torch.float64)
    with torch.inference_mode():
        model(x)
    model(x)[0].sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_state_of_another_dtype_stays_complex() -> None:
    model = QRNN(2, 2)
    _, state = model(torch.rand(3, 4, 2))
    doubled = state.detach().to(dtype=torch.float64)
    assert doubled.readouts.dtype == torch.float64
    assert doubled.vector is not None
    assert state.vector is not None
    assert torch.equal(doubled.vector, state.vector.detach().to(torch.complex128))
    halved = doubled.to("cpu", torch.float32)
    assert halved.vector is not None
    assert halved.vector.dtype == torch.complex64


def test_readouts_that_are_not_finite_are_refused() -> None:
    model = QRNN(2, 2)
    x = torch.rand(3, 4, 2)
    _, state = model(x)
    readouts = state.readouts.detach().clone()
    readouts[1, 5] = math.nan
    with pytest.raises(ValueError, match="readout 5 of sequence 1 is nan"):
        model(x, HiddenState(readouts, state.vector))


@pytest.mark.parametrize("angle", [1e6, -3e9, 1e16, 1e30])
def test_huge_angles_are_those_of_qiskit(angle: float) -> None:
    model = QRNN(1, 2, readout="none", controller_hidden=None, dtype=torch.float64)
    assert isinstance(model.controller.layers, torch.nn.Sequential)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(angle)
    x = torch.zeros(1, 2, 1, dtype=torch.float64)
    state = Statevector(model.circuits(x)[0])
    expected = [state.expectation_value(operator).real for operator in model.readout.observables]
    assert model(x)[1].readouts[0].tolist() == pytest.approx(expected, abs=1e-10)

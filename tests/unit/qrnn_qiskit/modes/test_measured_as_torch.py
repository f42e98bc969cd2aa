"""Measured mode as a torch module: gradients, carried states, lengths, dropout, precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from qiskit.circuit import QuantumCircuit
from torch import Tensor, nn

from qrnn_qiskit import QRNN, HiddenState


def make(**arguments: Any) -> QRNN:
    given = {
        "num_ancillas": 2,
        "coupling_strength": 1.3,
        "measured_bases": "XZ",
        "controller_hidden": 5,
        "feedback_gain": 3.0,
        "dtype": torch.float64,
    }
    torch.manual_seed(0)
    return QRNN(2, 3, 2, readout="measured", **(given | arguments))


def draw(batch: int = 3, steps: int = 5) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(batch, steps, 2, dtype=torch.float64, generator=random)


def assert_states_close(one: HiddenState, other: HiddenState, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(one.readouts, other.readouts, rtol=0, atol=tolerance)
    torch.testing.assert_close(one.density, other.density, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"coupling": "symmetric", "readout_error": 0.1, "step_noise": "depolarizing:0.1"},
        {"coupling": "direct", "coupling_strength": np.pi, "measured_bases": "Y"},
        {"num_ancillas": 1, "measured_bases": "Z", "entangler": "crx", "ansatz": "ring"},
    ],
    ids=str,
)
def test_gradients_are_finite_differences(arguments: dict[str, Any]) -> None:
    """Of weights, inputs and the carried state, in a random direction of each."""
    model, x = make(**arguments), draw().requires_grad_()
    _, state = model(x.detach())
    density = state.density.detach().clone().requires_grad_()
    weights = torch.randn(2, 3, 5, model.readout_size, dtype=torch.float64)
    pulls = torch.randn(2, 3, model.num_readouts, dtype=torch.float64)
    mixed = torch.randn(density.shape, dtype=torch.complex128)
    tensors = [x, density, *model.parameters()]

    def find_loss() -> Tensor:
        loss = torch.zeros((), dtype=torch.float64)
        for k, start in enumerate((None, HiddenState(state.readouts.detach(), density=density))):
            output, last = model(x, start, torch.tensor([5, 2, 3]))
            loss = loss + (weights[k] * output).sum() + (pulls[k] * last.readouts).sum()
            loss = loss + (mixed * last.density).real.sum()
        return loss.square()

    gradients = torch.autograd.grad(find_loss(), tensors)
    step = 1e-5
    for tensor, gradient in zip(tensors, gradients, strict=True):
        direction = torch.randn_like(tensor)
        if tensor is density:  # stay where states live: Hermitian, the traces adding up to 1
            direction = direction + direction.mH
            direction -= direction.diagonal(dim1=2, dim2=3).mean((1, 2))[:, None, None, None] * (
                torch.eye(8)
            )
        values = []
        with torch.no_grad():
            for sign in (1, -2, 1):
                tensor += sign * step * direction
                values.append(find_loss())
        expected = (values[0] - values[1]) / (2 * step)
        actual = (gradient.conj() * direction).real.sum()
        scale = max(1.0, float(expected.abs()))
        assert abs(float(actual - expected)) < 1e-7 * scale


def test_a_batch_is_its_sequences() -> None:
    model, x = make(), draw(19, 4)
    lengths = torch.arange(19) % 4 + 1
    output, state = model(x, lengths=lengths)
    for b in range(19):
        alone, last = model(x[b : b + 1, : lengths[b]])
        torch.testing.assert_close(output[b : b + 1, : lengths[b]], alone, rtol=0, atol=1e-12)
        assert not output[b, lengths[b] :].any()
        assert_states_close(state[b], last)


def test_two_calls_are_one_long_run() -> None:
    model, x = make(), draw(steps=7)
    whole, last = model(x)
    first, state = model(x[:, :3])
    second, end = model(x[:, 3:], state)
    torch.testing.assert_close(torch.cat((first, second), 1), whole, rtol=0, atol=1e-12)
    assert_states_close(end, last)
    loss, split = last.readouts.square().sum(), end.readouts.square().sum()
    parameters = list(model.parameters())
    pairs = zip(
        torch.autograd.grad(loss, parameters), torch.autograd.grad(split, parameters), strict=True
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_a_detached_state_cuts_the_gradient() -> None:
    model, x = make(), draw().requires_grad_()
    _, state = model(x)
    _, last = model(draw(), state.detach())
    last.readouts.sum().backward()
    assert x.grad is None


def test_states_are_density_matrices() -> None:
    model, x = make(readout_error=0.05, step_noise="damping:0.1"), draw()
    output, state = model(x)
    density = state.density.detach()
    torch.testing.assert_close(density, density.mH, rtol=0, atol=1e-12)
    assert torch.linalg.eigvalsh(density).min() > -1e-12
    traces = density.diagonal(dim1=2, dim2=3).sum(2).real
    torch.testing.assert_close(traces.sum(1), torch.ones(3, dtype=torch.float64))
    ones = torch.stack((traces[:, 1] + traces[:, 3], traces[:, 2] + traces[:, 3]), 1)
    torch.testing.assert_close(output[:, -1], ones)


def test_dropout_drops_the_same_units_for_every_outcome() -> None:
    model = make(dropout=0.5)
    with torch.no_grad():
        model.controller.layers[0].weight[:, 2:] = 0  # type: ignore[index,union-attr]
    tables = model.angles(draw())
    assert torch.equal(tables, tables[:, :, :1].expand_as(tables))
    assert not torch.equal(tables, model.angles(draw()))
    assert not torch.equal(tables[0, 0], model.eval().angles(draw())[0, 0])


def test_any_controller_sees_the_bits_of_every_outcome() -> None:
    seen = []

    class Recorder(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, inputs: Tensor) -> Tensor:
            seen.append(inputs)
            result: Tensor = self.inner(inputs)
            return result

    model, x = make(), draw()
    expected, _ = model(x)
    model.controller = Recorder(model.controller)
    output, _ = model(x)
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    bits = [inputs[0, 0, 2:].tolist() for inputs in seen]
    assert bits == [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    assert all(torch.equal(inputs[:, :, :2], x) for inputs in seen)


def test_single_precision_follows_double() -> None:
    double, x = make(), draw(steps=200)
    single = make().float()
    output, state = double(x)
    rough, last = single(x.float())
    assert last.density.dtype == torch.complex64
    torch.testing.assert_close(rough.double(), output, rtol=0, atol=2e-5)
    torch.testing.assert_close(last.readouts.double(), state.readouts, rtol=0, atol=2e-5)


def test_thousands_of_equal_steps_keep_the_trace() -> None:
    """The same rounding errors in every step would add up to 1e-3."""
    single = make(num_ancillas=1, measured_bases="Z", dtype=torch.float32)
    x = torch.full((1, 3000, 2), 0.3)
    _, state = single(x)
    gradient = torch.autograd.grad(state.readouts.square().sum(), list(single.parameters()))
    traces = state.density.detach().diagonal(dim1=2, dim2=3).sum((1, 2)).real
    assert abs(float(traces[0]) - 1) < 1e-5
    double = single.double()
    _, state = double(x.double())
    expected = torch.autograd.grad(state.readouts.square().sum(), list(double.parameters()))
    scale = max(float(part.abs().max()) for part in expected)
    for one, other in zip(gradient, expected, strict=True):
        assert float((one - other).abs().max()) < 2e-4 * scale


def test_backward_again_and_without_backward() -> None:
    model, x = make(), draw()
    output, state = model(x)
    loss = output.sum() + state.readouts.square().sum()
    parameters = list(model.parameters())
    first = torch.autograd.grad(loss, parameters, retain_graph=True)
    second = torch.autograd.grad(loss, parameters)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    with torch.no_grad():
        quiet, last = model(x)
    assert torch.equal(quiet, output)
    assert_states_close(last, state, 0.0)


@pytest.mark.parametrize("basis", [None, "Z", "X"])
def test_circuits_are_dynamic_and_bound(basis: str | None) -> None:
    model, x = make(), draw(2, 3)
    circuits = model.circuits(x, basis)
    assert [type(circuit) for circuit in circuits] == [QuantumCircuit] * 2
    assert not circuits[0].parameters
    assert [register.size for register in circuits[0].cregs] == [2, 2, 2, 3]
    with pytest.raises(ValueError, match="one dynamic circuit"):
        model.replay_circuits(x)


def test_other_modes_have_no_final_basis() -> None:
    with pytest.raises(ValueError, match="basis='X' applies only to readout='measured'"):
        QRNN(2, 2).circuits(torch.zeros(1, 1, 2), "X")

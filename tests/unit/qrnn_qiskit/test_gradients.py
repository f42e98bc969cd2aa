"""The adjoint against exact parameter shift, and the whole model against finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from circuits import ANSATZ_FAMILIES, ENTANGLERS, unroll
from qrnn_qiskit import QRNN, HiddenState, SimulatorExecutor

# Shifts in radians and their factors: f' = sum of factor * f(angle + shift).
TWO_TERMS = ((math.pi / 2, 0.5), (-math.pi / 2, -0.5))
_NEAR, _FAR = (math.sqrt(2) + 1) / (4 * math.sqrt(2)), (math.sqrt(2) - 1) / (4 * math.sqrt(2))
FOUR_TERMS = (
    (math.pi / 2, _NEAR),
    (-math.pi / 2, -_NEAR),
    (3 * math.pi / 2, -_FAR),
    (-3 * math.pi / 2, _FAR),
)


def make_circuit_alone(wrapped: bool, **arguments: Any) -> QRNN:
    """A model whose inputs are the angles, on the stepwise or on the compiled path."""
    counting = QRNN(1, dtype=torch.float64, readout="none", **arguments)
    model = QRNN(
        counting.ansatz.num_parameters,
        controller_hidden=None,
        readout="none",
        dtype=torch.float64,
        **arguments,
    )
    if wrapped:
        model.controller = nn.Identity()
    else:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
                if parameter.dim() == 2:
                    parameter.fill_diagonal_(1.0)
    return model


def shift_parameters(model: QRNN, angles: Tensor, weights: Tensor) -> Tensor:
    """Derivative of sum(weights * readouts) by the angles (B, T, P), from shifted circuits only."""
    batch, steps, count = angles.shape
    executor = SimulatorExecutor()
    rules = {
        item.operation.params[0].name: FOUR_TERMS if item.operation.name == "crx" else TWO_TERMS
        for item in model.ansatz.circuit.data
        if item.operation.params
    }
    gradient = torch.zeros_like(angles)
    for t in range(steps):
        terms = [
            (column, shift, factor)
            for column in range((t + 1) * count)
            for shift, factor in rules[model.ansatz.parameters[column % count].name]
        ]
        columns = torch.tensor([column for column, _, _ in terms])
        shifted = angles[:, : t + 1].flatten(1).repeat(len(terms), 1, 1)
        shifted[torch.arange(len(terms)), :, columns] += torch.tensor(
            [[shift] for _, shift, _ in terms], dtype=torch.float64
        )
        estimates = executor.estimate(
            unroll(model.ansatz, t + 1),
            shifted.flatten(0, 1).numpy(),
            model.readout.observables,
        )
        values = torch.from_numpy(estimates.values).view(len(terms), batch, -1)
        slopes = (values * weights[:, t]).sum(2)
        for (column, _, factor), slope in zip(terms, slopes, strict=True):
            gradient[:, column // count, column % count] += factor * slope
    return gradient


def take_differences(model: QRNN, angles: Tensor, weights: Tensor, width: float = 1e-5) -> Tensor:
    """Central differences of the same loss."""
    batch, count = len(angles), angles[0].numel()
    bumps = width * torch.eye(count, dtype=torch.float64).reshape(count, 1, *angles.shape[1:])
    with torch.no_grad():
        upper, lower = (model((angles + sign * bumps).flatten(0, 1))[0] for sign in (1.0, -1.0))
    losses = ((upper - lower).view(count, batch, *weights.shape[1:]) * weights).sum((2, 3))
    differences: Tensor = (losses / (2 * width)).T.reshape(angles.shape)
    return differences


@pytest.mark.parametrize("wrapped", [False, True], ids=["compiled", "stepwise"])
@pytest.mark.parametrize("entangler", ENTANGLERS)
@pytest.mark.parametrize("family", ANSATZ_FAMILIES)
def test_adjoint_shift_and_differences(family: str, entangler: str, wrapped: bool) -> None:
    torch.manual_seed(ANSATZ_FAMILIES.index(family) + 10 * ENTANGLERS.index(entangler))
    for qubits, layers, steps, batch, rotations in (
        (1, 2, 2, 2, ["rx", "ry"]),
        (2, 2, 3, 9, ["ry", "rz"]),
        (3, 3, 2, 1, ["rz", "rx"]),
        (5, 1, 2, 2, ["rx", "ry", "rz"]),
    ):
        model = make_circuit_alone(
            wrapped,
            num_qubits=qubits,
            num_layers=layers,
            ansatz=family,
            entangler=entangler,
            rotations=rotations,
        )
        angles = 3.0 * torch.randn(batch, steps, model.input_size, dtype=torch.float64)
        angles.requires_grad_()
        output, _ = model(angles)
        weights = torch.randn_like(output)
        (adjoint,) = torch.autograd.grad((weights * output).sum(), angles)
        exact = shift_parameters(model, angles.detach(), weights)
        assert float(exact.abs().max()) > 0.1
        torch.testing.assert_close(adjoint, exact, rtol=0.0, atol=1e-9)
        differences = take_differences(model, angles.detach(), weights)
        torch.testing.assert_close(adjoint, differences, rtol=0.0, atol=1e-6)


def check_model(
    model: QRNN,
    *,
    lengths: list[int] | None = None,
    carried: bool = False,
    seed: int | None = None,
    entrywise: bool = False,
) -> None:
    """Compare all gradients with finite differences: input, state carried in, every parameter.

    The loss is any function of output, state.readouts and state.vector. ``entrywise`` compares
    the whole Jacobian, else one random bilinear form of it.
    """
    names = [name for name, _ in model.named_parameters()]
    x = torch.randn(2, 3, model.input_size, dtype=torch.float64, requires_grad=True)
    readouts = torch.randn(2, model.num_readouts, dtype=torch.float64, requires_grad=True)
    amplitudes = torch.randn(2, 2**model.num_qubits, dtype=torch.complex128, requires_grad=True)

    def run(
        x: Tensor, readouts: Tensor, amplitudes: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        # The state must be normalized; without the division the model would normalize it silently.
        vector = amplitudes / torch.linalg.vector_norm(amplitudes, dim=1, keepdim=True)
        state = HiddenState(readouts, vector=vector) if carried else None
        if seed is not None:
            torch.manual_seed(seed)
        ends = None if lengths is None else torch.tensor(lengths)
        output, final = functional_call(
            model, dict(zip(names, parameters, strict=True)), (x, state, ends)
        )
        return output, final.readouts, torch.view_as_real(final.vector)

    inputs = (x, readouts, amplitudes, *model.parameters())
    assert torch.autograd.gradcheck(run, inputs, atol=1e-7, rtol=1e-6, fast_mode=not entrywise)


def make_small(activation: str = "gelu", **arguments: Any) -> QRNN:
    torch.manual_seed(1)
    return QRNN(
        2,
        2,
        controller_hidden=3,
        activation=activation,
        angle_gain=2.0,
        feedback_gain=2.0,
        dtype=torch.float64,
        **arguments,
    )


@pytest.mark.parametrize("readout", ["expectation", "none"])
@pytest.mark.parametrize("activation", ["linear", "relu", "gelu", "glu"])
def test_whole_model(activation: str, readout: str) -> None:
    check_model(make_small(activation, readout=readout), entrywise=activation == "glu")


@pytest.mark.parametrize("readout", ["expectation", "none"])
@pytest.mark.parametrize("lengths", [None, [3, 1], [2, 2]])
def test_whole_model_with_lengths_and_a_carried_state(
    lengths: list[int] | None, readout: str
) -> None:
    check_model(make_small("glu", readout=readout), lengths=lengths, carried=True)


@pytest.mark.parametrize("lengths", [None, [1, 3]])
def test_whole_model_one_step_at_a_time(lengths: list[int] | None) -> None:
    model = make_small(entangler="crx")
    model.controller = nn.Sequential(model.controller)
    check_model(model, lengths=lengths, carried=True)


def test_whole_model_with_sums_of_pauli_strings() -> None:
    observables = ["ZZ", "XY", "II", "YI"]
    check_model(make_small("linear", observables=observables, ansatz="ring", entangler="rzz"))


@pytest.mark.parametrize("activation", ["relu", "gelu", "glu"])
def test_whole_model_with_dropout(activation: str) -> None:
    model = make_small(activation, dropout=0.4)
    assert model.training
    check_model(model, seed=3)


def collect(model: QRNN, loss: Callable[[QRNN, Tensor], Tensor], x: Tensor) -> list[Tensor]:
    x = x.detach().requires_grad_()
    gradients = torch.autograd.grad(loss(model, x), [x, *model.parameters()])
    return list(gradients)


def weigh(lengths: Tensor | None = None) -> Callable[[QRNN, Tensor], Tensor]:
    """A loss on everything that the model returns."""

    def loss(model: QRNN, x: Tensor) -> Tensor:
        output, state = model(x, lengths=lengths)
        assert state.vector is not None
        ramp = torch.linspace(-1.0, 1.0, output[0].numel(), dtype=x.dtype).view_as(output[0])
        total: Tensor = (ramp * output).sum() + state.readouts.square().sum()
        total += state.vector.imag.pow(3).sum()
        return total

    return loss


@pytest.mark.parametrize("readout", ["expectation", "none"])
@pytest.mark.parametrize("activation", ["linear", "relu", "gelu", "glu"])
@pytest.mark.parametrize("with_lengths", [False, True])
def test_compiled_recurrence_equals_one_step_at_a_time(
    activation: str, readout: str, with_lengths: bool
) -> None:
    torch.manual_seed(0)
    model = QRNN(2, 3, activation=activation, readout=readout, dtype=torch.float64)
    x = torch.randn(9, 13, 2, dtype=torch.float64)
    lengths = torch.tensor([13, 1, 3, 4, 5, 6, 8, 9, 12]) if with_lengths else None
    compiled = collect(model, weigh(lengths), x)
    output, state = model(x, lengths=lengths)
    model.controller = nn.Sequential(model.controller)
    stepwise = collect(model, weigh(lengths), x)
    other_output, other_state = model(x, lengths=lengths)
    for one, other in (
        (output, other_output),
        (state.readouts, other_state.readouts),
        (state.vector, other_state.vector),
    ):
        torch.testing.assert_close(one, other, rtol=0.0, atol=1e-12)
    for one, other in zip(compiled, stepwise, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)


def test_compiled_recurrence_over_many_steps() -> None:
    torch.manual_seed(0)
    model = QRNN(2, 2, feedback_gain=0.3, dtype=torch.float64)
    x = torch.randn(3, 130, 2, dtype=torch.float64)
    compiled = collect(model, weigh(), x)
    model.controller = nn.Sequential(model.controller)
    for one, other in zip(compiled, collect(model, weigh(), x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("wrapped", [False, True], ids=["compiled", "stepwise"])
def test_the_gradient_of_a_batch_is_the_sum_of_its_sequences(wrapped: bool) -> None:
    model = make_small()
    if wrapped:
        model.controller = nn.Sequential(model.controller)
    x = torch.randn(19, 4, 2, dtype=torch.float64)
    by_x, *whole = collect(model, weigh(), x)
    alone = [collect(model, weigh(), x[b : b + 1]) for b in range(19)]
    torch.testing.assert_close(by_x, torch.cat([g[0] for g in alone]), rtol=0.0, atol=1e-12)
    for place, gradient in enumerate(whole, start=1):
        total = torch.stack([g[place] for g in alone]).sum(0)
        torch.testing.assert_close(gradient, total, rtol=0.0, atol=1e-11)

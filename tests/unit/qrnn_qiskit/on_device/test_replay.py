"""Replay on executors: values, gradients, jobs, lengths, and states carried on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from circuits import ANSATZ_FAMILIES
from qrnn_qiskit import QRNN, HiddenState, SimulatorExecutor
from qrnn_qiskit.executors.gradient_methods import GradientError


def make_model(**arguments: object) -> QRNN:
    torch.manual_seed(3)
    settings = {"num_qubits": 2, "controller_hidden": 5, "dtype": torch.float64} | arguments
    return QRNN(2, **settings)  # type: ignore[arg-type]


def make_inputs(batch_size: int = 3, steps: int = 4) -> torch.Tensor:
    return torch.randn(batch_size, steps, 2, generator=torch.Generator().manual_seed(4)).double()


def differentiate(model: QRNN, x: torch.Tensor, **arguments: object) -> list[torch.Tensor]:
    """The gradients with respect to the inputs and every weight of a loss of output and state."""
    x = x.clone().requires_grad_()
    output, state = model(x, **arguments)
    weights = torch.linspace(-1, 2, output.numel(), dtype=output.dtype).reshape(output.shape)
    loss = (weights * output).sum() + (output**2).sum() + state.readouts.prod(1).sum()
    return list(torch.autograd.grad(loss, [x, *model.parameters()]))


def replaying(gradient: str = "parameter-shift") -> SimulatorExecutor:
    return SimulatorExecutor(gradient=gradient)


@pytest.mark.parametrize("readout", ["expectation", "none"])
@pytest.mark.parametrize("lengths", [None, [2, 4, 3], [2, 1, 2]])
def test_a_replay_gives_what_the_simulator_gives(readout: str, lengths: list[int] | None) -> None:
    model, x = make_model(readout=readout), make_inputs()
    counts = None if lengths is None else torch.tensor(lengths)
    output, state = model(x, lengths=counts)
    angles = model.angles(x)
    model.executor = replaying()
    replayed, carried = model(x, lengths=counts)
    torch.testing.assert_close(replayed, output, atol=1e-12, rtol=0)
    torch.testing.assert_close(carried.readouts, state.readouts, atol=1e-12, rtol=0)
    torch.testing.assert_close(model.angles(x), angles, atol=1e-12, rtol=0)
    assert carried.vector is None
    assert carried.standard_errors is None
    assert carried.output_standard_errors is None
    assert carried.num_steps is not None
    assert carried.num_steps.tolist() == (lengths or [4, 4, 4])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_replay_keeps_the_dtype(dtype: torch.dtype) -> None:
    model, x = make_model(dtype=dtype), make_inputs().to(dtype)
    model.executor = replaying()
    output, state = model(x)
    assert output.dtype == state.readouts.dtype == dtype
    assert state.angles is not None
    assert state.angles.dtype == dtype
    assert all(gradient.dtype == dtype for gradient in differentiate(model, x))


@pytest.mark.parametrize("ansatz", ANSATZ_FAMILIES)
@pytest.mark.parametrize("entangler", ["cz", "crx"])
@pytest.mark.parametrize("gradient", ["parameter-shift", "simulator"])
def test_a_replayed_gradient_is_the_adjoint_one(ansatz: str, entangler: str, gradient: str) -> None:
    model, x = make_model(ansatz=ansatz, entangler=entangler), make_inputs(2, 3)
    expected = differentiate(model, x)
    model.executor = replaying(gradient)
    for shifted, adjoint in zip(differentiate(model, x), expected, strict=True):
        torch.testing.assert_close(shifted, adjoint, atol=1e-10, rtol=0)


@pytest.mark.parametrize("readout", ["expectation", "none"])
@pytest.mark.parametrize("gradient", ["parameter-shift", "simulator"])
def test_the_gradient_of_sequences_of_unequal_length(readout: str, gradient: str) -> None:
    model, x = make_model(readout=readout), make_inputs()
    lengths = torch.tensor([2, 4, 1])
    expected = differentiate(model, x, lengths=lengths)
    model.executor = replaying(gradient)
    for shifted, adjoint in zip(differentiate(model, x, lengths=lengths), expected, strict=True):
        torch.testing.assert_close(shifted, adjoint, atol=1e-10, rtol=0)


def test_a_training_step_is_one_job_a_round_and_one_backward() -> None:
    model, x = make_model(), make_inputs(3, 4)
    executor = model.executor = replaying()
    differentiate(model, x)
    counts = executor.counts
    angles = model.ansatz.num_parameters
    assert (counts.jobs, counts.pubs) == (4 + 1, 2 * 4)
    assert counts.bindings == 3 * (4 + 4 * (4 + 1) * angles)


def test_without_feedback_all_rounds_are_one_job() -> None:
    model = make_model(readout="none")
    executor = model.executor = replaying()
    differentiate(model, make_inputs(3, 4))
    assert (executor.counts.jobs, executor.counts.pubs) == (2, 8)


def test_sequences_that_have_ended_are_not_run() -> None:
    model = make_model()
    executor = model.executor = replaying()
    with torch.no_grad():
        model(make_inputs(3, 4), lengths=torch.tensor([1, 3, 2]))
    assert (executor.counts.jobs, executor.counts.bindings) == (3, 6)


def test_a_state_carries_on_with_its_angle_history() -> None:
    model, x = make_model(), make_inputs(3, 5)
    lengths = torch.tensor([1, 3, 2])
    whole = [model(x[i : i + 1, : lengths[i]])[1] for i in range(3)]
    expected = torch.cat([model(x[i : i + 1, 3:], whole[i])[0] for i in range(3)])
    model.executor = replaying()
    _, state = model(x[:, :3], lengths=lengths)
    output, carried = model(x[:, 3:], state)
    torch.testing.assert_close(output, expected, atol=1e-12, rtol=0)
    assert carried.num_steps is not None
    assert carried.num_steps.tolist() == [3, 5, 4]
    part, _ = model(x[1:, 3:], state[1:])
    torch.testing.assert_close(part, expected[1:], atol=1e-12, rtol=0)


@pytest.mark.parametrize("gradient", ["parameter-shift", "simulator"])
def test_the_gradient_flows_through_a_carried_state(gradient: str) -> None:
    model, x = make_model(), make_inputs(3, 4)

    def gradients() -> tuple[torch.Tensor, ...]:
        _, state = model(x[:, :2], lengths=torch.tensor([1, 2, 2]))
        output, _ = model(x[:, 2:], state)
        return torch.autograd.grad(output.sin().sum(), list(model.parameters()))

    expected = gradients()
    model.executor = replaying(gradient)
    for shifted, adjoint in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(shifted, adjoint, atol=1e-10, rtol=0)


def test_sampled_readouts_have_standard_errors_and_their_angles(
    make_sampled: Callable[..., Any],
) -> None:
    model, x = make_model(), make_inputs(30, 4)
    executor = model.executor = make_sampled(0.02)
    lengths = torch.tensor([3] * 15 + [2] * 15)
    with torch.no_grad():
        output, state = model(x, lengths=lengths)
    assert state.output_standard_errors is not None
    assert state.standard_errors is not None
    assert state.angles is not None
    assert state.output_standard_errors.shape == output.shape == (30, 4, 6)
    assert state.output_standard_errors[:15, :3].unique().tolist() == [0.02]
    assert not state.output_standard_errors[:, 3].any()
    assert not state.output_standard_errors[15:, 2].any()
    assert state.standard_errors.unique().tolist() == [0.02]
    # The exact values at the angles that ran, which include the feedback of noisy readouts.
    exact = SimulatorExecutor().estimate(
        model.mode.replay.prefix(3).circuit,
        state.angles[:15].flatten(1).numpy(),
        model.readout.observables,
    )
    np.testing.assert_allclose(exact.values, executor.exact[2], atol=1e-12)
    residuals = (output[:15, 2].numpy() - exact.values) / 0.02
    assert 0.7 < residuals.std() < 1.3


def test_backward_on_a_sampled_executor_needs_a_choice(make_sampled: Callable[..., Any]) -> None:
    model, x = make_model(), make_inputs(2, 2)
    model.executor = make_sampled()
    output, _ = model(x)
    with pytest.raises(GradientError, match=r"'sampled' samples.*gradient='parameter-shift'"):
        output.sum().backward()
    model.executor = make_sampled(1e-9, gradient="parameter-shift")
    model(x)[0].sum().backward()


def test_the_simulator_differentiates_the_values_of_a_device(
    make_sampled: Callable[..., Any],
) -> None:
    # Without feedback, noise changes no angles, so the gradient of a linear loss is exact.
    model, x = make_model(readout="none"), make_inputs(2, 3)
    exact = model(x)[0]
    expected = torch.autograd.grad(exact.sum(), list(model.parameters()))
    executor = model.executor = make_sampled(0.1, gradient="simulator")
    output = model(x)[0]
    assert (output - exact).abs().max() > 0.02
    for pulled, adjoint in zip(
        torch.autograd.grad(output.sum(), list(model.parameters())), expected, strict=True
    ):
        torch.testing.assert_close(pulled, adjoint, atol=1e-10, rtol=0)
    assert executor.counts.jobs == 1


def test_the_state_of_the_simulator_is_not_that_of_a_device() -> None:
    model, x = make_model(), make_inputs()
    _, simulated = model(x)
    model.executor = replaying()
    _, replayed = model(x)
    with pytest.raises(ValueError, match=r"state\.angles is None"):
        model(x, simulated)
    with pytest.raises(ValueError, match=r"state\.num_steps must lie between 0 and the 4 steps"):
        model(
            x,
            HiddenState(
                replayed.readouts, angles=replayed.angles, num_steps=torch.tensor([5, 4, 4])
            ),
        )
    model.executor = SimulatorExecutor()
    with pytest.raises(ValueError, match=r"state\.vector is None"):
        model(x, replayed)


def test_other_objects_and_unknown_gradients_are_refused() -> None:
    with pytest.raises(TypeError, match=r"interface of qrnn_qiskit\.executors\.Executor.*str"):
        make_model().executor = "aer"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="unknown gradient 'adjoint'"):
        make_model().executor = replaying("adjoint")

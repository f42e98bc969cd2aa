"""SPSA through a replay: bias, variance, jobs, dropout and seeds."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from qrnn_qiskit import QRNN, SimulatorExecutor
from qrnn_qiskit.on_device import gradients


def make_model(**arguments: object) -> QRNN:
    torch.manual_seed(3)
    settings = {"num_qubits": 2, "rotations": ("ry",), "controller_hidden": 5} | arguments
    return QRNN(2, dtype=torch.float64, **settings)  # type: ignore[arg-type]


def spsa(**keys: object) -> SimulatorExecutor:
    query = "&".join(f"{key}={value}" for key, value in keys.items())
    return SimulatorExecutor(gradient=f"spsa?{query}")


def differentiate(
    model: QRNN, x: torch.Tensor, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """The gradient of a mean loss with respect to all weights, as one vector."""
    output, state = model(x, lengths=lengths)
    weights = torch.linspace(-1, 2, output[0].numel()).reshape(output.shape[1:]).double()
    loss = (weights * output).sum((1, 2)) + state.readouts.prod(1)
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss.mean(), model.parameters())])


def enumerate_signs(monkeypatch: pytest.MonkeyPatch, steps: int, angles: int) -> int:
    """Give each sequence of a batch a different one of all directions; return their number."""
    signs = torch.tensor(list(itertools.product((-1, 1), repeat=steps * angles)))
    signs = signs.reshape(1, -1, steps, angles)
    monkeypatch.setattr(gradients, "draw_signs", lambda shape: signs.expand(shape))
    return signs.shape[1]


@pytest.mark.parametrize("readout", ["expectation", "none"])
def test_the_bias_falls_by_four_when_the_perturbation_halves(
    monkeypatch: pytest.MonkeyPatch, readout: str
) -> None:
    model = make_model(readout=readout)
    count = enumerate_signs(monkeypatch, 3, 2)
    x = torch.randn(1, 3, 2, generator=torch.Generator().manual_seed(1)).double()
    exact = differentiate(model, x)
    biases = []
    for perturbation in (0.1, 0.05):
        model.executor = spsa(perturbation=perturbation)
        biases.append((differentiate(model, x.repeat(count, 1, 1)) - exact).norm())
    assert biases[0] / exact.norm() < 0.05
    assert 3.6 < biases[0] / biases[1] < 4.4


@pytest.mark.training
def test_the_projection_on_the_true_gradient_is_one() -> None:
    model = make_model()
    x = torch.randn(1, 3, 2, generator=torch.Generator().manual_seed(1)).double()
    exact = differentiate(model, x)
    model.executor = spsa(perturbation=0.02, draws=2)
    projections = torch.stack(
        [differentiate(model, x) @ exact / (exact @ exact) for _ in range(200)]
    )
    error = projections.std() / math.sqrt(len(projections))
    assert abs(projections.mean() - 1) < 4 * error
    assert error < 0.1


@pytest.mark.training
def test_the_mean_of_draws_has_less_variance() -> None:
    model = make_model()
    x = torch.randn(1, 3, 2, generator=torch.Generator().manual_seed(1)).double()
    spread = []
    for draws in (1, 8):
        model.executor = spsa(perturbation=0.02, draws=draws)
        spread.append(torch.stack([differentiate(model, x) for _ in range(60)]).var(0).sum())
    assert 4 < spread[0] / spread[1] < 16


def test_perturbed_copies_run_in_the_forward_jobs() -> None:
    model = make_model()
    executor = model.executor = spsa(draws=3)
    x = torch.randn(4, 5, 2).double()
    differentiate(model, x)
    assert (executor.counts.jobs, executor.counts.pubs) == (5, 5)
    assert executor.counts.bindings == 5 * 4 * (1 + 2 * 3)
    with torch.no_grad():
        model(x)
    assert executor.counts.bindings == 5 * 4 * (1 + 2 * 3) + 5 * 4


def test_steps_past_the_end_of_a_sequence_have_no_gradient() -> None:
    model = make_model()
    model.executor = spsa()
    x = torch.randn(2, 3, 2).double().requires_grad_()
    output, _ = model(x, lengths=torch.tensor([2, 3]))
    (gradient,) = torch.autograd.grad(output.sum(), x)
    assert not gradient[0, 2:].any()
    assert gradient[0, :2].all()
    assert gradient[1].all()


def test_copies_share_the_dropout_of_their_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(dropout=0.5)
    hidden: list[torch.Tensor] = []
    assert isinstance(model.controller.layers, nn.Sequential)
    model.controller.layers[2].register_forward_hook(
        lambda module, inputs, output: hidden.append(output == 0)
    )
    model.executor = spsa()
    model(torch.randn(4, 2, 2).double())
    assert len(hidden) == 6
    for first in (0, 3):
        assert hidden[first].any()
        assert all(hidden[first + copy].equal(hidden[first]) for copy in (1, 2))
    assert not hidden[0].equal(hidden[3])


def test_a_seed_repeats_the_gradient() -> None:
    model = make_model()
    model.executor = spsa()
    x = torch.randn(2, 3, 2).double()
    gradients = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        gradients.append(differentiate(model, x))
    assert gradients[0].equal(gradients[1])
    assert not gradients[0].equal(gradients[2])

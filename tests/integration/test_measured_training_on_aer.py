"""Measured mode on Aer: jobs, PUBs and transpilations of inference and of a training step."""

from __future__ import annotations

import pytest
import torch

from qrnn_qiskit import QRNN
from runtime_jobs import open_device


def make_model() -> QRNN:
    torch.manual_seed(2)
    return QRNN(2, 2, readout="measured", controller_hidden=3, dtype=torch.float64)


def step(model: QRNN, x: torch.Tensor) -> torch.Tensor:
    output, state = model(x)
    loss = output.square().sum() + state.readouts.square().prod(1).sum() + state.readouts.sum()
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, model.parameters())])


def test_exact_training_steps_agree_with_the_simulator() -> None:
    model = make_model()
    x = torch.randn(2, 2, 2).double()
    expected = step(model, x)
    model.executor = open_device("aer")
    torch.testing.assert_close(step(model, x), expected, atol=1e-7, rtol=0)
    counts = model.executor.counts
    assert (counts.jobs, counts.pubs, counts.transpilations) == (2, 2, 1)


@pytest.mark.parametrize(
    ("gradient", "jobs", "bindings"),
    [("parameter-shift", 2, 3 + 3 * 24), ("spsa?draws=2", 1, 3 * 5), ("simulator", 1, 3)],
)
def test_counts_of_a_sampled_training_step(gradient: str, jobs: int, bindings: int) -> None:
    model = make_model()
    model.executor = open_device("aer?shots=50", seed=1, gradient=gradient)
    gradients = step(model, torch.randn(3, 2, 2).double())
    assert gradients.isfinite().all()
    assert gradients.any()
    counts = model.executor.counts
    assert (counts.jobs, counts.pubs, counts.transpilations) == (jobs, jobs, 1)
    assert (counts.bindings, counts.executions) == (bindings, bindings * 3 * 50)


def test_random_coordinates_of_a_sampled_device() -> None:
    model = make_model()
    model.executor = open_device("aer?shots=50", seed=1, gradient="coordinates?draws=4")
    step(model, torch.randn(3, 2, 2).double())
    counts = model.executor.counts
    assert (counts.jobs, counts.transpilations) == (2, 1)
    assert 3 + 3 * 2 < counts.bindings <= 3 + 3 * 4 * 2

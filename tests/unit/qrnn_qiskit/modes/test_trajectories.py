"""Trajectories of measured mode: unbiased, reproducible, of little variance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from circuits import build_measurement, build_readout
from qrnn_qiskit import QRNN
from qrnn_qiskit.modes.trajectories import damp_observables

LENGTHS = torch.tensor([4, 3])


def make(**arguments: Any) -> QRNN:
    given = {"num_ancillas": 2, "coupling_strength": 1.3, "measured_bases": "XZ"}
    torch.manual_seed(0)
    return QRNN(
        2,
        3,
        2,
        readout="measured",
        controller_hidden=5,
        feedback_gain=5.0,
        dtype=torch.float64,
        **(given | arguments),
    )


def draw(count: int = 2) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(count, 4, 2, dtype=torch.float64, generator=random)


def estimate(model: QRNN, pairs: int = 16) -> tuple[Tensor, Tensor]:
    """Outputs and readouts in one row, and the gradient of a fixed linear loss of them."""
    random = torch.Generator().manual_seed(2)
    output, state = model(draw(2 * pairs), lengths=LENGTHS.repeat(pairs))
    values = torch.cat((output.flatten(), state.readouts.flatten()))
    weights = torch.randn(len(values), dtype=torch.float64, generator=random)
    gradients = torch.autograd.grad((values * weights).sum(), list(model.parameters()))
    return values.detach(), torch.cat([gradient.flatten() for gradient in gradients])


def bound_mean_square(samples: Tensor) -> tuple[float, float]:
    """Bounds on the mean of K squared scores from samples (N, K), kept in 998 of 1,000 cases.

    The scores are correlated: that mean has the variance of a chi-square with nu degrees of freedom
    over nu, where 1 / nu is the mean of the K^2 squared correlations (Satterthwaite). Those of N
    samples are larger by 1 / N where there is no correlation.
    """
    count = len(samples)
    squared = float(torch.corrcoef(samples.T).square().mean())
    degrees = (1 - 1 / count) / max(squared - 1 / count, 1e-9)
    degrees = min(degrees, samples.shape[1])
    low, high = chi2.ppf([1e-3, 1 - 1e-3], degrees) / degrees
    return float(low), float(high)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"coupling": "symmetric", "measured_bases": "Y"},
        {"coupling": "direct"},
        {"measurement_frame": "undone"},
    ],
    ids=str,
)
def test_means_and_gradients_are_the_exact_ones(arguments: dict[str, Any]) -> None:
    if arguments.get("coupling") == "direct":
        arguments = arguments | {"coupling_strength": math.pi}
    exact_values, exact_gradient = estimate(make(**arguments))
    model = make(num_trajectories=20, **arguments)
    torch.manual_seed(4)
    runs = [estimate(model) for _ in range(80)]
    for position, exact in enumerate((exact_values, exact_gradient)):
        samples = torch.stack([run[position] for run in runs])
        error = samples.std(0) / math.sqrt(len(samples))
        difference = samples.mean(0) - exact
        sure = error < 1e-12  # no feedback reaches the first angles: nothing is random there
        assert (difference.abs()[sure] < 1e-9).all()
        scores = (difference / error)[~sure]
        assert scores.abs().max() < 4.5
        low, high = bound_mean_square(samples[:, ~sure])
        assert low < float(scores.square().mean()) < high
    # The projection on the exact gradient, whose error is that of one number.
    projections = torch.stack([run[1] for run in runs]) @ exact_gradient
    target = float(exact_gradient.square().sum())
    error = float(projections.std()) / math.sqrt(len(runs))
    assert abs(float(projections.mean()) - target) < 4 * error
    assert error < 0.15 * target


def test_standard_errors_are_those_of_repeated_runs() -> None:
    model = make(num_trajectories=50)
    torch.manual_seed(4)
    with torch.no_grad():
        runs = [model(draw(), lengths=LENGTHS) for _ in range(200)]
    spread = torch.stack([state.readouts for _, state in runs]).std(0)
    claimed = torch.stack([state.standard_errors for _, state in runs]).mean(0)
    torch.testing.assert_close(claimed, spread, rtol=0.25, atol=1e-3)
    spread = torch.stack([output for output, _ in runs]).std(0)
    claimed = torch.stack([state.output_standard_errors for _, state in runs]).mean(0)
    torch.testing.assert_close(claimed[0], spread[0], rtol=0.25, atol=1e-3)


def test_the_seed_of_torch_decides() -> None:
    model = make(num_trajectories=5)
    results = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        results.append(model(draw())[0])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_trajectories_are_carried_on() -> None:
    exact, model = make(), make(num_trajectories=4000)
    torch.manual_seed(5)
    with torch.no_grad():
        _, state = model(draw(), lengths=LENGTHS)
        output, last = model(draw(), state)
        _, true_state = exact(draw(), lengths=LENGTHS)
        expected, true_last = exact(draw(), true_state)
    assert state.trajectories.shape == (2, 4000, 8)
    norms = state.trajectories.abs().square().sum(2)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    errors = last.output_standard_errors.clamp(min=1e-3)
    assert ((output - expected) / errors).abs().max() < 4.5
    errors = last.standard_errors.clamp(min=1e-3)
    assert ((last.readouts - true_last.readouts) / errors).abs().max() < 4.5


def test_eight_qubits_are_trained() -> None:
    torch.manual_seed(6)
    model = QRNN(2, 8, readout="measured", num_trajectories=4)
    _, state = model(torch.randn(2, 3, 2))
    state.readouts.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_observables_after_a_measurement_are_damped_ones_before() -> None:
    measurement = build_measurement(
        num_qubits=2, num_ancillas=2, coupling_strength=1.1, measured_bases="XY"
    )
    observables = build_readout(["XI", "ZZ", "YX", "IY"], num_qubits=2).observables
    first, second = measurement.kraus()
    low, high = measurement.qubits
    assert (low, high) == (0, 1)
    for before, after in zip(damp_observables(observables, measurement), observables, strict=True):
        summed = np.zeros((4, 4), complex)
        for one in first:
            for other in second:
                operator = np.kron(other, one)
                summed += operator.conj().T @ after.to_matrix() @ operator
        np.testing.assert_allclose(before.to_matrix(), summed, atol=1e-12)

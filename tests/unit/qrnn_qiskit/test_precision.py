"""float32 against float64 over a thousand steps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from qrnn_qiskit import QRNN

STEPS = 1000


def run(
    angles: Tensor, weights: Tensor, *, dtype: torch.dtype, num_qubits: int, wrapped: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Readouts, gradient of sum(weights * readouts) by the angles, and norms."""
    model = QRNN(
        angles.shape[2],
        num_qubits,
        2,
        readout="none",
        controller_hidden=None,
        entangler="crx",
        dtype=dtype,
    )
    if wrapped:
        model.controller = nn.Identity()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
            if parameter.dim() == 2:
                parameter.fill_diagonal_(1.0)
    angles = angles.to(dtype).requires_grad_()
    output, state = model(angles)
    assert state.vector is not None
    (gradient,) = torch.autograd.grad((weights * output).sum(), angles)
    norms = state.vector.detach().abs().square().sum(1)
    return output.detach().double(), gradient.double(), norms.double()


@pytest.mark.parametrize("wrapped", [False, True], ids=["compiled", "stepwise"])
@pytest.mark.parametrize("num_qubits", [2, 4])
def test_a_thousand_steps(num_qubits: int, wrapped: bool) -> None:
    """Two sequences with random and fourteen with constant angles, which are the harder ones."""
    torch.manual_seed(num_qubits)
    width = 2 * (2 * num_qubits + num_qubits - 1)
    constant = 3.0 * torch.randn(14, 1, width).expand(14, STEPS, width)
    angles = torch.cat((3.0 * torch.randn(2, STEPS, width), constant))
    weights = torch.randn(16, STEPS, 3 * num_qubits)
    single, double = (
        run(angles, weights, dtype=dtype, num_qubits=num_qubits, wrapped=wrapped)
        for dtype in (torch.float32, torch.float64)
    )
    assert float((single[0] - double[0]).abs().max()) < 1e-4
    largest = double[1].abs().amax((1, 2))
    assert float(((single[1] - double[1]).abs().amax((1, 2)) / largest).max()) < 1e-4
    assert float((single[2] - 1.0).abs().max()) < 1e-5
    assert float((double[2] - 1.0).abs().max()) < 1e-13


def test_a_thousand_steps_with_feedback() -> None:
    """Gradients of the whole model; the feedback is small enough not to explode."""
    torch.manual_seed(0)
    single = QRNN(3, 4, 2, feedback_gain=0.05, dtype=torch.float32)
    double = QRNN(3, 4, 2, dtype=torch.float64)
    double.load_state_dict(single.state_dict())
    x = torch.cat((torch.randn(2, STEPS, 3), torch.randn(2, 1, 3).expand(2, STEPS, 3)))
    results = []
    for model in (single, double):
        output, state = model(x.to(model.dtype))
        gradients = torch.autograd.grad(output[:, -50:].sum(), list(model.parameters()))
        results.append((output.detach().double(), [g.double() for g in gradients]))
        assert state.vector is not None
        assert float((state.vector.detach().abs().square().sum(1) - 1.0).abs().max()) < 1e-5
    assert float((results[0][0] - results[1][0]).abs().max()) < 1e-4
    for one, other in zip(results[0][1], results[1][1], strict=True):
        assert float((one - other).abs().max() / other.abs().max()) < 1e-4


@pytest.mark.parametrize("size", [1e2, 1e4, 1e6])
def test_large_angles_are_as_exact_as_small_ones(size: float) -> None:
    """Z after RY(angle) is cos(angle), whose reduction must not lose digits."""
    model = QRNN(1, 1, rotations=["ry"], observables="z", readout="none", dtype=torch.float64)
    model.controller = nn.Identity()
    angles = size * torch.randn(500, 1, 1, dtype=torch.float64)
    assert float((model(angles)[0] - angles.cos()).abs().max()) < 1e-14


@pytest.mark.parametrize("observables", ["xyz", ["ZZ" * 7, "XZ" * 7]])
def test_sums_over_many_amplitudes_keep_their_digits(observables: str | list[str]) -> None:
    """Norm and readouts of 14 qubits are sums of 16,384 squares; in float32 too they are exact."""
    torch.manual_seed(1)
    single, double = (
        QRNN(2, 14, observables=observables, readout="none", dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    )
    double.load_state_dict(single.state_dict())
    x = torch.randn(2, 1, 2)
    with torch.no_grad():
        difference = single(x)[0].double() - double(x.double())[0]
    assert float(difference.abs().max()) < 3e-6

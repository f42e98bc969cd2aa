"""The linear networks with a diagonal recurrence, and the chrono start of LSTM."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from qrnn_qiskit import QRNN
from qrnn_qiskit.models import LRU, LSTM, DiagonalSSM
from qrnn_qiskit.models.diagonal import DiagonalModel, Recurrence
from qrnn_qiskit.training.build import build_recurrent
from qrnn_qiskit.training.learning_rate import name_parts
from qrnn_qiskit.training.schema import ModelConfig


def draw(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(size=shape))


def build(kind: type[DiagonalModel], width: int, hidden: int, **more: Any) -> DiagonalModel:
    torch.manual_seed(0)
    return kind(width, hidden, **{"dtype": torch.float64} | more)  # type: ignore[call-arg]


def run_plainly(model: DiagonalModel, x: Tensor) -> Tensor:
    """Run the recurrence of the articles with autograd, real and imaginary parts in turn."""
    matrix = torch.view_as_complex(model.input.view(model.hidden_size, 2, -1).mT.contiguous())
    if isinstance(model, LRU):
        eigenvalues = torch.exp(torch.complex(-model.nu.exp(), model.theta.exp()))
        matrix = matrix * model.gamma.exp()[:, None]
    else:
        assert isinstance(model, DiagonalSSM)
        eigenvalues = torch.exp(torch.complex(-model.nu.exp(), model.omega))
    hidden, found = torch.zeros(len(x), model.hidden_size, dtype=torch.complex128), []
    for inputs in x.unbind(1):
        hidden = eigenvalues * hidden + inputs.to(torch.complex128) @ matrix.T
        found.append(torch.view_as_real(hidden).flatten(1))
    return torch.stack(found, 1)


@pytest.mark.parametrize("kind", [LRU, DiagonalSSM])
@pytest.mark.parametrize("steps", [1, 2, 50])
def test_values_and_gradients_are_those_of_a_plain_loop(
    kind: type[DiagonalModel], steps: int
) -> None:
    model, x = build(kind, 3, 5), draw(4, steps, 3).requires_grad_()
    weights = draw(4, steps, 10)
    output, state = model(x)
    expected = run_plainly(model, x)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(state.readouts, expected[:, -1])
    wanted = [x, *model.parameters()]
    found = torch.autograd.grad((output * weights).sum() + state.readouts.sum(), wanted)
    losses = (expected * weights).sum() + expected[:, -1].sum()
    torch.testing.assert_close(found, torch.autograd.grad(losses, wanted))


def test_the_gradient_of_the_recurrence_is_that_of_finite_differences() -> None:
    factor = torch.polar(draw(3).sigmoid(), draw(3)).requires_grad_()
    drive = draw(4, 2, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda f, d: Recurrence.apply(f, d.clone()), (factor, drive))


@pytest.mark.parametrize("kind", [LRU, DiagonalSSM])
def test_thousands_of_steps_stay_finite_and_exact_in_float32(kind: type[DiagonalModel]) -> None:
    x = draw(2, 3000, 1).float()
    single, double = (build(kind, 1, 8, dtype=dtype) for dtype in (torch.float32, torch.float64))
    double.load_state_dict(single.state_dict())
    output, state = single(x)
    expected = double(x.double())[0]
    error = (output - expected).abs().max() / expected.abs().max()
    assert error < 1e-3
    state.readouts.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in single.parameters() if p.grad is not None)


def test_lru_starts_on_a_ring_and_is_normalized() -> None:
    model = build(LRU, 4, 4000, radius=(0.5, 0.8), max_phase=1.0)
    eigenvalues = model.exponents().exp().detach()
    radii, phases = eigenvalues.abs(), eigenvalues.angle()
    assert 0.5 <= radii.min() < 0.51
    assert 0.79 < radii.max() <= 0.8
    assert 0.0 <= phases.min() < 0.01
    assert 0.99 < phases.max() <= 1.0
    # Uniform on the area of the ring: half of it lies beyond the root mean square of the radii.
    assert (radii > math.sqrt((0.25 + 0.64) / 2)).double().mean() == pytest.approx(0.5, abs=0.03)
    # With white noise as input every |h|^2 has the mean 1 in the long run.
    output = model(draw(16, 40, 4))[0][:, 30:].detach()
    assert 2 * output.square().mean() == pytest.approx(1.0, abs=0.1)


def test_the_layer_has_the_frequencies_and_the_gain_of_the_oscillator_start() -> None:
    model = build(DiagonalSSM, 2, 6, frequencies="period:11", input_gain=0.2)
    eigenvalues = model.exponents().exp().detach()
    expected = torch.arange(6, dtype=torch.float64) * 2 * math.pi / 11
    torch.testing.assert_close(eigenvalues.angle(), expected)
    assert (1 - eigenvalues.abs()).min() > 0
    assert (1 - eigenvalues.abs()).max() < 1e-3
    assert model.input.detach().square().mean().sqrt() == pytest.approx(0.2)


def test_one_qubit_at_the_oscillator_start_collects_what_the_layer_collects() -> None:
    """To first order in the inputs X + iY of a qubit is the state of an oscillator."""
    torch.manual_seed(0)
    settings = {"frequencies": [0.3], "input_gain": 1e-3, "dtype": torch.float64}
    qrnn = QRNN(
        1, 1, readout="none", controller_hidden=None, start="oscillators", slow=0.0, **settings
    )
    layer = DiagonalSSM(1, 1, **settings)
    x = draw(1, 40, 1)
    values = qrnn(x)[0][0].detach()
    layer.input.data = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    found = torch.complex(values[:, 0], values[:, 1])
    states = torch.view_as_complex(layer(x)[0][0].detach())
    ratio = found / states
    # RZ follows RY in a step; both turn what was collected by the same frequency in each step.
    assert (ratio / ratio[0] - 1).abs().max() < 0.02


@pytest.mark.parametrize("kind", [LRU, DiagonalSSM])
def test_eigenvalues_have_the_rate_of_what_acts_in_every_step(kind: type[DiagonalModel]) -> None:
    parts = name_parts(build(kind, 2, 3))
    assert sum(part == "bias" for part in parts.values()) == 2
    assert parts["input"] == "controller"


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (LRU, {"radius": (0.9, 1.0)}, r"radius\[1\] must be .* below 1, got 1.0"),
        (LRU, {"radius": (0.9, 0.5)}, "radius to increase"),
        (LRU, {"radius": (0.9,)}, "radius as two numbers"),
        (LRU, {"max_phase": 0.0}, "max_phase"),
        (DiagonalSSM, {"frequencies": [0.1]}, "expected 4 frequencies"),
        (DiagonalSSM, {"frequencies": "period:"}, "has no period"),
        (DiagonalSSM, {"input_gain": -1.0}, "input_gain"),
        (LSTM, {"chrono": 2}, "chrono"),
    ],
)
def test_bad_arguments_are_refused(kind: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(2, 4, **arguments)


@pytest.mark.parametrize("biases", [1, 2])
def test_the_chrono_start_spreads_the_times_that_cells_remember(biases: int) -> None:
    torch.manual_seed(0)
    hidden = 600
    model = LSTM(1, hidden, num_biases=biases, chrono=100, dtype=torch.float64)
    total = (model.network.bias_ih_l0 + model.network.bias_hh_l0).detach()
    admit, forget = total[:hidden], total[hidden : 2 * hidden]
    torch.testing.assert_close(admit, -forget)
    times = forget.exp()
    assert times.min() >= 1.0
    assert times.max() <= 99.0
    assert times.mean() == pytest.approx(50.0, rel=0.1)
    assert total[2 * hidden :].std() > 0.01  # the others stay


def test_an_automatic_chrono_start_takes_the_steps_of_the_task() -> None:
    torch.manual_seed(0)
    config = ModelConfig(kind="lstm", hidden_size=500, chrono="auto")
    model = build_recurrent(config, 2, num_steps=784)
    assert isinstance(model, LSTM)
    assert 700 < model.network.bias_ih_l0[500:1000].max().exp() < 784

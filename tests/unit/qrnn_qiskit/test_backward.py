"""How backward behaves: again, twice, in part, with dropout, and over ten steps of training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from qrnn_qiskit import QRNN
from qrnn_qiskit.backward import SecondDerivativeError

ALWAYS_ON = ("controller.layers.0.bias", "controller.layers.3.weight")
PATHS = pytest.mark.parametrize("wrapped", [False, True], ids=["compiled", "stepwise"])


def make(wrapped: bool = False, *, dropout: float = 0.0, readout: str = "expectation") -> QRNN:
    torch.manual_seed(0)
    model = QRNN(2, 3, controller_hidden=5, dropout=dropout, readout=readout, dtype=torch.float64)
    if wrapped:
        model.controller = nn.Sequential(model.controller)
    return model


def draw(batch: int = 3, steps: int = 5) -> Tensor:
    random = torch.Generator().manual_seed(1)
    x = torch.randn(batch, steps, 2, dtype=torch.float64, generator=random)
    return x.requires_grad_()


@PATHS
def test_a_retained_graph_gives_the_same_gradients_again(wrapped: bool) -> None:
    model, x = make(wrapped), draw()
    output, state = model(x)
    assert state.vector is not None
    loss = output.square().sum() + state.vector.real.sum()
    inputs = [x, *model.parameters()]
    first = torch.autograd.grad(loss, inputs, retain_graph=True)
    second = torch.autograd.grad(loss, inputs, retain_graph=True)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


@PATHS
def test_two_losses_share_one_forward_pass(wrapped: bool) -> None:
    model, x = make(wrapped), draw()
    output, state = model(x)
    inputs = [x, *model.parameters()]
    losses = [output[:, 1].sum(), state.readouts.square().sum()]
    parts = [torch.autograd.grad(loss, inputs, retain_graph=True) for loss in losses]
    total = torch.autograd.grad(losses[0] + losses[1], inputs)
    for one, other, both in zip(*parts, total, strict=True):
        torch.testing.assert_close(one + other, both, rtol=0.0, atol=1e-12)


@PATHS
def test_backward_twice_without_a_retained_graph_raises(wrapped: bool) -> None:
    model, x = make(wrapped), draw()
    output, _ = model(x)
    output.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        output.sum().backward()


@PATHS
def test_second_derivatives_are_refused(wrapped: bool) -> None:
    model, x = make(wrapped), draw()
    output, _ = model(x)
    for loss in (output.square().sum(), output.sum()):  # that of a sum arrives as a constant
        (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
        assert torch.equal(gradient, torch.autograd.grad(loss, x, retain_graph=True)[0])
        beside = gradient.square().sum() + x.square().sum()
        with pytest.raises(SecondDerivativeError, match=r"create_graph=True.*first.*difference"):
            torch.autograd.grad(beside, x, retain_graph=True)
        with pytest.raises(SecondDerivativeError):
            torch.autograd.backward(gradient.sum(), retain_graph=True)


def test_gradients_keep_their_precision_under_autocast() -> None:
    torch.manual_seed(0)
    model, x = QRNN(3, 3, dtype=torch.float32), torch.randn(4, 6, 3, requires_grad=True)
    inputs = [x, *model.parameters()]
    expected = torch.autograd.grad(model(x)[0].square().sum(), inputs)
    with torch.autocast("cpu", torch.bfloat16):
        found = torch.autograd.grad(model(x)[0].square().sum(), inputs, create_graph=True)
        again = torch.autograd.grad(model(x)[0].square().sum(), inputs)
    for one, other, wanted in zip(found, again, expected, strict=True):
        assert torch.equal(one, wanted)
        assert torch.equal(other, wanted)


def test_low_precision_of_autocast_is_taken_as_input() -> None:
    torch.manual_seed(0)
    layer, model, x = nn.Linear(5, 3), QRNN(3, 2, dtype=torch.float32), torch.randn(2, 4, 5)
    with torch.autocast("cpu", torch.bfloat16):
        low = layer(x)
        assert low.dtype == torch.bfloat16
        output, _ = model(low)
    assert output.dtype == torch.float32
    assert torch.equal(output, model(low.float())[0])
    output.sum().backward()
    assert layer.weight.grad is not None
    with pytest.raises(TypeError, match=r"got torch\.bfloat16"):
        model(low)


@PATHS
def test_a_loss_on_a_middle_step_is_that_of_the_shorter_sequence(wrapped: bool) -> None:
    model, x = make(wrapped), draw()
    middle = torch.autograd.grad(model(x)[0][:, 2].square().sum(), [x, *model.parameters()])
    assert torch.count_nonzero(middle[0][:, 3:]) == 0
    short = torch.autograd.grad(model(x[:, :3])[0][:, 2].square().sum(), [x, *model.parameters()])
    for one, other in zip(middle, short, strict=True):
        torch.testing.assert_close(one, other, rtol=0.0, atol=1e-12)


@PATHS
def test_a_loss_on_one_sequence_leaves_the_others_unchanged(wrapped: bool) -> None:
    model, x = make(wrapped), draw()
    (gradient,) = torch.autograd.grad(model(x)[1].readouts[1].sum(), x)
    assert torch.count_nonzero(gradient[[0, 2]]) == 0
    assert float(gradient[1].abs().min()) > 0.0


def test_frozen_parameters_and_inputs_get_no_gradient() -> None:
    model, x = make(), draw().detach()
    first = model.get_submodule("controller.layers.0")
    first.requires_grad_(False)
    model(x)[0].sum().backward()
    assert x.grad is None
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (".layers.0." in name)


@PATHS
def test_no_graph_without_gradient(wrapped: bool) -> None:
    model, x = make(wrapped), draw()
    with torch.no_grad():
        output, state = model(x)
    assert not output.requires_grad
    assert not state.readouts.requires_grad


@pytest.mark.parametrize("readout", ["expectation", "none"])
@pytest.mark.parametrize("activation", ["linear", "relu", "gelu", "glu"])
@pytest.mark.parametrize("entangler", ["cz", "crx"])
def test_every_parameter_has_a_gradient_and_moves_in_ten_steps(
    activation: str, readout: str, entangler: str
) -> None:
    torch.manual_seed(0)
    model = QRNN(3, 3, 2, activation=activation, readout=readout, entangler=entangler)
    x, target = torch.randn(16, 6, 3), torch.randn(16, 9)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.0)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = (model(x)[1].readouts - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert float(parameter.grad.abs().max()) > 0.0, name
    assert losses[-1] < losses[0]
    for name, parameter in model.named_parameters():
        moved = parameter.detach() != before[name]
        # A ReLU unit that is off for all inputs cannot move; all others must, entry by entry.
        assert bool(moved.any() if activation == "relu" else moved.all()), name


def test_dropout_acts_only_in_training() -> None:
    model, x = make(dropout=0.5), draw().detach()
    torch.manual_seed(2)
    one, other = model(x)[0], model(x)[0]
    assert (one - other).abs().max().item() > 1e-3
    torch.manual_seed(2)
    assert torch.equal(model(x)[0], one)
    model.eval()
    calm = model(x)[0]
    assert torch.equal(model(x)[0], calm)
    undropped = make()
    undropped.load_state_dict(model.state_dict())
    assert torch.equal(undropped(x)[0], calm)


@PATHS
def test_dropout_drops_its_share_of_units_and_scales_the_rest(wrapped: bool) -> None:
    """One unit that is always 1 gives the angle 2 (kept, scaled by 1 / (1 - 0.5)) or 0."""
    model = QRNN(1, 1, controller_hidden=1, activation="relu", dropout=0.5, rotations=["ry"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if name in ALWAYS_ON else 0.0)
    if wrapped:
        model.controller = nn.Sequential(model.controller)
    torch.manual_seed(0)
    angles = model.angles(torch.zeros(40, 50, 1)).flatten()
    assert set(angles.tolist()) == {0.0, 2.0}
    assert abs(float(angles.mean()) - 1.0) < 0.1


def test_dropout_module_in_training_mode_is_used() -> None:
    """Monte Carlo dropout: the model in eval mode, its dropout layers in training mode."""
    model, x = make(dropout=0.5).eval(), draw().detach()
    model.get_submodule("controller.layers.2").train()
    assert not torch.equal(model(x)[0], model(x)[0])

"""What every kind of recurrent model owes to tasks and training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from qrnn_qiskit.models import RecurrentModel
from qrnn_qiskit.training.build import KINDS, build_recurrent
from qrnn_qiskit.training.schema import ModelConfig

WIDTH = 3
SETTINGS = {
    **{kind: {"kind": kind} for kind in KINDS},
    "qrnn, reset": {"kind": "qrnn", "reset_state": True},
    "lstm, one bias": {"kind": "lstm", "num_biases": 1},
    "lstm, chrono": {"kind": "lstm", "chrono": 7},
}


def build(name: str, **more: object) -> RecurrentModel:
    torch.manual_seed(3)
    values = {"num_qubits": 4, "num_layers": 1, "hidden_size": 5, "controller_hidden": 6}
    config = ModelConfig(**values | {"dtype": "float64"} | SETTINGS[name] | more)
    return build_recurrent(config, WIDTH)


def draw(batch: int, steps: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(5).normal(size=(batch, steps, WIDTH)))


@pytest.fixture(params=SETTINGS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_shapes_and_names_are_those_of_the_output(name: str) -> None:
    model = build(name)
    output, state = model(draw(4, 6))
    assert output.shape == (4, 6, model.readout_size)
    assert state.readouts.shape == (4, model.num_readouts)
    assert len(model.output_labels) == model.readout_size
    assert torch.equal(output[:, -1], state.readouts)


def test_the_dtype_may_change(name: str) -> None:
    model, x = build(name), draw(2, 3)
    expected = model(x)[0]
    output = model.float()(x.float())[0]
    assert output.dtype == torch.float32
    torch.testing.assert_close(output.double(), expected, rtol=0.0, atol=1e-4)


def test_a_batch_is_its_sequences_one_by_one(name: str) -> None:
    model, x = build(name), draw(4, 6)
    output, state = model(x)
    for row in range(4):
        alone, last = model(x[row : row + 1])
        torch.testing.assert_close(alone[0], output[row])
        torch.testing.assert_close(last.readouts[0], state.readouts[row])


def test_padding_changes_nothing_and_is_zero_in_the_output(name: str) -> None:
    model, x = build(name), draw(3, 6)
    lengths = torch.tensor([6, 2, 4])
    output, state = model(x, lengths=lengths)
    other = x.clone()
    for row, length in enumerate(lengths.tolist()):
        other[row, length:] = 77.0
        short, last = model(x[row : row + 1, :length])
        torch.testing.assert_close(output[row, :length], short[0])
        torch.testing.assert_close(state.readouts[row], last.readouts[0])
        assert not output[row, length:].any()
    torch.testing.assert_close(model(other, lengths=lengths)[0], output)


def test_a_sequence_in_two_parts_is_the_whole(name: str) -> None:
    model, x = build(name), draw(3, 7)
    output, state = model(x)
    first, middle = model(x[:, :3])
    second, last = model(x[:, 3:], middle)
    torch.testing.assert_close(torch.cat((first, second), 1), output)
    torch.testing.assert_close(last.readouts, state.readouts)
    # Sequences of different lengths are carried on from their own last steps.
    _, middle = model(x[:, :4], lengths=torch.tensor([4, 1, 3]))
    _, last = model(x[1:2, 1:5], middle[1])
    torch.testing.assert_close(last.readouts, model(x[1:2, :5])[1].readouts)


def test_a_state_of_another_batch_is_refused(name: str) -> None:
    model = build(name)
    _, state = model(draw(3, 2))
    with pytest.raises(ValueError, match="state"):
        model(draw(2, 2), state)


def test_gradients_are_those_of_finite_differences(name: str) -> None:
    model, x = build(name), draw(2, 4)
    weights = torch.linspace(-1, 1, 2 * 4 * model.readout_size, dtype=torch.float64)

    def loss() -> Tensor:
        output, state = model(x, lengths=torch.tensor([4, 3]))
        return (output.flatten() * weights).sum() + state.readouts.square().sum()

    loss().backward()
    step = 1e-6
    for label, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, label
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for index in {0, len(flat) // 2, len(flat) - 1}:
            kept = float(flat[index])
            with torch.no_grad():
                flat[index] = kept + step
                above = loss()
                flat[index] = kept - step
                below = loss()
                flat[index] = kept
            slope = float(above - below) / (2 * step)
            assert float(gradient[index]) == pytest.approx(slope, rel=1e-5, abs=1e-7), label


def test_dropout_is_of_training_alone(name: str) -> None:
    model, x = build(name, dropout=0.5), draw(3, 4)
    torch.manual_seed(0)
    first, second = model(x)[0], model(x)[0]
    assert not torch.equal(first, second)
    model.eval()
    torch.testing.assert_close(model(x)[0], model(x)[0])


class CountElements(TorchDispatchMode):
    """How many numbers all operations write."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.total += sum(
            part.numel()
            for part in (result if isinstance(result, tuple | list) else [result])
            if isinstance(part, Tensor)
        )
        return result


@pytest.mark.parametrize("kind", ["scornn", "lru", "gru"])
def test_the_work_of_a_gradient_grows_with_the_steps_and_not_with_their_square(kind: str) -> None:
    model, work = build(kind), []
    for steps in (100, 200):
        loss = model(draw(2, steps))[0].sum()
        with CountElements() as counter:
            loss.backward()
        work.append(counter.total)
    assert 1.5 < work[1] / work[0] < 2.2


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "qrnn"])
def test_a_device_is_refused_where_there_are_no_circuits_for_it(kind: str) -> None:
    from qrnn_qiskit.executors import SimulatorExecutor

    model = build(kind)
    model.executor = SimulatorExecutor()
    with pytest.raises(ValueError, match=f"'{kind}' has no circuits"):
        model.executor = SimulatorExecutor(gradient="parameter-shift")
    with pytest.raises(ValueError, match="'aer' was requested"):
        model.check_device("aer")


def test_an_unknown_kind_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="lstm"):
        build_recurrent(ModelConfig(kind="perceptron"), WIDTH)

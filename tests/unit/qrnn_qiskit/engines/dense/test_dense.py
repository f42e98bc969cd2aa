"""The engine of plain torch against the compiled kernels and against Qiskit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from engines import (
    TOLERANCES,
    WIDTH,
    build_custom,
    differentiate,
    find_difference,
    list_wide,
    make_model,
)
from qiskit.quantum_info import Statevector
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from qrnn_qiskit import QRNN
from qrnn_qiskit.engines.dense import DenseSimulator

BATCH = 5

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch.cuda.is_available() is False: no GPU here"
)


SIZES = [pytest.param({"num_qubits": n}, id=f"n={n}") for n in range(1, 9)]
KINDS = [
    pytest.param({"num_qubits": 11, "num_layers": 1}, id="three groups"),
    pytest.param({"num_qubits": 4, "ansatz": "ring", "entangler": "crx"}, id="crx"),
    pytest.param({"num_qubits": 6, "entangler": "rzz", "rotations": ["rx", "rz"]}, id="rzz"),
    pytest.param({"num_qubits": 4, "ansatz": build_custom(), "num_layers": 1}, id="custom"),
    pytest.param({"num_qubits": 3, "readout": "none"}, id="none"),
    pytest.param({"num_qubits": 7, "observables": list_wide(7)}, id="wide observables"),
    pytest.param({"num_qubits": 3, "controller_hidden": None}, id="linear"),
    pytest.param({"num_qubits": 3, "activation": "glu"}, id="glu"),
]


def make_twins(dtype: torch.dtype, arguments: dict[str, Any]) -> tuple[QRNN, QRNN]:
    """The same model on both engines."""
    return make_model(dtype, **arguments), make_model(dtype, engine="torch", **arguments)


def require_close(found: list[Tensor], expected: list[Tensor], dtype: torch.dtype) -> None:
    assert find_difference(found, expected) < TOLERANCES[dtype]


@pytest.mark.parametrize("arguments", [*SIZES, *KINDS])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_both_engines_agree(dtype: torch.dtype, arguments: dict[str, Any]) -> None:
    compiled, plain = make_twins(dtype, arguments)
    require_close(differentiate(plain), differentiate(compiled), dtype)


@needs_gpu
@pytest.mark.parametrize("arguments", [*SIZES, *KINDS])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_a_gpu_agrees_with_the_compiled_kernels(
    dtype: torch.dtype, arguments: dict[str, Any]
) -> None:
    compiled, plain = make_twins(dtype, arguments)
    require_close(differentiate(plain.to("cuda"), "cuda"), differentiate(compiled), dtype)


def test_a_step_is_qiskits_state_vector() -> None:
    circuit = build_custom()
    observables = list_wide(4)
    simulator = DenseSimulator(circuit, observables, torch.float64, torch.device("cpu"))
    angles = np.random.default_rng(0).normal(size=(2, circuit.num_parameters))
    states, values = simulator.move(simulator.start(None, 2), torch.from_numpy(angles))
    for row, state, read in zip(angles, states.numpy(), values.numpy(), strict=True):
        expected = Statevector(circuit.assign_parameters(row))
        np.testing.assert_allclose(state, expected.data, atol=1e-12)
        wanted = [expected.expectation_value(each).real for each in observables]
        np.testing.assert_allclose(read, wanted, atol=1e-12)


@pytest.mark.parametrize("reset_state", [False, True])
def test_controllers_of_ones_own_and_resets_agree(reset_state: bool) -> None:
    compiled, plain = make_twins(torch.float64, {"num_qubits": 3, "reset_state": reset_state})
    for model in (compiled, plain):
        model.controller = nn.Sequential(model.controller, nn.Tanh())
    require_close(differentiate(plain), differentiate(compiled), torch.float64)


def test_a_long_sequence_keeps_its_norm_and_its_gradient() -> None:
    compiled, plain = make_twins(torch.float32, {"num_qubits": 3, "feedback_gain": 0.1})
    x = torch.rand(2, 150, WIDTH)
    gradients = []
    for model in (compiled, plain):
        _, state = model(x)
        assert state.vector is not None
        assert state.vector.abs().square().sum(1).tolist() == pytest.approx([1, 1], abs=1e-5)
        gradients.append(torch.autograd.grad(state.readouts.sum(), list(model.parameters())))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-3, atol=2e-3 * float(other.abs().max()))


def test_dropout_drops_its_share_of_units() -> None:
    """One unit that is always 1 gives the angle 2 (kept, scaled by 1 / (1 - 0.5)) or 0."""
    model = QRNN(
        1,
        1,
        controller_hidden=1,
        activation="relu",
        dropout=0.5,
        rotations=["ry"],
        engine="torch",
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            always = name in ("controller.layers.0.bias", "controller.layers.3.weight")
            parameter.fill_(1.0 if always else 0.0)
    torch.manual_seed(0)
    angles = model.angles(torch.zeros(40, 50, 1)).flatten()
    assert set(angles.tolist()) == {0.0, 2.0}
    assert abs(float(angles.mean()) - 1.0) < 0.1
    assert not model.eval().angles(torch.zeros(2, 3, 1)).ne(1.0).any()


def test_memory_does_not_grow_by_a_state_for_each_step() -> None:
    model = QRNN(1, 9, controller_hidden=2, engine="torch")
    kept = []
    for steps in (4, 14):
        sizes: list[int] = []

        def note(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            model(torch.rand(3, steps, 1))
        kept.append(sum(sizes))
    assert 0 < kept[1] - kept[0] < 10 * 3 * 2**9


class Operations(TorchDispatchMode):
    """Counts what would be a launch on a GPU: operations of torch that are no views."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        aliases = [each.alias_info for each in operation._schema.returns]
        is_view = any(alias is not None and not alias.is_write for alias in aliases)
        is_view |= operation._schema.name in ("aten::_unsafe_view", "aten::detach")
        self.count += not is_view and "empty" not in operation._schema.name
        return operation(*args, **(kwargs or {}))


def test_a_step_is_as_few_operations_as_the_documentation_says() -> None:
    model = QRNN(1, 8, 2, engine="torch")
    model(torch.rand(8, 2, 1))[1].readouts.sum().backward()
    counts = []
    for steps in (4, 12):
        with Operations() as forward:
            _, state = model(torch.rand(8, steps, 1))
        with Operations() as backward:
            state.readouts.square().sum().backward()
        counts.append((forward.count, backward.count))
    short, long = counts
    assert long[0] - short[0] <= 8 * 29
    assert long[1] - short[1] <= 8 * 60


def test_everything_is_on_the_device_of_the_states() -> None:
    """Without a GPU: tensors that have a device and a shape, and no numbers."""
    circuit = build_custom()
    with FakeTensorMode(allow_non_fake_inputs=True):
        gpu = torch.device("cuda:0")
        simulator = DenseSimulator(circuit, list_wide(4), torch.float32, gpu)
        theta = torch.empty(BATCH, circuit.num_parameters, device=gpu)
        states, values = simulator.move(simulator.start(None, BATCH), theta)
        before, adjoint, by_theta = simulator.undo(states, states, theta, values)
        for found, shape in (
            (before, states.shape),
            (adjoint, states.shape),
            (by_theta, theta.shape),
        ):
            assert (found.device, found.shape) == (gpu, shape)


def test_other_modes_have_one_engine() -> None:
    with pytest.raises(ValueError, match=r"engine='torch'.*readout='measured'"):
        QRNN(2, 2, readout="measured", engine="torch")
    with pytest.raises(ValueError, match="unknown engine 'cuda'; known are auto, torch"):
        QRNN(2, 2, engine="cuda")

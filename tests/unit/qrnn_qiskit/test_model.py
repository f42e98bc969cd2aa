"""The interface of nn.LSTM: shapes, carried states, lengths, dtypes, copies, saved weights."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor, nn

from circuits import dump_qasm3
from qrnn_qiskit import QRNN, SimulatorExecutor
from qrnn_qiskit.controller import Controller

PATHS = pytest.mark.parametrize("wrapped", [False, True], ids=["compiled", "stepwise"])


def make(wrapped: bool = False, **arguments: Any) -> QRNN:
    torch.manual_seed(0)
    given: dict[str, Any] = {"controller_hidden": 5, "dtype": torch.float64}
    model = QRNN(2, 3, **(given | arguments))
    if wrapped:
        model.controller = nn.Sequential(model.controller)
    return model


def draw(batch: int = 3, steps: int = 6) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(batch, steps, 2, dtype=torch.float64, generator=random)


def assert_close(one: Tensor | None, other: Tensor | None) -> None:
    torch.testing.assert_close(one, other, rtol=0.0, atol=1e-12)


@PATHS
@pytest.mark.parametrize("readout", ["expectation", "none"])
def test_shapes_and_dtypes(readout: str, wrapped: bool) -> None:
    model = make(wrapped, readout=readout, observables="zx")
    output, state = model(draw())
    assert model.readout_size == model.num_readouts == 6
    assert model.readout.labels == ["Z0", "Z1", "Z2", "X0", "X1", "X2"]
    assert output.shape == (3, 6, 6)
    assert output.dtype == torch.float64
    assert state.readouts.shape == (3, 6)
    assert state.vector is not None
    assert state.vector.shape == (3, 8)
    assert state.vector.dtype == torch.complex128
    assert state.density is None
    assert state.standard_errors is None
    assert state.output_standard_errors is None
    assert_close(state.readouts, output[:, -1])


def test_default_dtype_is_that_of_torch() -> None:
    assert QRNN(2, 2).dtype == torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        assert QRNN(2, 2).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@PATHS
def test_carrying_the_state_equals_one_long_sequence(wrapped: bool) -> None:
    model = make(wrapped)
    whole_x, parts_x = draw().requires_grad_(), draw().requires_grad_()
    inputs = list(model.parameters())
    output, state = model(whole_x)
    assert state.vector is not None
    whole = torch.autograd.grad(output.square().sum() + state.vector.real.sum(), [whole_x, *inputs])
    carried = None
    outputs = []
    for chunk in torch.split(parts_x, [1, 3, 2], dim=1):
        part, carried = model(chunk, carried)
        outputs.append(part)
    assert carried is not None
    assert carried.vector is not None
    joined = torch.cat(outputs, 1)
    parts = torch.autograd.grad(
        joined.square().sum() + carried.vector.real.sum(), [parts_x, *inputs]
    )
    assert_close(joined, output)
    assert_close(carried.readouts, state.readouts)
    assert_close(carried.vector, state.vector)
    for one, other in zip(parts, whole, strict=True):
        assert_close(one, other)


@PATHS
def test_detach_truncates_backpropagation(wrapped: bool) -> None:
    model, x = make(wrapped), draw().requires_grad_()
    _, state = model(x[:, :3])
    output, _ = model(x[:, 3:], state.detach())
    assert_close(output, model(x)[0][:, 3:])
    (gradient,) = torch.autograd.grad(output.sum(), x)
    assert torch.count_nonzero(gradient[:, :3]) == 0
    assert torch.count_nonzero(gradient[:, 3:]) == gradient[:, 3:].numel()
    assert state.readouts.requires_grad
    assert not state.detach().readouts.requires_grad


@PATHS
@pytest.mark.parametrize("readout", ["expectation", "none"])
def test_lengths_equal_single_sequences(readout: str, wrapped: bool) -> None:
    model, x = make(wrapped, readout=readout), draw(4, 6).requires_grad_()
    lengths = torch.tensor([4, 1, 5, 2])
    output, state = model(x, lengths=lengths)
    assert output.shape == (4, 6, 9)
    assert state.vector is not None
    loss = output.square().sum() + state.readouts.sum() + state.vector.imag.sum()
    gradients = torch.autograd.grad(loss, [x, *model.parameters()])
    singles = []
    for b, length in enumerate(lengths.tolist()):
        alone, final = model(x[b : b + 1, :length])
        assert_close(output[b, :length], alone[0])
        assert torch.count_nonzero(output[b, length:]) == 0
        assert_close(state[b].readouts, final.readouts)
        assert_close(state[b].vector, final.vector)
        assert final.vector is not None
        singles.append(alone.square().sum() + final.readouts.sum() + final.vector.imag.sum())
    expected = torch.autograd.grad(torch.stack(singles).sum(), [x, *model.parameters()])
    for one, other in zip(gradients, expected, strict=True):
        assert_close(one, other)


@PATHS
def test_inputs_past_a_length_have_no_influence(wrapped: bool) -> None:
    model, x = make(wrapped), draw()
    lengths = torch.tensor([6, 2, 4])
    other = x.clone()
    other[1, 2:] = 100.0
    assert_close(model(x, lengths=lengths)[0], model(other, lengths=lengths)[0])


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_full_lengths_change_nothing(dtype: torch.dtype) -> None:
    model, x = make(), draw()
    assert torch.equal(model(x, lengths=torch.full((3,), 6, dtype=dtype))[0], model(x)[0])


def test_sequences_do_not_see_each_other() -> None:
    """19 sequences need three blocks of eight, the last one partly filled."""
    model, x = make(), draw(19)
    output, _ = model(x)
    order = torch.randperm(19)
    assert_close(model(x[order])[0], output[order])
    assert_close(model(x[7:8])[0], output[7:8])


def test_memory_layout_of_the_input_does_not_matter() -> None:
    model, x = make(), draw()
    time_first = x.transpose(0, 1).contiguous()
    assert torch.equal(model(time_first.transpose(0, 1))[0], model(x)[0])
    repeated = x[:1, :1].expand(4, 5, 2)
    assert_close(model(repeated)[0], model(repeated.clone())[0])


def test_none_mode_hears_no_readouts() -> None:
    model = make(readout="none")
    first = model.get_submodule("controller.layers.0")
    assert isinstance(first, nn.Linear)
    assert first.in_features == 2
    x = draw(1, 1).expand(1, 5, 2)
    assert_close(model.angles(x)[0, 0], model.angles(x)[0, 4])
    assert_close(model.angles(x)[0, 0], model.controller(x[0, 0]))
    heard = make()
    assert not torch.allclose(heard.angles(x)[0, 0], heard.angles(x)[0, 4])


@PATHS
def test_angles_are_those_of_the_controller(wrapped: bool) -> None:
    model, x = make(wrapped), draw()
    angles = model.angles(x)
    assert angles.shape == (3, 6, model.ansatz.num_parameters)
    assert not angles.requires_grad
    zero = torch.tensor([0.0] * 6 + [1.0] * 3, dtype=torch.float64).expand(3, 1, 9)
    heard = torch.cat((zero, model(x)[0][:, :-1]), 1)
    assert_close(angles, model.controller(torch.cat((x, heard), 2)).detach())
    _, state = model(x[:, :2])
    assert_close(model.angles(x[:, 2:], state), angles[:, 2:])


@pytest.mark.parametrize("convert", ["to", "method"])
def test_the_dtype_may_change(convert: str) -> None:
    model = make(dtype=torch.float32)
    x = draw()
    single, _ = model(x.float())
    model = model.to(torch.float64) if convert == "to" else model.double()
    double, state = model(x)
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    assert state.vector is not None
    assert state.vector.dtype == torch.complex128
    torch.testing.assert_close(single.double(), double, rtol=0.0, atol=1e-5)
    again, _ = model.float()(x.float())
    assert torch.equal(again, single)


def test_deep_copies_are_independent() -> None:
    model, x = make(dropout=0.2).eval(), draw()
    twin = copy.deepcopy(model)
    assert torch.equal(twin(x)[0], model(x)[0])
    assert isinstance(twin.controller, Controller)
    assert twin.controller.find_weights() is not None
    with torch.no_grad():
        next(iter(twin.parameters())).add_(1.0)
    assert not torch.equal(twin(x)[0], model(x)[0])


def test_weights_survive_a_file() -> None:
    model, x = make(activation="glu"), draw()
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    torch.manual_seed(9)
    other = QRNN(2, 3, controller_hidden=5, activation="glu", dtype=torch.float64)
    assert not torch.equal(other(x)[0], model(x)[0])
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(x)[0], model(x)[0])


def test_the_state_dict_holds_the_controller_and_the_identity_of_the_circuits() -> None:
    assert list(make().state_dict()) == [
        "_extra_state",
        "controller.layers.0.weight",
        "controller.layers.0.bias",
        "controller.layers.3.weight",
        "controller.layers.3.bias",
    ]


def test_the_whole_model_may_be_pickled() -> None:
    model, x = make(), draw()
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(x)[0], model(x)[0])


def test_repr_tells_the_circuit() -> None:
    text = repr(make(num_layers=2, ansatz="ring"))
    assert "QRNN(\n  2, num_qubits=3, num_layers=2, readout='expectation', ansatz='ring'" in text
    assert "angles=12, readouts=9" in text
    assert "Linear(in_features=11, out_features=5" in text


def test_custom_circuits_and_files_keep_the_order_of_their_parameters(tmp_path: Any) -> None:
    circuit = QuantumCircuit(3)
    for qubit, name in enumerate(("b", "c", "a")):
        circuit.ry(Parameter(name), qubit)
    path = tmp_path / "step.qasm"
    path.write_text(dump_qasm3(circuit))
    for ansatz in (circuit, path, str(path)):
        model = make(ansatz=ansatz, observables=["IIZ", "IZI", "ZII"])
        assert [parameter.name for parameter in model.ansatz.parameters] == ["a", "b", "c"]
        a, b, c = model.angles(draw(1, 1))[0, 0]
        output = model(draw(1, 1))[0][0, 0]
        assert_close(output.detach(), torch.stack([b, c, a]).cos())


def test_observables_may_be_sums() -> None:
    total = SparsePauliOp(["IIZ", "IZI", "III"], [0.5, -2.0, 3.0])
    plain = make(observables="z", readout="none")
    summed = make(observables=[total], readout="none")  # the same controller: the same seed
    assert summed.readout_size == 1
    values = plain(draw())[0]
    expected = 0.5 * values[..., :1] - 2.0 * values[..., 1:2] + 3.0
    assert_close(summed(draw())[0], expected)


def test_the_executor_is_the_simulator() -> None:
    model = make()
    assert isinstance(model.executor, SimulatorExecutor)
    executor = SimulatorExecutor(seed=1)
    model.executor = executor
    assert model.executor is executor
    with pytest.raises(TypeError, match=r"a str.*open_device.*SimulatorExecutor"):
        model.executor = "aer"  # type: ignore[assignment]
    assert model.executor is executor

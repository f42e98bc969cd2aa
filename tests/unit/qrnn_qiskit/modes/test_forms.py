"""Habits of torch: packed, unbatched and empty inputs, and a model built again from its config."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from qrnn_qiskit import QRNN, Measured

MODES: list[dict[str, Any]] = [{}, {"readout": "none"}, {"readout": "measured"}]


def build(**arguments: Any) -> QRNN:
    torch.manual_seed(0)
    return QRNN(2, 2, controller_hidden=4, **arguments)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sorts", [True, False])
def test_a_packed_sequence_gives_the_packed_output(mode: dict[str, Any], sorts: bool) -> None:
    model, x = build(**mode), torch.randn(3, 4, 2)
    lengths = torch.tensor([4, 2, 2] if sorts else [2, 4, 2])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=sorts)
    output, state = model(packed)
    expected, after = model(x, None, lengths)
    padded, ends = pad_packed_sequence(output, batch_first=True)
    torch.testing.assert_close(padded, expected)
    assert torch.equal(ends, lengths)
    torch.testing.assert_close(state.readouts, after.readouts)
    assert output.batch_sizes.tolist() == packed.batch_sizes.tolist()
    again, _ = model(packed, state)  # carried on
    torch.testing.assert_close(
        pad_packed_sequence(again, batch_first=True)[0], model(x, after, lengths)[0]
    )
    with pytest.raises(TypeError, match="leave lengths out"):
        model(packed, None, lengths)


@pytest.mark.parametrize("mode", MODES)
def test_one_sequence_needs_no_batch_axis(mode: dict[str, Any]) -> None:
    model, x = build(**mode), torch.randn(1, 4, 2)
    output, state = model(x[0])
    expected, after = model(x)
    torch.testing.assert_close(output, expected[0])
    torch.testing.assert_close(state.readouts, after.readouts)
    torch.testing.assert_close(model(x[0], state)[0], model(x, after)[0][0])
    torch.testing.assert_close(model(x[0], None, torch.tensor(3))[0][:3], expected[0, :3])


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_batch_has_the_shapes_and_the_zero_gradient_of_a_batch(
    mode: dict[str, Any],
) -> None:
    model = build(**mode)
    output, state = model(torch.empty(0, 4, 2))
    assert output.shape == (0, 4, model.readout_size)
    assert len(state) == 0
    again, _ = model(torch.empty(0, 3, 2), state)
    (output.sum() + again.sum() + state.readouts.sum()).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert not parameter.grad.any()
    with pytest.raises(ValueError, match="a state of 0 sequences"):
        model(torch.empty(0, 4, 2), model(torch.zeros(1, 1, 2))[1])


def test_names_of_torch() -> None:
    model = build(batch_first=True)
    assert model.hidden_size == model.readout_size == 6
    with pytest.raises(ValueError, match="expected batch_first=True"):
        build(batch_first=False)


def test_new_weights_are_those_of_a_new_model() -> None:
    model = build(angle_gain=0.5)
    before = [parameter.clone() for parameter in model.parameters()]
    torch.manual_seed(3)
    model.reset_parameters()
    torch.manual_seed(3)
    expected = QRNN(2, 2, controller_hidden=4, angle_gain=0.5)
    for parameter, old, new in zip(model.parameters(), before, expected.parameters(), strict=True):
        assert torch.equal(parameter, new)
        assert not torch.equal(parameter, old)


def make_circuit() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("a"), 0)
    circuit.cx(0, 1)
    circuit.rx(Parameter("b"), 1)
    return circuit


@pytest.mark.parametrize(
    "arguments",
    [
        {"dtype": torch.float64, "rotations": ("rx", "ry", "rz"), "num_layers": 2},
        {"readout": "measured", "measurement": Measured(coupling_strength=math.pi / 2)},
        {"ansatz": make_circuit(), "observables": [SparsePauliOp(["XX", "ZI"], [0.5, 2.0])]},
        {
            "start": "oscillators",
            "frequencies": torch.tensor([0.3, 0.6]).numpy(),
            "controller_hidden": None,
        },
    ],
)
def test_a_saved_model_is_built_again(arguments: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = QRNN(2, 2, **{"controller_hidden": 4} | arguments)
    model.save_pretrained(tmp_path / "model")
    again = QRNN.from_pretrained(tmp_path / "model")
    x = torch.randn(3, 4, 2, dtype=model.dtype)
    assert torch.equal(model(x)[0], again(x)[0])
    assert json.loads(json.dumps(model.config)) == again.config
    assert QRNN.from_config(model.config).count_parameters() == model.count_parameters()


def test_what_is_no_saved_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no config\.json"):
        QRNN.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"a configuration of QRNN.*num_qbits"):
        QRNN.from_config({"input_size": 2, "num_qbits": 2})

"""State dicts know their circuits: another ansatz, readout or measurement is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import RXGate, RYGate

from circuits.errors import UserError
from qrnn_qiskit import QRNN, load

OTHERS: dict[str, dict[str, Any]] = {
    "'linear' of 3 qubit": {"ansatz": "ring"},
    "qubit": {"ansatz": "brick"},
    r"ry\+rz": {"rotations": ["rz", "ry"]},
    "observables": {"observables": "xzy"},
}


def warned() -> Any:
    return pytest.warns(UserWarning, match="the state dict")


def make(**arguments: Any) -> QRNN:
    torch.manual_seed(0)
    return QRNN(2, 3, **arguments)


@pytest.mark.parametrize("named", OTHERS)
def test_weights_of_another_circuit_are_refused_and_both_named(named: str) -> None:
    model, other = make(), make(**OTHERS[named])
    for whole in (False, True):  # alone, and as a part of a task's model
        loads = torch.nn.ModuleDict({"qrnn": other}) if whole else other
        prefix = "qrnn." if whole else ""
        state = {prefix + name: value for name, value in model.state_dict().items()}
        with (
            warned(),
            pytest.raises(RuntimeError, match=named) as caught,
        ):
            loads.load_state_dict(state)
        assert "in the state dict, but" in str(caught.value)


def test_the_identity_alone_is_refused_as_well() -> None:
    with pytest.raises(UserError, match="belongs to another circuit"):
        make().set_extra_state(make(ansatz="ring").get_extra_state())


def test_strict_false_loads_with_a_warning() -> None:
    model, other = make(), make(ansatz="ring")
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    with pytest.warns(UserWarning, match="belongs to another circuit"):
        other.load_state_dict(model.state_dict(), strict=False)
    assert torch.equal(next(other.parameters()), next(model.parameters()))


@pytest.mark.parametrize(
    "changes",
    [
        {"coupling": "symmetric"},
        {"coupling_strength": 1.0},
        {"measured_bases": "X"},
        {"ancilla_return": "reset"},
    ],
    ids=str,
)
def test_measurements_are_part_of_the_circuit(changes: dict[str, Any]) -> None:
    model = make(readout="measured")
    with (
        warned(),
        pytest.raises(RuntimeError, match="measurement"),
    ):
        make(readout="measured", **changes).load_state_dict(model.state_dict())


def test_noise_trajectories_and_resets_are_not() -> None:
    make(reset_state=True).load_state_dict(make().state_dict())
    state = make(readout="measured").state_dict()
    make(readout="measured", readout_error=0.1, step_noise="damping:0.1").load_state_dict(state)
    make(readout="measured", num_trajectories=4).load_state_dict(state)


def build(gate: type = RYGate, factor: float = 1.0, name: str = "a") -> QuantumCircuit:
    from qiskit.circuit import ParameterVector

    angles = ParameterVector(name, 3)
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.append(gate(factor * angles[qubit]), [qubit])
    circuit.cz(0, 1)
    return circuit


def test_custom_circuits_are_compared_by_their_gates() -> None:
    state = make(ansatz=build()).state_dict()
    make(ansatz=build(name="b")).load_state_dict(state)
    for other in (build(RXGate), build(factor=2.0)):
        with (
            warned(),
            pytest.raises(RuntimeError, match=r"'custom' of 3 qubit.*circuit [0-9a-f]{8}"),
        ):
            make(ansatz=other).load_state_dict(state)


def test_a_family_from_a_file_is_the_same_circuit(tmp_path: Path) -> None:
    from qiskit import qasm3

    model = make()
    file = tmp_path / "family.qasm"
    file.write_text(qasm3.dumps(model.ansatz.circuit))
    make(ansatz=file).load_state_dict(model.state_dict())


@pytest.mark.parametrize("strict", [True, False])
def test_state_dicts_of_earlier_versions_load(strict: bool) -> None:
    model = make()
    old = {name: value for name, value in model.state_dict().items() if name != "_extra_state"}
    keys = make().load_state_dict(old, strict=strict)
    assert not keys.missing_keys
    assert not keys.unexpected_keys


def test_a_foreign_extra_state_is_refused() -> None:
    state = make().state_dict()
    for foreign in ({"a": 1}, torch.zeros(3), None):
        with (
            warned(),
            pytest.raises(RuntimeError, match="that no QRNN wrote"),
        ):
            make().load_state_dict(state | {"_extra_state": foreign})


def test_the_shipped_example_loads() -> None:
    trained = load("example:digits")
    assert trained.predict(torch.zeros(1, 8, 8)).shape == (1, 10)


def test_state_dicts_hold_tensors_only() -> None:
    """So that formats for tensors store them; torch.load needs no code."""
    state = make().state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    make().double().load_state_dict(torch.load(file, weights_only=True))

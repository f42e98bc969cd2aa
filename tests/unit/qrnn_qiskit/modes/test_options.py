"""The arguments of measured mode: one by one, or as one object, with the same result."""

from __future__ import annotations

import dataclasses
import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch

from circuits import build_measurement
from qrnn_qiskit import QRNN, Measured
from qrnn_qiskit.training.schema import ModelConfig

NAMES = [field.name for field in dataclasses.fields(Measured)]


def build(**arguments: Any) -> QRNN:
    torch.manual_seed(0)
    return QRNN(2, 3, readout="measured", dtype=torch.float64, **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"num_ancillas": 2, "coupling": "symmetric", "coupling_strength": 1.1},
        {"coupling": "direct", "measured_qubits": [2], "measured_bases": "Y"},
        {"ancilla_return": "reset", "readout_error": [0.1, 0.02], "step_noise": "damping:0.03"},
        {"num_trajectories": 5},
        {name: getattr(Measured(), name) for name in NAMES},
    ],
    ids=str,
)
def test_both_forms_make_the_same_model(arguments: dict[str, Any]) -> None:
    flat, packed = build(**arguments), build(measurement=Measured(**arguments))
    assert flat.measurement == packed.measurement
    assert flat.state_dict().keys() == packed.state_dict().keys()
    for name, weight in flat.state_dict().items():
        assert torch.equal(weight, packed.state_dict()[name])
    x = torch.randn(4, 3, 2, dtype=torch.float64)
    outputs = []
    for model in (flat, packed):
        torch.manual_seed(1)  # of the trajectories
        output, state = model(x)
        outputs.append((output, state.readouts))
    for one, other in zip(*outputs, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_ancillas": 0},
        {"num_ancillas": 4},
        {"num_ancillas": True},
        {"coupling": "crx"},
        {"coupling_strength": math.nan},
        {"coupling_strength": "pi"},
        {"measured_qubits": [0, 1]},
        {"measured_bases": 3},
        {"ancilla_return": "wait"},
        {"readout_error": 1.5},
        {"step_noise": "damping"},
        {"num_trajectories": 1},
        {"num_trajectories": 5, "step_noise": "damping:0.1"},
    ],
    ids=str,
)
def test_both_forms_raise_the_same_error(arguments: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)) as flat:
        build(**arguments)
    with pytest.raises(type(flat.value)) as packed:
        build(measurement=Measured(**arguments))
    assert str(packed.value) == str(flat.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_ancillas": 2},
        {"measured_qubits": [0]},
        {"readout_error": np.array([0.1, 0.2])},
        {"readout_error": torch.tensor([0.1, 0.2])},
        {"num_trajectories": 5},
    ],
    ids=str,
)
def test_both_forms_at_once_are_refused(arguments: dict[str, Any]) -> None:
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"{name} and measurement=.*put {name} into Measured"):
        build(measurement=Measured(), **arguments)


@pytest.mark.parametrize("mode", ["expectation", "none"])
@pytest.mark.parametrize("measurement", [Measured(), Measured(num_ancillas=2)], ids=str)
def test_the_object_is_refused_in_other_modes(mode: str, measurement: Measured) -> None:
    with pytest.raises(ValueError, match=rf"measurement=.*only to readout='measured'.*{mode!r}"):
        QRNN(2, 3, readout=mode, measurement=measurement)


@pytest.mark.parametrize("measurement", [{"num_ancillas": 1}, build_measurement(num_qubits=3)])
def test_other_types_are_refused(measurement: Any) -> None:
    with pytest.raises(TypeError, match=rf"qrnn_qiskit\.Measured.*{type(measurement).__name__}"):
        build(measurement=measurement)


def test_the_object_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Measured().num_ancillas = 2  # type: ignore[misc]


def test_defaults_are_equal_everywhere() -> None:
    default = Measured()
    model, circuit = inspect.signature(QRNN).parameters, inspect.signature(build_measurement)
    for name in NAMES:
        assert model[name].default == getattr(default, name)
        assert ModelConfig.model_fields[name].default == getattr(default, name)
    for name, parameter in circuit.parameters.items():
        assert name == "num_qubits" or parameter.default == getattr(default, name)

"""The oscillator start: every qubit turns at its frequency where nothing drives it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qrnn_qiskit import QRNN
from qrnn_qiskit.controller import choose_feedback_gain, resolve_frequencies


def build(**changes: object) -> QRNN:
    arguments: dict[str, object] = {
        "controller_hidden": None,
        "start": "oscillators",
        "frequencies": [0.1, -0.4],
        "slow": 0.0,
        "dtype": torch.float64,
    }
    return QRNN(1, 2, 1, **(arguments | changes))  # type: ignore[arg-type]


def tilt(model: QRNN) -> torch.Tensor:
    """Run a small push at the first step and 30 steps without input; return X + iY of each qubit.

    Without feedback the two qubits are independent but for the entangler, which leaves |00> alone
    to first order in the push.
    """
    x = torch.zeros(1, 31, 1, dtype=torch.float64)
    x[:, 0] = 1.0
    with torch.no_grad():
        readouts = model(x)[0][0]
    labels = model.output_labels
    return torch.stack(
        [
            readouts[:, labels.index(f"X{q}")] + 1j * readouts[:, labels.index(f"Y{q}")]
            for q in range(2)
        ],
        1,
    )


def test_each_qubit_turns_at_its_frequency() -> None:
    model = build(readout="none", input_gain=1e-4, ansatz="product")
    found = tilt(model)
    turned = torch.angle(found[1:] / found[:-1])
    torch.testing.assert_close(
        turned, torch.tensor([0.1, -0.4], dtype=torch.float64).expand(30, 2), atol=1e-6, rtol=0
    )


def test_registers_take_their_parts_of_the_frequencies() -> None:
    frequencies = [0.1, 0.2, 0.3, 0.4]
    model = build(num_registers=2, frequencies=frequencies)
    parts = [build(frequencies=frequencies[:2]), build(frequencies=frequencies[2:])]
    biases = [each.layers[0].bias for each in model.controller.registers]
    for bias, part in zip(biases, parts, strict=True):
        torch.testing.assert_close(bias, part.controller.layers[0].bias)


def test_inputs_have_the_gain_and_other_biases_are_slow() -> None:
    layer = build(input_gain=0.05, slow=0.01).controller.layers[0]
    assert layer.weight[:, :1].square().mean().sqrt().item() == pytest.approx(0.05)
    small = layer.bias[layer.bias.abs() <= 0.01]
    assert len(small) == len(layer.bias) - 2
    assert small.abs().max() > 0.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("linear", [0.25, 0.5, 0.75, 1.0]),
        ("linear:0.5", [0.125, 0.25, 0.375, 0.5]),
        ("log", [0.25, 4 ** (-2 / 3), 4 ** (-1 / 3), 1.0]),
        ("period:11", [0.0, 2 * math.pi / 11] * 2),
        (np.array([0.0, 1.0, -1.0, math.pi]), [0.0, 1.0, -1.0, math.pi]),
    ],
)
def test_frequencies_by_name_count_all_registers(name: object, expected: list[float]) -> None:
    assert resolve_frequencies(name, 2, 2) == pytest.approx(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("frequencies", "message"),
    [
        ([0.1], r"expected 2 frequencies.*shape \(1,\)"),
        ([0.1, 3.5], r"frequency 1 is 3\.5 .*beyond pi.*-2\.78"),
        ([0.1, math.nan], "frequency 1 is nan"),
        ("period", "has no period"),
        ("period:x", r"expected a number above 0 after 'period:', got 'x'"),
        ("linear:-1", "expected a number above 0"),
        ("square", r"'linear', 'log', 'period:P'"),
    ],
)
def test_wrong_frequencies_are_refused(frequencies: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(frequencies=frequencies)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"controller_hidden": 8}, "controller_hidden=None"),
        ({"rotations": ("ry",)}, r"has none on qubit\(s\) 0, 1"),
        ({"start": "random"}, "start"),
        ({"start": "default"}, "frequencies=.* applies only to start='oscillators'"),
        ({"input_gain": -1.0}, "input_gain"),
        ({"slow": -1.0}, "slow"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_an_rz_that_shares_its_angle_is_no_oscillator() -> None:
    circuit = QuantumCircuit(2)
    angle = Parameter("a")
    circuit.rz(angle, 0)
    circuit.rz(angle, 1)
    with pytest.raises(ValueError, match="an RZ with a parameter to itself"):
        build(ansatz=circuit)


def test_the_slope_of_an_rz_is_taken_into_account() -> None:
    circuit = QuantumCircuit(2)
    first, second = Parameter("a"), Parameter("b")
    circuit.ry(Parameter("c"), 0)
    circuit.rz(2 * first + 0.3, 0)
    circuit.rz(second, 1)
    model = build(ansatz=circuit)
    names = [parameter.name for parameter in model.ansatz.parameters]
    by_name = dict(zip(names, model.controller.layers[0].bias, strict=True))
    assert 2 * by_name["a"].item() + 0.3 == pytest.approx(0.1)
    assert by_name["b"].item() == pytest.approx(-0.4)


def test_the_automatic_feedback_gain_falls_with_the_length() -> None:
    assert choose_feedback_gain("auto", 800) == pytest.approx(0.01)
    assert choose_feedback_gain("auto", 4) == 1.0
    assert choose_feedback_gain(0.3, None) == 0.3
    with pytest.raises(ValueError, match="pass num_steps=T"):
        choose_feedback_gain("auto", None)
    with pytest.raises(ValueError, match="expected a number, or 'auto'"):
        choose_feedback_gain("small", 10)
    torch.manual_seed(0)
    small = build(feedback_gain="auto", num_steps=80).controller.layers[0].weight[:, 1:]
    torch.manual_seed(0)
    full = build(feedback_gain=1.0).controller.layers[0].weight[:, 1:]
    torch.testing.assert_close(small, 0.1 * full)

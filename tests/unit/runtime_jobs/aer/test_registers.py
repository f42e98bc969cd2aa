"""Several registers on Aer: replay and dynamic circuits against the simulator."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from qrnn_qiskit import QRNN
from runtime_jobs import open_device

BATCH, STEPS = 2, 2


def make_model(**options: Any) -> QRNN:
    torch.manual_seed(0)
    options = {"num_qubits": 2, "dtype": torch.float64} | options
    return QRNN(2, num_registers=2, **options)


def make_inputs() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(BATCH, STEPS, 2, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"register_feedback": "shared"},
        {"readout": "none"},
        {"readout": "measured"},
        {"readout": "measured", "coupling": "symmetric", "coupling_strength": 1.0},
        {"readout": "measured", "ancilla_return": "reset", "measured_bases": "X"},
        {"readout": "measured", "coupling": "direct"},
        {"readout": "measured", "register_feedback": "shared", "num_qubits": 1},
    ],
    ids=str,
)
def test_ideal_circuits_equal_the_simulator(options: dict[str, Any]) -> None:
    model = make_model(**options)
    x = make_inputs()
    with torch.no_grad():
        expected, state = model(x)
        model.executor = open_device("aer")
        output, found = model(x)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.readouts, state.readouts, rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("readout", ["expectation", "measured"])
def test_shifts_give_the_gradient_of_the_simulator(readout: str) -> None:
    model = make_model(readout=readout, num_qubits=1, controller_hidden=None)
    x = make_inputs()
    found = []
    for device in (None, open_device("aer", gradient="parameter-shift")):
        model.zero_grad()
        if device is not None:
            model.executor = device
        output, state = model(x)
        (output.square().sum() + state.readouts.square().sum()).backward()
        found.append([parameter.grad.clone() for parameter in model.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-8)


@pytest.mark.noisy
@pytest.mark.parametrize(
    ("readout", "device"),
    [
        ("expectation", "kingston?noise=3&shots=1000&seed=1"),
        ("measured", "kingston?noise=3&shots=1000&seed=1"),
        pytest.param(
            "measured",
            "kingston?noise=3&shots=1000&seed=2&patches=2",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_noisy_circuits_agree_with_exact_noisy_simulation(readout: str, device: str) -> None:
    model = make_model(readout=readout)
    x = make_inputs()
    with torch.no_grad():
        model.executor = open_device("simulator:kingston?noise=3")
        exact, exact_state = model(x)
        model.executor = open_device(f"aer:{device}")
        drawn, state = model(x)
    assert state.output_standard_errors is not None
    assert state.standard_errors is not None
    # The feedback of a replay is drawn too, and patches differ in their noise.
    slack = 0.03 if readout == "expectation" or "patches" in device else 0.0
    for value, other, error in (
        (drawn, exact, state.output_standard_errors),
        (state.readouts, exact_state.readouts, state.standard_errors),
    ):
        assert bool(((value - other).abs() < 4.5 * error + slack).all())


def test_states_that_aer_cannot_hold_are_refused() -> None:
    model = QRNN(1, 4, num_registers=9)
    model.executor = open_device("aer")
    with pytest.raises(ValueError, match="36 qubits needs"):
        model(torch.zeros(1, 1, 1))

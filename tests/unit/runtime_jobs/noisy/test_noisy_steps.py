"""Expectation mode on ``simulator:NAME`` against the replay of the same circuits on Aer."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from qiskit.quantum_info import SparsePauliOp
from sampling import slow
from slopes import measure_slope_error

from qrnn_qiskit import QRNN
from runtime_jobs import open_device
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.snapshots import list_local_devices
from runtime_jobs.noisy import NoisySimulator

pytestmark = pytest.mark.noisy


def make_model(num_qubits: int, **options: Any) -> QRNN:
    torch.manual_seed(num_qubits)
    options = {"num_layers": 2, "dtype": torch.float64} | options
    return QRNN(input_size=2, num_qubits=num_qubits, **options)


def make_inputs(model: QRNN, batch: int = 3, steps: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, steps, 2, generator=generator, dtype=model.dtype)


def compare(model: QRNN, device: str) -> float:
    """Largest difference between the readouts of the exact simulator and of Aer."""
    x = make_inputs(model)
    found = []
    for name in ("aer", "simulator"):
        model.executor = open_device(f"{name}:{device}")
        with torch.no_grad():
            found.append(model(x)[0])
    return float((found[0] - found[1]).abs().max())


@pytest.mark.parametrize(
    ("num_qubits", "options", "device"),
    [
        (1, {}, "kingston"),
        (2, {"ansatz": "product"}, "kingston?noise=5"),
        (3, {"ansatz": "brick", "entangler": "crx"}, "kingston"),
        (4, {}, "kingston"),
        (4, {"ansatz": "ring"}, "kingston"),  # gates are routed across the ends of steps
        (3, {"entangler": "rzz"}, "kyiv"),  # ECR, in one direction of each pair
        (3, {}, "fractional"),  # RX by any angle, with an error
        (2, {"readout": "none"}, "kingston"),
        (2, {}, "kingston?mitigation=readout+zne"),
    ],
)
def test_readouts_equal_those_of_the_same_circuits_on_aer(
    num_qubits: int, options: dict[str, Any], device: str
) -> None:
    assert compare(make_model(num_qubits, **options), device) < 1e-8


def test_single_precision_is_accurate_to_its_digits() -> None:
    assert compare(make_model(3, dtype=torch.float32), "kingston") < 1e-5


def test_observables_may_be_any_operators() -> None:
    observables = [SparsePauliOp(["XX", "ZI"], [0.5, -2.0]), SparsePauliOp("YZ")]
    assert compare(make_model(2, observables=observables), "kingston?noise=3") < 1e-8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Properties of fake_nighthawk are not intended:UserWarning")
@pytest.mark.parametrize("device", list(list_local_devices()))
def test_every_device_with_branches_agrees_with_aer(device: str) -> None:
    for num_qubits in (1, 2, 3, 4):
        if device == "kyoto" and num_qubits > 1:  # no coupler works in its snapshot
            with pytest.raises(DeviceError, match="no 2 connected qubits"):
                compare(make_model(2), device)
            continue
        for family in ("linear", "ring", "brick", "product"):
            if family in ("linear", "product") or num_qubits > 1:
                assert compare(make_model(num_qubits, ansatz=family), device) < 1e-8


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ansatz": "ring"},
        {"ansatz": "brick", "entangler": "crx"},
        {"ansatz": "product"},
        *slow(
            {"ansatz": a, "entangler": e}
            for a, e in product(("linear", "ring", "brick"), ("cz", "rzz", "crx"))
        ),
    ],
    ids=str,
)
def test_the_gradient_is_that_of_the_noisy_circuits(options: dict[str, Any]) -> None:
    model = make_model(3, num_layers=1, **options)
    model.executor = open_device("simulator:kingston?noise=3")
    x = make_inputs(model)
    lengths = torch.tensor([3, 1, 2])
    weights = torch.linspace(-1.0, 1.0, 9, dtype=torch.float64)

    def find_loss() -> torch.Tensor:
        output, state = model(x, lengths=lengths)
        return (output @ weights).sum() + state.readouts.square().sum()

    assert measure_slope_error(next(model.controller.parameters()), find_loss) < 1e-6


def test_without_noise_it_is_the_simulator() -> None:
    model = make_model(3)
    x = make_inputs(model)
    with torch.no_grad():
        expected, state = model(x)
        model.executor = open_device("simulator:kingston?noise=0")
        found, noisy_state = model(x)
    assert float((found - expected).abs().max()) < 1e-9
    assert float((noisy_state.readouts - state.readouts).abs().max()) < 1e-9


def test_a_sequence_carries_on() -> None:
    model = make_model(2)
    model.executor = open_device("simulator:kingston")
    x = make_inputs(model, steps=4)
    with torch.no_grad():
        whole, _ = model(x)
        first, state = model(x[:, :3], lengths=torch.tensor([1, 3, 2]))
        rest, _ = model(x[:, 3:], state)
        assert float((rest[1] - whole[1, 3:]).abs().max()) < 1e-12
        again, _ = model(x[:1, 1:], state[0])
    assert float((again - whole[:1, 1:]).abs().max()) < 1e-12
    assert float((first[0, :1] - whole[0, :1]).abs().max()) < 1e-12


def test_shots_are_drawn_around_the_exact_values() -> None:
    model = make_model(2)
    x = make_inputs(model, batch=200, steps=1)
    with torch.no_grad():
        model.executor = open_device("simulator:kingston")
        exact, _ = model(x)
        model.executor = open_device("simulator:kingston?shots=1000&seed=1")
        drawn, state = model(x)
        model.executor = open_device("simulator:kingston?shots=1000&seed=1")
        again, _ = model(x)
    assert torch.equal(drawn, again)
    assert state.output_standard_errors is not None
    scaled = (drawn - exact) / state.output_standard_errors
    assert float(scaled.square().mean()) == pytest.approx(1.0, abs=0.15)


def test_more_than_seven_qubits_are_refused_with_the_memory() -> None:
    model = QRNN(input_size=2, num_qubits=8)
    model.executor = open_device("simulator:kingston")
    costs = r"512 KiB .*simulator:kingston\?shots=N samples trajectories: 4 KiB .* 1\.3 us"
    with pytest.raises(ValueError, match=rf"up to 7 qubits.* has 8.* {costs}"):
        model(torch.zeros(1, 1, 2))


def test_other_circuits_are_estimated_too() -> None:
    model = make_model(2)
    executor = open_device("simulator:kingston")
    assert isinstance(executor, NoisySimulator)
    circuit, observables = model.ansatz.circuit, model.readout.observables
    values = np.full((1, circuit.num_parameters), 0.3)
    found = executor.estimate(circuit, values, observables)
    expected = open_device("aer:kingston").estimate(circuit, values, observables)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-12)

"""Mitigated dynamic circuits: exact means and shots, with readout errors and noisy gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from qiskit_aer.noise import NoiseModel, ReadoutError
from slopes import measure_slope_error

from qrnn_qiskit import QRNN
from qrnn_qiskit.executors import Outcomes
from runtime_jobs import open_device

pytestmark = pytest.mark.noisy

KINDS: list[dict[str, Any]] = [
    {},
    {"num_ancillas": 2, "coupling": "symmetric", "coupling_strength": 1.3},
    {"coupling": "direct"},
    {"measurement_frame": "undone"},
]


def run(case: Any, device: str, **options: Any) -> Outcomes:
    (found,) = open_device(device, **options).run_dynamic([case.pub()])
    return found


def distance(first: Outcomes, second: Outcomes) -> float:
    return float(np.abs(first.values - second.values).max())


@pytest.mark.parametrize("kind", KINDS)
def test_the_exact_mean_of_the_flips_has_no_bias(
    make_case: Callable[..., Any], kind: dict[str, Any]
) -> None:
    case = make_case(ancilla_return="reset", **kind)
    noise = NoiseModel(basis_gates=["cz", "id", "rz", "sx", "x"])
    for qubit in range(case.circuit.circuit.num_qubits):  # another error for each qubit and bit
        wrong = 0.01 + 0.01 * qubit
        noise.add_readout_error(ReadoutError([[1 - wrong, wrong], [0.04, 0.96]]), [qubit])
    ideal = run(case, "aer")
    mitigated = run(case, "simulator?mitigation=feedforward", noise_model=noise)
    assert distance(mitigated, ideal) < 1e-9
    np.testing.assert_allclose(mitigated.outcomes, ideal.outcomes, atol=1e-9)
    # The inversion of the final readouts leaves the wrong branches.
    readout = run(case, "simulator?mitigation=readout", noise_model=noise)
    unmitigated = run(case, "simulator", noise_model=noise)
    assert 1e-3 < distance(readout, ideal) < distance(unmitigated, ideal)


def list_residuals(
    make_case: Callable[..., Any], rate: float, batch: int, executions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of mitigated readouts in standard errors, and the bias without mitigation.

    Three sequences share a calibration, whose error is common to them.
    """
    case = make_case(num_steps=4, batch=batch, ancilla_return="reset", seed=int(1e3 * rate))
    ideal = run(case, "aer")
    noisy = run(case, f"simulator?noise=readout:{rate}")
    device = f"simulator?noise=readout:{rate}&mitigation=feedforward"
    residuals = []
    for first in range(0, batch, 3):
        rows = slice(first, first + 3)
        pub = case.pub()._replace(values=case.pub().values[rows])
        executor = open_device(device, shots=executions // 3, seed=int(1e5 * rate) + first)
        (found,) = executor.run_dynamic([pub])
        assert found.standard_errors is not None
        assert found.bit_errors is not None
        clicks = (found.outcomes - ideal.outcomes[rows])[:, :, 1:] / found.bit_errors
        assert np.abs(clicks).max() < 4.5
        residuals.append((found.values - ideal.values[rows]) / found.standard_errors)
    return np.concatenate(residuals), noisy.values - ideal.values


def test_shots_scatter_around_the_values_without_readout_error(
    make_case: Callable[..., Any],
) -> None:
    residuals, bias = list_residuals(make_case, 0.04, 3, 6000)
    assert np.abs(residuals).max() < 4.5
    assert np.abs(bias).max() > 0.05


@pytest.mark.slow
def test_nothing_remains_of_the_bias_at_200_000_executions(make_case: Callable[..., Any]) -> None:
    rates = [0.01, 0.02, 0.03, 0.04, 0.05]
    found = [list_residuals(make_case, rate, 18, 200_000) for rate in rates]
    residuals = np.concatenate([residual.ravel() for residual, _ in found])
    assert len(residuals) >= 500
    assert 0.9 < residuals.std() < 1.1
    # The mean of each kind of readout over all sequences and rates.
    means = np.concatenate([residual for residual, _ in found])
    assert np.abs(means.mean(0) * np.sqrt(len(means))).max() < 3.5
    for _, bias in found:
        assert np.abs(bias).max() > 3 / np.sqrt(200_000 / 3)


def test_extrapolation_reduces_the_error_of_the_gates(make_case: Callable[..., Any]) -> None:
    case = make_case(ancilla_return="reset", entangler="cz")
    ideal, errors = run(case, "aer"), "gate2:0.01,readout:0.03"
    flipped = run(case, f"simulator?noise={errors}&mitigation=feedforward")
    both = run(case, f"simulator?noise={errors}&mitigation=feedforward+zne")
    assert distance(both, ideal) < distance(flipped, ideal) / 3
    drawn = run(case, f"simulator?noise={errors}&mitigation=feedforward+zne&seed=1", shots=4000)
    assert drawn.standard_errors is not None
    assert np.abs((drawn.values - both.values) / drawn.standard_errors).max() < 4.5
    assert drawn.shots == 3 * 3 * 4000


def test_the_gradient_is_that_of_the_mitigated_mean() -> None:
    torch.manual_seed(0)
    model = QRNN(2, 2, readout="measured", ancilla_return="reset", dtype=torch.float64)
    model.executor = open_device("simulator:kingston?noise=3&mitigation=feedforward+zne")
    x = torch.randn(2, 3, 2, dtype=torch.float64)

    def find_loss() -> torch.Tensor:
        output, state = model(x)
        return output.square().sum() + state.readouts.square().sum()

    assert measure_slope_error(next(model.controller.parameters()), find_loss) < 1e-6


def test_registers_and_repeated_angles_are_mitigated() -> None:
    """The circuit of a model with an angle in several gates has other parameters than tables."""
    torch.manual_seed(1)
    model = QRNN(2, 2, readout="measured", ancilla_return="reset", num_registers=2, entangler="crx")
    x = torch.randn(2, 3, 2)
    with torch.no_grad():
        output, state = model(x)
        model.executor = open_device("simulator?noise=readout:0.03&mitigation=feedforward")
        mitigated, mean = model(x)
        torch.testing.assert_close(mitigated, output, atol=1e-5, rtol=0)
        torch.testing.assert_close(mean.readouts, state.readouts, atol=1e-5, rtol=0)
        model.executor = open_device(
            "simulator?noise=readout:0.03&mitigation=feedforward&shots=300&seed=3"
        )
        sampled, drawn = model(x)
    assert drawn.standard_errors is not None
    assert drawn.output_standard_errors is not None
    residuals = (drawn.readouts - state.readouts) / drawn.standard_errors
    assert residuals.abs().max() < 4.5
    assert ((sampled - output) / drawn.output_standard_errors).abs().max() < 4.5


def test_returns_in_branches_and_static_circuits_are_refused(make_case: Callable[..., Any]) -> None:
    device = "simulator?noise=readout:0.03&mitigation=feedforward"
    with pytest.raises(ValueError, match="ancilla_return=reset"):
        run(make_case(), device)
    with pytest.raises(ValueError, match="at least 16, got 10"):
        run(make_case(ancilla_return="reset"), device, shots=10)
    case = make_case()
    with pytest.raises(ValueError, match="readout=measured"):
        open_device(device).estimate(
            case.ansatz.circuit, np.zeros((1, case.ansatz.num_parameters)), case.observables
        )

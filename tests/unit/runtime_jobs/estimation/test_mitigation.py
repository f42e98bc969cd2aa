"""Readout inversion and zero-noise extrapolation, each against the noise it is made for."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator
from qiskit_aer.noise import NoiseModel, ReadoutError

from circuits import build_ansatz, build_readout, unroll
from qrnn_qiskit.executors import Estimates, SimulatorExecutor
from runtime_jobs import DeviceError, open_device
from runtime_jobs.aer import AerExecutor
from runtime_jobs.estimation.mitigation import Mitigation, fold_pairs, parse_mitigation

CIRCUIT = unroll(build_ansatz("linear", num_qubits=3, num_layers=2), 2)
VALUES = np.random.default_rng(0).uniform(-4.0, 4.0, (20, CIRCUIT.num_parameters))
OBSERVABLES = [
    *build_readout(num_qubits=3).observables,
    *build_readout(["ZXY"], num_qubits=3).observables,
]
EXACT = SimulatorExecutor().estimate(CIRCUIT, VALUES, OBSERVABLES).values


def run(name: str) -> Estimates:
    return open_device(name).estimate(CIRCUIT, VALUES, OBSERVABLES)


def rms(deviation: np.ndarray) -> float:
    return float(np.sqrt(np.mean(deviation**2)))


def test_readout_inversion_removes_readout_error_of_any_shape() -> None:
    model = NoiseModel()
    for qubit, (up, down) in enumerate([(0.02, 0.2), (0.1, 0.0), (0.05, 0.05)]):
        model.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [qubit])
    plain = AerExecutor(noise_model=model).estimate(CIRCUIT, VALUES, OBSERVABLES)
    assert rms(plain.values - EXACT) > 0.05
    mitigated = AerExecutor(noise_model=model, mitigation=Mitigation(readout=True))
    found = mitigated.estimate(CIRCUIT, VALUES, OBSERVABLES)
    np.testing.assert_allclose(found.values, EXACT, atol=1e-9)


def test_standard_errors_of_inverted_readouts_are_honest() -> None:
    found = run("aer?noise=readout:0.1&mitigation=readout&shots=2000&seed=1")
    assert found.standard_errors is not None
    residuals = (found.values - EXACT) / found.standard_errors
    assert 0.85 < residuals.std() < 1.2  # 200 residuals
    unmitigated = run("aer?noise=readout:0.1&shots=2000&seed=1").standard_errors
    assert unmitigated is not None
    assert (found.standard_errors[:, :9] > unmitigated[:, :9]).all()


@pytest.mark.training
@pytest.mark.parametrize("method", ["readout", "readout+zne"])
def test_standard_errors_hold_the_error_of_the_calibration(method: str) -> None:
    # A million shots leave the ten thousand of the calibration as the error that counts.
    name = f"aer?noise=readout:0.1&mitigation={method}&shots=1000000"
    residuals = []
    for seed in range(25):
        device = open_device(name, seed=seed)
        found = device.estimate(CIRCUIT, VALUES[:1], OBSERVABLES)
        assert found.standard_errors is not None
        residuals.append((found.values - EXACT[:1]) / found.standard_errors)
    assert 0.8 < np.std(residuals) < 1.2


def test_calibration_is_counted_once() -> None:
    device = open_device("aer?noise=readout:0.1&mitigation=readout&shots=100&seed=1")
    for _ in range(2):
        device.estimate(CIRCUIT, VALUES, OBSERVABLES)
    counts = device.counts
    assert (counts.jobs, counts.pubs, counts.bindings) == (2, 2 + 2, 2 * 20 + 2)
    assert counts.executions == 2 * 20 * 4 * 100 + 2 * 10_000  # ZXY needs a separate basis


def test_a_readout_without_information_cannot_be_inverted() -> None:
    with pytest.raises(ValueError, match="readout of qubit 0 does not distinguish 0 from 1"):
        run("aer?noise=readout:0.5&mitigation=readout")


def test_extrapolation_removes_most_of_the_noise_of_two_qubit_gates() -> None:
    plain = rms(run("aer?noise=gate2:0.01").values - EXACT)
    extrapolated = rms(run("aer?noise=gate2:0.01&mitigation=zne").values - EXACT)
    assert plain > 0.01
    assert extrapolated < plain / 4


def test_extrapolation_takes_three_times_the_shots_and_larger_errors() -> None:
    weights = parse_mitigation("zne").weights
    np.testing.assert_allclose(weights, [13 / 12, 1 / 3, -5 / 12])
    device = open_device("aer?noise=gate2:0.01&mitigation=zne&shots=1000&seed=0")
    found = device.estimate(CIRCUIT, VALUES, OBSERVABLES)
    expected = run("aer?noise=gate2:0.01&mitigation=zne").values
    assert found.standard_errors is not None
    residuals = (found.values - expected) / found.standard_errors
    assert 0.85 < residuals.std() < 1.2
    assert device.counts.executions == 3 * 20 * 4 * 1000
    assert device.counts.transpilations == 1


@pytest.mark.noisy
def test_both_together_help_on_a_device() -> None:
    plain, mitigated = (
        rms(run(f"aer:kingston?noise=3{options}").values - EXACT)
        for options in ("", "&mitigation=readout+zne")
    )
    assert mitigated < plain / 2


def test_folding_keeps_the_unitary() -> None:
    circuit = QuantumCircuit(2)
    circuit.sx(0)
    circuit.cz(0, 1)
    circuit.ecr(1, 0)
    folded = fold_pairs(circuit, 3)
    assert folded.count_ops() == {"sx": 1, "cz": 3, "ecr": 3}
    assert Operator(folded).equiv(circuit)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (
            "aer:kingston?mitigation=trex",
            "feedforward .*zne, readout.zne or feedforward.zne, got 'trex'",
        ),
        ("aer:kingston?mitigation=zne+zne", "got 'zne.zne'"),
        ("aer?mitigation=zne", "there is no noise to mitigate; name a device"),
    ],
)
def test_bad_mitigation_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(DeviceError, match=complaint):
        open_device(name)

"""Backends and V2 primitives of the user as executors, against the compiled simulator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.primitives import (
    BackendEstimatorV2,
    BaseSamplerV2,
    StatevectorEstimator,
    StatevectorSampler,
)
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import EstimatorV2

from circuits.errors import InvalidTypeError
from qrnn_qiskit import QRNN
from qrnn_qiskit.executors import SimulatorExecutor
from qrnn_qiskit.executors.gradient_methods import GradientError
from runtime_jobs import DeviceError, open_device
from runtime_jobs.primitives import PrimitiveError

OBSERVABLES = [SparsePauliOp("ZI"), SparsePauliOp("XX"), SparsePauliOp(["IY", "ZZ"], [0.5, -2.0])]
VALUES = np.random.default_rng(0).uniform(-3, 3, (5, 3))
SHOTS = 4000


def build_circuit() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("b"), 0)
    circuit.rz(Parameter("a"), 0)
    circuit.cx(0, 1)
    circuit.ry(Parameter("c"), 1)
    return circuit


EXACT = SimulatorExecutor().estimate(build_circuit(), VALUES, OBSERVABLES).values
LINE = AerSimulator(coupling_map=[[0, 1], [1, 0], [1, 2], [2, 1]], basis_gates=["rz", "sx", "cz"])
DEVICES = {
    "AerSimulator": AerSimulator,
    "a line of qubits": lambda: LINE,
    "StatevectorSampler": lambda: StatevectorSampler(seed=1),
    "StatevectorEstimator": lambda: StatevectorEstimator(seed=1),
    "EstimatorV2 of Aer": EstimatorV2,
    "BackendEstimatorV2": lambda: BackendEstimatorV2(backend=LINE),
}


@pytest.mark.parametrize("name", DEVICES)
def test_a_given_device_estimates_what_the_simulator_computes(name: str) -> None:
    device = DEVICES[name]()
    seed = 5 if isinstance(device, AerSimulator) else None
    executor = open_device(device, shots=SHOTS, seed=seed, keep_results=True)
    circuit = build_circuit()
    found = executor.estimate(circuit, VALUES, OBSERVABLES)
    assert found.standard_errors is not None
    assert (found.standard_errors > 0).all()
    assert (np.abs(found.values - EXACT) < 5 * found.standard_errors).all()
    assert found.pub_result is executor.pub_results[0]
    again = executor.estimate(circuit, VALUES[:1], OBSERVABLES)
    assert again.values.shape == (1, 3)
    fixed = executor.estimate(QuantumCircuit(2), np.empty((2, 0)), OBSERVABLES)
    np.testing.assert_allclose(fixed.values, [[1, 0, -2]] * 2, atol=0.2)
    counts = executor.counts
    assert (counts.jobs, counts.bindings, counts.transpilations) == (3, 8, 2)


@pytest.mark.parametrize("device", [StatevectorEstimator(), EstimatorV2()], ids=type)
def test_an_exact_estimator_needs_no_shots_and_gives_the_gradient(device: object) -> None:
    executor = open_device(device)  # type: ignore[arg-type]
    found = executor.estimate(build_circuit(), VALUES, OBSERVABLES)
    assert found.standard_errors is None
    assert found.pub_result is None
    np.testing.assert_allclose(found.values, EXACT, atol=1e-9)
    torch.manual_seed(0)
    model = QRNN(input_size=1, num_qubits=2, num_layers=1, observables=OBSERVABLES)
    x = torch.rand(1, 2, 1)
    gradients = []
    for each in (SimulatorExecutor(), executor):
        model.executor = each
        model.zero_grad()
        model(x)[1].readouts.sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-3)


@pytest.mark.noisy
def test_a_backend_runs_the_dynamic_circuits_of_a_model() -> None:
    torch.manual_seed(0)
    model = QRNN(input_size=1, num_qubits=2, num_layers=1, readout="measured")
    x = torch.rand(2, 3, 1)
    with torch.no_grad():
        exact, _ = model(x)
        for device in (AerSimulator(), LINE):
            model.executor = open_device(device, shots=SHOTS, seed=3, keep_results=True)
            output, state = model(x)
            assert (output - exact).abs().max() < 5 * (0.25 / SHOTS) ** 0.5
            assert state.standard_errors is not None
            (result,) = model.executor.pub_results
            assert set(result.data) == {"step0", "step1", "step2", "final"}
        model.executor = open_device(StatevectorSampler(), shots=10)
        with pytest.raises(PrimitiveError, match=r"StatevectorSampler.*failed with"):
            model(x)
        model.executor = open_device(StatevectorEstimator())
        with pytest.raises(ValueError, match="StatevectorEstimator"):
            model(x)


def test_samples_have_the_bits_of_the_qubits_and_another_seed_for_each_job() -> None:
    circuit = QuantumCircuit(3)
    circuit.x(0)
    circuit.ry(Parameter("a"), 2)
    executor = open_device(LINE, shots=10, seed=0)
    first, second = (executor.sample(circuit, [[1.0]], 1000)[0] for _ in range(2))
    assert set(first) == {"001", "101"}
    assert first != second
    assert open_device(LINE, shots=10, seed=0).sample(circuit, [[1.0]], 1000)[0] == first
    with pytest.raises(DeviceError, match="no bits; open a SamplerV2"):
        open_device(StatevectorEstimator()).sample(circuit, [[1.0]], 10)


def test_a_simulated_device_of_qiskit_is_the_noisy_model_of_the_qubits_in_use() -> None:
    backend = GenericBackendV2(40, seed=1)  # too many for a state of all qubits
    noisy = open_device(backend).estimate(build_circuit(), VALUES, OBSERVABLES)
    assert noisy.standard_errors is None
    assert 1e-4 < np.abs(noisy.values - EXACT).max() < 0.2
    with pytest.raises(DeviceError, match="shots are missing"):
        open_device(backend, keep_results=True)


class Strange(StatevectorSampler):
    """A sampler that gives other shots than those requested."""

    def run(self, pubs, *, shots=None):  # type: ignore[no-untyped-def]
        return super().run(pubs, shots=shots + 1)


@pytest.mark.parametrize(
    ("device", "options", "message"),
    [
        (AerSimulator(), {}, "backend:aer_simulator samples, and shots are missing"),
        (StatevectorSampler(), {"shots": 5, "seed": 1}, "has its own random numbers"),
        (BackendEstimatorV2(backend=LINE), {}, "shots are missing"),
        (AerSimulator(), {"shots": 5, "max_qpu_seconds": 3}, "leave max_qpu_seconds out"),
        (AerSimulator(), {"shots": 0}, "shots"),
        ("aer?shots=5", {"keep_results": True}, "without PUB results"),
        ("simulator", {"keep_results": True}, "without PUB results"),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "run") else str(value),
)
def test_options_that_a_device_would_ignore_are_refused(
    device: object, options: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        open_device(device, **options)  # type: ignore[arg-type]


def test_what_is_no_device_and_a_sampler_that_miscounts_are_named() -> None:
    with pytest.raises(
        InvalidTypeError, match="a BackendV2, a SamplerV2 or an EstimatorV2, got a int"
    ):
        open_device(3)  # type: ignore[arg-type]
    sampler: BaseSamplerV2 = Strange()
    with pytest.raises(PrimitiveError, match="gave 11 shots"):
        open_device(sampler, shots=10).estimate(build_circuit(), VALUES, OBSERVABLES)
    small = AerSimulator.from_backend(GenericBackendV2(2, seed=1))
    with pytest.raises(DeviceError, match="has 2 qubits, but the circuit needs 3"):
        open_device(small, shots=10).estimate(
            QuantumCircuit(3), np.empty((1, 0)), [SparsePauliOp("ZZZ")]
        )
    model = QRNN(input_size=1, num_qubits=2, num_layers=1)
    model.executor = open_device(AerSimulator(), shots=10)
    with pytest.raises(GradientError, match="needs a gradient method"):
        model(torch.rand(1, 1, 1))[0].sum().backward()

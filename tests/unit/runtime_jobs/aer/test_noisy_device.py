"""The noisy model of a device through the executor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from qiskit.circuit import ControlFlowOp, QuantumCircuit
from qiskit_aer import AerSimulator

from circuits import build_ansatz, build_dynamic, build_measurement, build_readout, unroll
from qrnn_qiskit import QRNN
from qrnn_qiskit.executors import SimulatorExecutor
from runtime_jobs import DeviceError, open_device
from runtime_jobs.aer import AerExecutor
from runtime_jobs.aer.noisy_device import DeviceStages
from runtime_jobs.hardware.chip import measure_in_bases
from runtime_jobs.hardware.packing import choose_packing
from runtime_jobs.hardware.snapshots import open_target

pytestmark = pytest.mark.noisy

OBSERVABLES = build_readout(num_qubits=4).observables


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).uniform(-4.0, 4.0, (3, 32))


@pytest.mark.parametrize("family", ["linear", "ring", "product"])
def test_the_circuit_of_a_device_without_noise_is_exact(family: str, values: np.ndarray) -> None:
    circuit = unroll(build_ansatz(family, num_qubits=4, num_layers=2), 2)
    found = open_device("aer:kingston?noise=0").estimate(circuit, values, OBSERVABLES)
    expected = SimulatorExecutor().estimate(circuit, values, OBSERVABLES)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-12)  # nothing rounds


def list_instructions(circuit: QuantumCircuit, qubits: Sequence[int]) -> list[tuple[Any, ...]]:
    """Name, parameters, qubits (by their place in ``qubits``), bits and branches of each."""
    found = []
    for item in circuit.data:
        operation = item.operation
        where = [qubits.index(circuit.find_bit(qubit).index) for qubit in item.qubits]
        blocks = operation.blocks if isinstance(operation, ControlFlowOp) else ()
        parameters = () if blocks else operation.params
        bodies = [list_instructions(body, range(body.num_qubits)) for body in blocks]
        bits = [circuit.find_bit(bit).index for bit in item.clbits]
        found.append((operation.name, tuple(map(str, parameters)), where, bits, bodies))
    return found


@pytest.mark.parametrize("noise_scale", [0.0, 1.0, 20.0])
@pytest.mark.parametrize("readout", ["expectation", "measured"])
@pytest.mark.parametrize("entangler", ["cz", "crx"])
def test_aer_compiles_the_isa_circuit_of_the_qpu(
    readout: str, entangler: str, noise_scale: float
) -> None:
    model = QRNN(2, num_qubits=3, readout=readout, entangler=entangler)
    ansatz = model.ansatz
    if readout == "measured":
        circuit = build_dynamic(ansatz, build_measurement(num_qubits=3, num_ancillas=1), 3).circuit
    else:
        circuit = measure_in_bases(unroll(ansatz, 3)).circuit
    target = open_target("kingston")
    stage = DeviceStages("kingston", target, noise_scale)(circuit)
    simulated = stage.pass_manager.run(circuit)
    packing = choose_packing("ibm_kingston", target, circuit)
    assert packing.patches == (stage.qubits,)
    placed = packing.build(circuit)
    assert list_instructions(simulated, range(simulated.num_qubits)) == list_instructions(
        placed, packing.patches[0]
    )
    assert [str(p) for p in simulated.parameters] == [str(p) for p in placed.parameters]


def test_noise_pulls_values_to_zero_and_more_noise_more(values: np.ndarray) -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=4, num_layers=2), 2)
    exact = SimulatorExecutor().estimate(circuit, values, OBSERVABLES).values

    def shrinkage(scale: float) -> float:
        found = open_device(f"aer:kingston?noise={scale}").estimate(circuit, values, OBSERVABLES)
        return 1 - float((found.values * exact).sum() / (exact**2).sum())

    once, thrice = shrinkage(1.0), shrinkage(3.0)
    assert 0.01 < once < 0.06
    assert 2.5 < thrice / once < 3.5


def test_shots_of_a_device_scatter_around_its_exact_values(values: np.ndarray) -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=4, num_layers=2), 2)
    exact = open_device("aer:kingston").estimate(circuit, values, OBSERVABLES)
    device = open_device("aer:kingston?shots=2000&seed=2")
    found = device.estimate(circuit, values, OBSERVABLES)
    assert found.standard_errors is not None
    residuals = (found.values - exact.values) / found.standard_errors
    assert np.abs(residuals).max() < 4
    assert 0.6 < residuals.std() < 1.4
    assert device.name == "aer:kingston?shots=2000&seed=2"


def test_the_density_matrix_agrees_with_trajectories(values: np.ndarray) -> None:
    """Readout error and noise of the basis change included, by Aer's own measurement."""
    executor = open_device("aer:kingston?noise=10")
    assert isinstance(executor, AerExecutor)
    circuit = unroll(build_ansatz("linear", num_qubits=4, num_layers=1), 1)
    angles = values[:1, : circuit.num_parameters]
    exact = executor.estimate(circuit, angles, OBSERVABLES).values[0]
    stage = executor._find_stage(circuit)
    shots = 4_000
    for letter, expected in zip("XYZ", exact.reshape(3, 4), strict=True):
        ready = stage.pass_manager.run(circuit)
        turn = circuit.copy_empty_like()
        for qubit in range(4):
            if letter == "Y":
                turn.sdg(qubit)
            if letter != "Z":
                turn.h(qubit)
        ready = ready.compose(stage.pass_manager.run(turn)).assign_parameters(angles[0])
        ready.measure_all()
        simulator = AerSimulator(method="statevector", noise_model=stage.noise, seed_simulator=5)
        counts = simulator.run(ready, shots=shots).result().get_counts()
        mean = [sum(n * (1 - 2 * int(bits[3 - q])) for bits, n in counts.items()) for q in range(4)]
        np.testing.assert_allclose(np.array(mean) / shots, expected, atol=4 / np.sqrt(shots))


def test_one_layout_for_all_prefixes_is_described() -> None:
    executor = open_device("aer:kingston")
    assert isinstance(executor, AerExecutor)
    ansatz = build_ansatz("linear", num_qubits=3)
    for steps in (1, 2):
        circuit = unroll(ansatz, steps)
        executor.estimate(circuit, np.zeros((1, circuit.num_parameters)), ["ZZZ"])
    (line,) = executor.describe()
    assert line.startswith("kingston qubits ")


def test_rates_of_errors_by_name(values: np.ndarray) -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=4, num_layers=2), 2)
    exact = SimulatorExecutor().estimate(circuit, values, OBSERVABLES).values
    found = open_device("aer?noise=readout:0.02").estimate(circuit, values, OBSERVABLES)
    np.testing.assert_allclose(found.values, 0.96 * exact, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("aer:nowhere", "unknown device 'nowhere'.*known with dynamic circuits: aachen"),
        ("aer:kingston?noise=high", "noise to be a number of at least 0.*got 'high'"),
        ("aer:kingston?noise=-1", "noise to be a number of at least 0.*got '-1'"),
        ("aer:kingston?noise=nan", "noise to be a number of at least 0.*got 'nan'"),
        ("aer?noise=2", "rates such as gate1:0.0003.*got '2'"),
        ("aer?noise=gate1:2", "gate1 to be from 0 to 1, got 2"),
        ("aer?noise=gate1:1e", "'gate1:1e', which has no number"),
        ("aer?noise=gate3:0.1", "got 'gate3:0.1'"),
    ],
)
def test_bad_noise_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(DeviceError, match=complaint):
        open_device(name)


def test_two_sources_of_noise_are_refused() -> None:
    from qiskit_aer.noise import NoiseModel

    for name in ("aer:kingston", "aer?noise=gate1:0.1"):
        with pytest.raises(DeviceError, match="noise_model was given as well; give"):
            open_device(name, noise_model=NoiseModel())


def test_a_device_that_is_too_small_is_refused() -> None:
    circuit = unroll(build_ansatz("linear", num_qubits=6), 1)
    with pytest.raises(DeviceError, match="'manila' has 5 qubits, but the circuit needs 6"):
        open_device("aer:manila").estimate(circuit, np.zeros((1, 12)), ["Z" * 6])

"""Readouts of single qubits against Aer's density matrix of all of them."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, amplitude_damping_error

from circuits import build_ansatz, build_dynamic, build_measurement, build_readout
from qrnn_qiskit.executors import DynamicPub
from runtime_jobs.aer import AerExecutor
from runtime_jobs.aer.channels import Channels
from runtime_jobs.aer.readout import change_basis, find_effects, find_operators, read_ones
from runtime_jobs.aer.stage import Stage, make_stage
from runtime_jobs.estimation.mitigation import parse_mitigation


def make_noise(num_qubits: int, *gates: str) -> NoiseModel:
    """Make noise that differs from qubit to qubit and between 0 and 1."""
    noise = NoiseModel(basis_gates=["cz", "id", "rz", "sx", "x"])
    for qubit in range(num_qubits):
        up, down = 0.01 + 0.01 * qubit, 0.05 / (1 + qubit)
        noise.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [qubit])
        for gate in gates:
            noise.add_quantum_error(amplitude_damping_error(0.02 * (1 + qubit)), gate, [qubit])
    return noise


def record(stage: Stage, start: DensityMatrix, circuit: QuantumCircuit) -> np.ndarray:
    """Return the probability that each qubit of a circuit is recorded as 1, by Aer."""
    num_qubits = circuit.num_qubits
    whole = QuantumCircuit(num_qubits, num_qubits)
    whole.set_density_matrix(start)
    whole.compose(stage.pass_manager.run(circuit), inplace=True)
    whole.save_density_matrix()
    simulator = AerSimulator(method="density_matrix", noise_model=stage.noise)
    state = DensityMatrix(np.asarray(simulator.run(whole).result().data()["density_matrix"]))
    assert stage.noise is not None
    found = []
    for qubit in range(num_qubits):
        error = stage.noise._local_readout_errors[(qubit,)]
        found.append(state.probabilities([qubit]) @ np.asarray(error.probabilities)[:, 1])
    return np.array(found)


@pytest.mark.parametrize("bit", [0, 1])
def test_calibrated_frequencies_are_those_of_the_joint_state(bit: int) -> None:
    stage = make_stage(make_noise(3, "x", "sx"))
    circuit = QuantumCircuit(3)
    if bit:
        circuit.x(range(3))
    expected = record(stage, DensityMatrix.from_label("000"), circuit)
    found = read_ones(bit, stage, 3, Channels(stage.noise))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("letter", "XYZ")
def test_effects_are_those_of_the_joint_state(letter: str) -> None:
    stage = make_stage(make_noise(3, "x", "sx"))
    effects = find_effects(stage, 3, Channels(stage.noise))[letter]
    for label in ("0", "1", "+", "r"):
        expected = record(stage, DensityMatrix.from_label(label * 3), change_basis(letter * 3))
        state = DensityMatrix.from_label(label).data
        found = [np.trace(find_operators(effect)[1] @ state).real for effect in effects]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.noisy
@pytest.mark.slow  # half a minute: 18 qubits
def test_the_readout_of_many_qubits_is_calibrated() -> None:
    """The joint density matrix of 18 qubits would take 2^40 bytes."""
    count = 9
    ansatz = build_ansatz("linear", num_qubits=1)
    measurement = build_measurement(num_qubits=1, ancilla_return="reset")
    circuit = build_dynamic(ansatz, measurement, 2, count)
    values = circuit.bind_values(np.full((1, *circuit.table_columns.shape), 0.3))
    pub = DynamicPub(
        circuit, values, build_readout(["Z" + "I" * (count - 1)], num_qubits=count).observables
    )
    executor = AerExecutor(
        shots=32,
        seed=1,
        noise_model=make_noise(2 * count, "sx"),
        mitigation=parse_mitigation("feedforward"),
    )
    (found,) = executor.run_dynamic([pub])
    assert found.standard_errors is not None
    assert (found.standard_errors > 0).all()

"""Executors on Aer in other processes: they go on with the same random numbers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer.noise import NoiseModel, ReadoutError

from circuits.errors import InvalidTypeError
from runtime_jobs import open_device
from runtime_jobs.aer import AerExecutor
from runtime_jobs.ibm.executor import IbmExecutor


def make_circuit() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("a"), 0)
    circuit.cx(0, 1)
    return circuit


def make_noisy() -> AerExecutor:
    noise = NoiseModel(basis_gates=["rz", "sx", "cx"])
    noise.add_all_qubit_readout_error(ReadoutError([[0.9, 0.1], [0.2, 0.8]]))
    return AerExecutor(shots=50, seed=2, noise_model=noise)


EXECUTORS = {
    "exact": lambda: open_device("aer"),
    "sampled": lambda: open_device("aer?shots=50&seed=2"),
    "custom noise": make_noisy,
    "device": lambda: open_device("aer:kingston?shots=50&seed=2&mitigation=readout"),
    "patches": lambda: open_device("aer:kingston?shots=50&seed=2&patches=2"),
}


@pytest.mark.noisy
@pytest.mark.parametrize("kind", EXECUTORS)
def test_a_pickled_executor_goes_on_as_the_original(kind: str) -> None:
    executor = EXECUTORS[kind]()
    values, observables = np.array([[0.4], [1.3]]), [SparsePauliOp("ZI"), SparsePauliOp("XX")]
    executor.estimate(make_circuit(), values, observables)
    copy = pickle.loads(pickle.dumps(executor))
    assert (copy.name, copy.shots, copy.gradient) == (executor.name, executor.shots, None)
    assert copy.counts == executor.counts
    expected = executor.estimate(make_circuit(), values, observables)
    found = copy.estimate(make_circuit(), values, observables)
    np.testing.assert_array_equal(found.values, expected.values)
    assert copy.sample(make_circuit(), values, 20) == executor.sample(make_circuit(), values, 20)


def test_the_executor_of_a_qpu_says_how_to_use_it_in_another_process() -> None:
    executor = IbmExecutor.__new__(IbmExecutor)
    executor.backend = "ibm_kingston"
    with pytest.raises(InvalidTypeError, match=r"ibm_kingston cannot be pickled.*open_device"):
        pickle.dumps(executor)

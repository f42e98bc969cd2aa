"""Ctrl-C while Aer computes, which nothing can stop."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer import AerSimulator

from runtime_jobs.aer import simulate


def make_circuit(num_qubits: int, num_layers: int) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits)
    for layer in range(num_layers):
        for qubit in range(num_qubits):
            circuit.rx(0.1 + layer, qubit)
            circuit.cx(qubit, (qubit + 1) % num_qubits)
    circuit.save_expectation_value(SparsePauliOp("Z"), [0])
    return circuit


@pytest.mark.noisy
def test_an_interrupt_ends_the_wait_and_the_call_is_known_to_go_on() -> None:
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(0.2, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        simulate.run_aer(AerSimulator(method="statevector"), [make_circuit(21, 20)])
    assert time.perf_counter() - sent[0] < 1.0
    assert simulate.is_simulating()
    simulate._jobs[0].result()
    assert not simulate.is_simulating()

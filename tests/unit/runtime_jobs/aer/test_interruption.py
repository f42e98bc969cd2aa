"""Ctrl-C while Aer computes, which nothing can stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer import AerSimulator

from runtime_jobs.aer import simulate
from runtime_jobs.cli.failures import ExitCode

# Simulates 24 qubits for a minute or more in place of a command. As in a command, Ctrl-C is the end
# of `run`, with its exit code.
PROGRAM = f"""
import sys
from qiskit_aer import AerSimulator
from runtime_jobs import cli
from runtime_jobs.aer.simulate import run_aer
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_interruption import make_circuit

def run(words):
    circuit = make_circuit(24, 200)
    print("ready", flush=True)
    try:
        run_aer(AerSimulator(method="statevector"), [circuit])
    except KeyboardInterrupt:
        return cli.ExitCode.INTERRUPTED
    return cli.ExitCode.DONE

cli.run = run
cli.main()
"""


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


@pytest.mark.process
def test_an_interrupted_command_ends_within_five_seconds() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(1.0)
    start = time.perf_counter()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == ExitCode.INTERRUPTED
    assert time.perf_counter() - start < 5.0

"""Custom circuits as the step of a network, against Qiskit's Statevector."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from circuits import build_ansatz, build_readout, unroll
from qrnn_qiskit.engines.lowering import lower_circuit
from qrnn_qiskit.executors import Pub, SimulatorExecutor

__all__ = ["assert_equals_statevector"]


def assert_equals_statevector(
    circuit: QuantumCircuit, virtual: QuantumCircuit | None = None, seed: int = 0
) -> None:
    """Two steps of ``circuit`` on the simulator have the readouts of two steps of ``virtual``.

    Args:
        circuit: The custom circuit.
        virtual: The circuit that it stands for, with the same parameters; itself by default.
        seed: Seed of the angles.
    """
    virtual = circuit if virtual is None else virtual
    num_qubits = virtual.num_qubits
    ansatz = build_ansatz(circuit, num_qubits=num_qubits)
    lower_circuit(ansatz.circuit)  # refused before Qiskit computes anything
    assert ansatz.parameters == tuple(circuit.parameters)
    angles = np.random.default_rng(seed).uniform(-3.0, 3.0, (2, len(ansatz.parameters)))
    readout = build_readout(None, num_qubits=num_qubits).observables
    state = Statevector.from_label("0" * num_qubits)
    for row in angles:
        try:
            bound = virtual.assign_parameters(dict(zip(circuit.parameters, row, strict=True)))
        except TypeError as error:  # a phase such as log(a), complex in Qiskit
            if "global phase" in str(error):
                return
            raise
        state = state.evolve(bound)
    expected = [state.expectation_value(operator).real for operator in readout]
    if not np.isfinite(expected).all():  # a global phase such as log(a) may be NaN in Qiskit
        return
    pub = Pub(unroll(ansatz, 2), angles.reshape(1, -1), readout)
    (found,) = SimulatorExecutor().run([pub])
    np.testing.assert_allclose(found.values[0], expected, rtol=0.0, atol=1e-6)

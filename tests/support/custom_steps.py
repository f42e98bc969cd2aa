"""Custom circuits as the step of a network, against Qiskit's Statevector."""

from __future__ import annotations

import numpy as np
import torch
from qiskit import QuantumCircuit
from qiskit.circuit.exceptions import CircuitError
from qiskit.quantum_info import Statevector

from circuits import build_ansatz
from qrnn_qiskit.engines.cpu import Simulator, begin
from qrnn_qiskit.engines.lowering import lower_circuit

__all__ = ["assert_equals_statevector"]


def assert_equals_statevector(
    circuit: QuantumCircuit, virtual: QuantumCircuit | None = None, seed: int = 0
) -> None:
    """Two steps of ``circuit`` on the simulator give the state of two steps of ``virtual``.

    The states agree to 1e-9 up to a global phase, which no readout sees.

    Args:
        circuit: The custom circuit.
        virtual: The circuit that it stands for, with parameters of the same names; itself by
            default.
        seed: Seed of the angles.
    """
    virtual = circuit if virtual is None else virtual
    num_qubits = virtual.num_qubits
    ansatz = build_ansatz(circuit, num_qubits=num_qubits)
    lower_circuit(ansatz.circuit)  # refused before Qiskit computes anything
    assert ansatz.parameters == tuple(circuit.parameters)
    angles = np.random.default_rng(seed).uniform(-3.0, 3.0, (2, len(ansatz.parameters)))
    state = Statevector.from_label("0" * num_qubits)
    for row in angles:
        values = dict(zip((p.name for p in circuit.parameters), row, strict=True))
        try:
            bound = virtual.assign_parameters({p: values[p.name] for p in virtual.parameters})
        # A phase such as log(a) is complex in Qiskit: either error, the second inside a block.
        except (TypeError, CircuitError) as error:
            if "global phase" in str(error) or "'global_phase'" in str(error):
                return
            raise
        state = state.evolve(bound)
    expected = np.asarray(state.data)
    if not np.isfinite(expected).all():  # a global phase such as log(a) may be NaN in Qiskit
        return
    with torch.no_grad():
        evolution, _ = begin(Simulator(ansatz.circuit, [], torch.float64), None, 1)
        for row in angles:
            evolution.run(torch.from_numpy(row[None]))
    found = evolution.vector().numpy()[0]
    overlap = np.vdot(found, expected)
    np.testing.assert_allclose(found * overlap / abs(overlap), expected, rtol=0.0, atol=1e-9)

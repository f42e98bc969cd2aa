"""Noisy readouts of single qubits: changes of basis, preparations and readout error.

A circuit without a gate on two qubits is a product, so that each qubit has its own density matrix
whatever their number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import Pauli

from runtime_jobs.aer.channels import Channels, Matrix
from runtime_jobs.aer.stage import Stage

__all__ = ["change_basis", "find_effects", "find_operators", "list_basis_changes", "read_ones"]

_PAULIS = np.array([Pauli(letter).to_matrix() for letter in "IXYZ"])


def list_basis_changes(num_qubits: int, *, flips: bool = False) -> list[QuantumCircuit]:
    """Return the changes from the bases X, Y and Z to Z, and with ``flips`` an X on every qubit."""
    changes = [change_basis(letter * num_qubits) for letter in "XYZ"]
    flip = QuantumCircuit(num_qubits)
    flip.x(range(num_qubits))
    return [*changes, *[flip] * flips]


def change_basis(letters: str) -> QuantumCircuit:
    """Return the change of qubit q from the basis of its letter, X, Y or Z, to Z."""
    circuit = QuantumCircuit(len(letters))
    for qubit, letter in enumerate(letters):
        if letter == "Y":
            circuit.sdg(qubit)
        if letter in "XY":
            circuit.h(qubit)
    return circuit


def find_effects(stage: Stage, num_qubits: int, channels: Channels) -> dict[str, list[Matrix]]:
    """Return the noisy measurement of each qubit in the bases X, Y and Z.

    Each is an array (2, 4): row c maps the Pauli coefficients of the qubit to the probability that
    c is recorded, noise of the change of basis and readout error included.
    """
    changes = list_basis_changes(num_qubits)
    return {
        letter: [
            channels.find_reading(qubit) @ matrix
            for qubit, matrix in enumerate(_find_single(stage, change, channels))
        ]
        for letter, change in zip("XYZ", changes, strict=True)
    }


def find_operators(effect: Matrix) -> NDArray[np.complex128]:
    """Return the operators E_c (2, 2, 2) of an effect (2, 4): c has probability Tr(E_c rho)."""
    found: NDArray[np.complex128] = np.einsum("cp,pij->cij", effect, _PAULIS)
    return found


def read_ones(bit: int, stage: Stage, num_qubits: int, channels: Channels) -> NDArray[np.float64]:
    """Return the probability (n,) that each qubit reads 1 when all are prepared in ``bit``."""
    circuit = QuantumCircuit(num_qubits, name=f"readout of {str(bit) * num_qubits}")
    if bit:
        circuit.x(range(num_qubits))
    prepared = [matrix @ [1, 0, 0, 1] for matrix in _find_single(stage, circuit, channels)]
    return np.array([channels.find_reading(q)[1] @ state for q, state in enumerate(prepared)])


def _find_single(stage: Stage, circuit: QuantumCircuit, channels: Channels) -> list[Matrix]:
    """Return the transfer matrix of each qubit of a circuit without two-qubit gates and angles."""
    matrices: list[Matrix] = [np.eye(4)] * circuit.num_qubits
    compiled = stage.pass_manager.run(circuit)
    for item in compiled.data:
        qubits = tuple(compiled.find_bit(qubit).index for qubit in item.qubits)
        for piece in channels.write(item.operation, qubits, {}):
            assert piece.matrix is not None
            matrices[piece.qubits[0]] = piece.matrix @ matrices[piece.qubits[0]]
    return matrices

"""The final measurement of a circuit, in Pauli bases that are bound like angles."""

from __future__ import annotations

import math

from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, Parameter

from circuits.recurrence import name_parameter

__all__ = ["BASIS_ANGLES", "FINAL_REGISTER", "measure_in_basis", "name_basis"]

FINAL_REGISTER = "final"

# RZ(first) SX RZ(second) SX maps the Pauli to Z (radians): one circuit serves all bases.
BASIS_ANGLES = {
    "X": (math.pi, 1.5 * math.pi),
    "Y": (math.pi / 2, 1.5 * math.pi),
    "Z": (0.0, math.pi),
}


def name_basis(num_qubits: int) -> tuple[tuple[Parameter, Parameter], ...]:
    """Return two angles for each qubit, ``basis[q][0]`` and ``basis[q][1]`` with leading zeros."""
    width = len(str(num_qubits - 1))
    return tuple(
        (name_parameter(f"basis[{q:0{width}}][0]"), name_parameter(f"basis[{q:0{width}}][1]"))
        for q in range(num_qubits)
    )


def measure_in_basis(
    circuit: QuantumCircuit,
    basis: tuple[tuple[Parameter, Parameter], ...],
    register: ClassicalRegister,
) -> None:
    """Rotate the first qubits of a circuit by their angles and measure them, qubit q to bit q."""
    for qubit, angles in enumerate(basis):
        for angle in angles:
            circuit.rz(angle, qubit)
            circuit.sx(qubit)
    circuit.measure(range(len(basis)), register)

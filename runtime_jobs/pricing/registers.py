"""Where the registers of a model lie on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qrnn_qiskit.modes.base import ReadoutMode
    from runtime_jobs.hardware.packing import Packing

__all__ = ["PlacedRegister", "place_registers"]


@dataclass(frozen=True)
class PlacedRegister:
    """The physical qubits of one of several registers.

    Attributes:
        patch: The copy of the circuit, counted from 1.
        register: The register, counted from 1.
        qubits: Its memory qubits in order, then its ancillas.
        two_qubit_error: Median error of the couplers between them; None where there is none.
        readout_error: Median readout error.
    """

    patch: int
    register: int
    qubits: tuple[int, ...]
    two_qubit_error: float | None
    readout_error: float


def place_registers(mode: ReadoutMode, packing: Packing) -> tuple[PlacedRegister, ...]:
    """List the qubits of each register on each patch; empty where a model has one register."""
    count, n = mode.num_registers, mode.register.num_qubits
    if count == 1:
        return ()
    from runtime_jobs.hardware.targets import median_errors

    placed = []
    for number, patch in enumerate(packing.patches, start=1):
        ancillas = (len(patch) - count * n) // count
        for r in range(count):
            first = count * n + r * ancillas
            qubits = patch[r * n : (r + 1) * n] + patch[first : first + ancillas]
            errors = median_errors(packing.target, qubits)
            placed.append(PlacedRegister(number, r + 1, qubits, *errors))
    return tuple(placed)

"""The size of circuits that are simulated exactly with noise."""

from __future__ import annotations

from circuits.errors import InvalidValueError

__all__ = ["MOST_QUBITS", "check_size"]

MOST_QUBITS = 7


def check_size(num_qubits: int, name: str) -> None:
    """Refuse more qubits than are simulated exactly (ValueError)."""
    if num_qubits > MOST_QUBITS:
        kib = 4**num_qubits * 8 / 1024
        raise InvalidValueError(
            f"device {name!r} is simulated exactly up to {MOST_QUBITS} qubits, but the circuit has "
            f"{num_qubits}: its density matrix takes {kib:,.0f} KiB for each sequence and step. "
            "Sampled trajectories take far less: use "
            f"{name.replace('simulator', 'aer', 1).split('?')[0]}?shots=N"
        )

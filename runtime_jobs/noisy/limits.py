"""The size of circuits that are simulated exactly with noise."""

from __future__ import annotations

from circuits.errors import InvalidValueError

__all__ = ["MOST_QUBITS", "check_size"]

MOST_QUBITS = 7


def check_size(num_qubits: int, name: str) -> None:
    """Refuse a part of more qubits than are simulated exactly (ValueError)."""
    if num_qubits > MOST_QUBITS:
        kib = 4**num_qubits * 8 / 1024
        raise InvalidValueError(
            f"device {name!r} is simulated exactly up to {MOST_QUBITS} qubits with gates between "
            f"them, ancillas included, but the circuit has {num_qubits}: their density matrix "
            f"takes {kib:,.0f} KiB for each sequence and step. Sampled trajectories take far less: "
            f"use {name.replace('simulator', 'aer', 1).split('?')[0]}?shots=N"
        )

"""The size of circuits that are simulated exactly with noise."""

from __future__ import annotations

from circuits.errors import InvalidValueError

__all__ = ["MOST_QUBITS", "check_size"]

MOST_QUBITS = 7


def check_size(num_qubits: int, name: str) -> None:
    """Refuse a part of more qubits than are simulated exactly.

    Raises:
        ValueError: The message gives the memory and the time that the part would take, and what
            trajectories cost instead.
    """
    if num_qubits > MOST_QUBITS:
        kib = 4**num_qubits * 8 / 1024
        amplitudes = 2**num_qubits * 16 / 1024
        microseconds = 0.3 + 0.004 * 2**num_qubits  # in Aer, on one thread at 2 GHz
        bare = name.split("?")[0]
        raise InvalidValueError(
            f"device {name!r} is simulated exactly up to {MOST_QUBITS} qubits with gates between "
            f"them, ancillas included, but the circuit has {num_qubits}: their density matrix "
            f"takes {kib:,.0f} KiB for each sequence and step, "
            f"and each gate {4 ** (num_qubits - MOST_QUBITS):,} times as long as with "
            f"{MOST_QUBITS}. Without the exact gradient, {bare}?shots=N samples trajectories: "
            f"{amplitudes:,.0f} KiB for each shot of a sequence, and about {microseconds:,.1f} us "
            "for each gate of it"
        )

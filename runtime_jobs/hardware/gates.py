"""The gates that circuits are translated to where no device is given."""

from __future__ import annotations

from collections.abc import Iterable

from qiskit.transpiler import PassManager, generate_preset_pass_manager

__all__ = ["GATES", "make_translator"]

# Every method of Aer in use runs and binds these. Controlled rotations (cp, crx, cry, ...) are left
# out: of a circuit with them Aer 0.18 returns one binding only.
_FIXED = ["id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "t", "tdg"]
_FIXED_PAIRS = ["cx", "cy", "cz", "ecr", "swap"]
_ROTATIONS = ["p", "r", "rx", "ry", "rz", "u", "u1", "u2", "u3", "rxx", "ryy", "rzx", "rzz"]
GATES = frozenset([*_FIXED, *_FIXED_PAIRS, *_ROTATIONS])


def make_translator(gates: Iterable[str] = GATES) -> PassManager:
    """Make a pass manager that translates circuits to ``gates`` on fully connected qubits.

    It does not optimize: no gate is merged or cancelled, and each two-qubit gate stays on its pair
    of qubits.
    """
    return generate_preset_pass_manager(optimization_level=0, basis_gates=sorted(gates))

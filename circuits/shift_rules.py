"""Parameter-shift rules of gates by name, and the search for angles in a circuit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import (
    CircuitInstruction,
    ControlFlowOp,
    Instruction,
    Parameter,
    ParameterExpression,
    Qubit,
)

from circuits.angles import is_free
from circuits.errors import InvalidValueError

__all__ = [
    "Rule",
    "ShiftError",
    "find_angles",
    "flatten_gates",
    "has_free_angle",
    "list_angles",
]

Rule = tuple[tuple[float, float], ...]  # (shift in radians, weight)

# exp(-i theta G) whose generator has two eigenvalues, 1 apart.
_TWO_TERMS: Rule = ((math.pi / 2, 0.5), (-math.pi / 2, -0.5))

# Eigenvalues 0 and +-1/2 give the frequencies 1/2 and 1 (arXiv:2107.12390).
_NEAR = (math.sqrt(2.0) + 1.0) / (4.0 * math.sqrt(2.0))
_FAR = (math.sqrt(2.0) - 1.0) / (4.0 * math.sqrt(2.0))
_FOUR_TERMS: Rule = (
    (math.pi / 2, _NEAR),
    (-math.pi / 2, -_NEAR),
    (3 * math.pi / 2, -_FAR),
    (-3 * math.pi / 2, _FAR),
)

# One rule for each angle of a gate; other gates with free angles are replaced by their definitions.
_RULES: dict[str, tuple[Rule, ...]] = {
    **dict.fromkeys(("rx", "ry", "rz", "p", "u1", "rxx", "ryy", "rzz", "rzx"), (_TWO_TERMS,)),
    **dict.fromkeys(("cp", "cu1", "mcphase"), (_TWO_TERMS,)),
    **dict.fromkeys(("crx", "cry", "crz"), (_FOUR_TERMS,)),
    "u2": (_TWO_TERMS,) * 2,
    **dict.fromkeys(("u", "u3"), (_TWO_TERMS,) * 3),
    "cu": (_FOUR_TERMS, _TWO_TERMS, _TWO_TERMS, _TWO_TERMS),
    "cu3": (_FOUR_TERMS, _TWO_TERMS, _TWO_TERMS),
}


class ShiftError(InvalidValueError):
    """A circuit without a parameter-shift rule; the message names the gate and the angle."""


def has_free_angle(operation: Instruction) -> bool:
    """Return whether an angle of the gate depends on parameters; branches are not searched."""
    return any(map(is_free, operation.params))


def flatten_gates(circuit: QuantumCircuit, qubits: Sequence[Qubit]) -> Iterator[CircuitInstruction]:
    """Yield the operations on ``qubits`` in time order.

    Gates with free angles but no rule are replaced by their definitions; branches stay whole.

    Raises:
        ShiftError: A gate with a free angle has neither a rule nor a definition.
    """
    for item in circuit.data:
        operation = item.operation
        targets = [qubits[circuit.find_bit(qubit).index] for qubit in item.qubits]
        if operation.name in _RULES or not has_free_angle(operation):
            yield CircuitInstruction(operation, targets, item.clbits)
        elif operation.definition is None:
            raise ShiftError(
                f"gate {operation.name!r} has a free angle, no parameter-shift rule and no "
                "definition in simpler gates; write it with rotations, for example by "
                "qiskit.transpile(circuit, basis_gates=['rz', 'ry', 'cz'])"
            )
        else:
            yield from flatten_gates(operation.definition, targets)


def list_angles(
    circuit: QuantumCircuit, held: set[Parameter]
) -> Iterator[tuple[str, ParameterExpression, Rule]]:
    """Yield the angles to differentiate in time order: name of the gate, angle, rule."""
    for item in flatten_gates(circuit, circuit.qubits):
        operation = item.operation
        if isinstance(operation, ControlFlowOp):
            for block in operation.blocks:
                yield from list_angles(block, held)
            continue
        for position in find_angles(operation, held):
            yield operation.name, operation.params[position], _RULES[operation.name][position]


def find_angles(operation: Instruction, held: set[Parameter]) -> list[int]:
    """Return the positions of the angles to differentiate."""
    free = [place for place, value in enumerate(operation.params) if is_free(value)]
    for place in free:
        mixed = held & set(operation.params[place].parameters)
        if mixed and mixed != set(operation.params[place].parameters):
            raise ShiftError(
                f"gate {operation.name!r} has the angle {operation.params[place]}, which depends "
                "on fixed parameters and on others; give each kind a separate gate"
            )
    return [place for place in free if not held >= set(operation.params[place].parameters)]

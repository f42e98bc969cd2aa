"""The branches of a dynamic circuit: gates in groups, and the ``if_test`` around each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import Instruction, Parameter

from circuits.shift_rules import flatten_gates, has_free_angle

__all__ = ["Group", "append_branches", "group_gates"]


@dataclass(frozen=True, eq=False)
class Group:
    """Gates of the ansatz that share a place in every step: all with free angles, or all without.

    Attributes:
        body: The gates, on only the qubits of the group.
        qubits: The memory qubits of the group.
        has_angles: Whether the gates have free angles.
    """

    body: QuantumCircuit
    qubits: tuple[int, ...]
    has_angles: bool

    def bind(self, old: Sequence[Parameter], new: Sequence[Parameter]) -> QuantumCircuit:
        """Return the gates with the parameters ``new`` in place of ``old``."""
        renamed = dict(zip(old, new, strict=True))
        return self.body.assign_parameters({name: renamed[name] for name in self.body.parameters})


def group_gates(circuit: QuantumCircuit) -> list[Group]:
    """Divide the gates into as few groups as possible, gates with angles apart from the others.

    Every gate joins the earliest group of its kind that comes after all earlier gates on its
    qubits. Even levels hold gates without angles.
    """
    levels = [0] * circuit.num_qubits
    members: dict[int, list[tuple[Instruction, list[int]]]] = {}
    for item in flatten_gates(circuit, circuit.qubits):
        operation = item.operation
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        level = max((levels[qubit] for qubit in qubits), default=0)
        level += level % 2 != has_free_angle(operation)
        members.setdefault(level, []).append((operation, qubits))
        for qubit in qubits:
            levels[qubit] = level
    return [_build_group(members[level], level % 2 == 1) for level in sorted(members)]


def _build_group(members: Sequence[tuple[Instruction, list[int]]], has_angles: bool) -> Group:
    used = sorted({qubit for _, qubits in members for qubit in qubits})
    body = QuantumCircuit(len(used))
    for operation, qubits in members:
        body.append(operation, [used.index(qubit) for qubit in qubits])
    return Group(body, tuple(used), has_angles)


def append_branches(
    circuit: QuantumCircuit,
    qubits: Sequence[int],
    bodies: Sequence[QuantumCircuit],
    register: ClassicalRegister,
    ancillas: Sequence[int],
) -> None:
    """Append a group of gates with the angles that belong to the value of the register.

    Args:
        circuit: Circuit to append to.
        qubits: Its qubits on which the gates act.
        bodies: The gates with the angles of each register value.
        register: Outcomes of the step before.
        ancillas: The ancilla of each bit, if an X in the branches returns those that were measured
            as 1 to |0>; otherwise empty.
    """
    memory = list(qubits)
    branches = []
    for value, body in enumerate(bodies):
        flipped = [ancilla for bit, ancilla in enumerate(ancillas) if value >> bit & 1]
        # Both branches of an if/else span the same qubits.
        qubits = [*memory, *(ancillas if len(bodies) == 2 else flipped)]
        branch = QuantumCircuit([circuit.qubits[qubit] for qubit in qubits], register)
        branch.compose(body, range(len(memory)), inplace=True)
        for ancilla in flipped:
            branch.x(circuit.qubits[ancilla])
        branches.append((qubits, branch))
    if len(branches) == 2:
        (qubits, otherwise), (_, clicked) = branches
        circuit.if_else((register, 1), clicked, otherwise, qubits, register)
        return
    for value, (qubits, branch) in enumerate(branches):
        circuit.if_test((register, value), branch, qubits, register)

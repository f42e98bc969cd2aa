"""Decompose the gates of a circuit to Qiskit's standard gates on one and two qubits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, Barrier, Gate, Instruction, Operation
from qiskit.quantum_info import Clifford
from qiskit.transpiler.passes import HighLevelSynthesis

from circuits.errors import InvalidValueError
from circuits.limits import MOST_ENTRIES, MOST_GATES

__all__ = ["decompose", "is_standard"]

_STANDARD = "qiskit.circuit.library.standard_gates"


def is_standard(gate: object) -> bool:
    """Return whether a gate is one of Qiskit's standard gates on one or two qubits.

    A gate whose control acts where it is 0 is not.
    """
    return (
        isinstance(gate, Gate)
        and 0 < gate.num_qubits <= 2
        and gate.base_class.__module__.startswith(_STANDARD)
        and getattr(gate, "ctrl_state", 1) != 0
    )


def decompose(circuit: QuantumCircuit, subject: str) -> QuantumCircuit:
    """Return a circuit of standard gates and barriers that equals ``circuit`` but for its phase.

    Blocks (``append(other_circuit)``), gates on three and more qubits, library circuits, matrices,
    gates controlled on 0 and Clifford operators are replaced by their definitions. Global phases,
    which no readout sees, are dropped.

    Args:
        circuit: The circuit; it is not changed.
        subject: The circuit in messages.

    Raises:
        ValueError: An operation is not a unitary gate or has no definition, an angle is NaN or
            infinite, or there are more than ``MOST_GATES`` gates.
    """
    simple = QuantumCircuit(circuit.num_qubits, circuit.num_clbits, name=circuit.name)
    for operation, qubits in _expand(circuit, subject):
        if isinstance(operation, Gate):
            _check_numbers(operation, subject)
        simple.append(operation, qubits)
    return simple


def _expand(circuit: QuantumCircuit, subject: str) -> Iterator[tuple[Operation, list[int]]]:
    """Yield the gates and barriers with their qubits in time order.

    Blocks may be nested deeper than Python calls, so that those which wait are kept in a list.
    """
    waiting: list[Iterator[tuple[Operation, list[int]]]]
    waiting = [_list_operations(circuit, range(circuit.num_qubits))]
    visited = 0
    while waiting:
        found = next(waiting[-1], None)
        if found is None:
            waiting.pop()
            continue
        visited += 1
        if visited > MOST_GATES:
            raise InvalidValueError(
                f"{subject} has more than {MOST_GATES} gates after its blocks are decomposed, the "
                "most of one step; use fewer gates, repetitions or nested blocks"
            )
        operation, qubits = found
        if isinstance(operation, Barrier) or is_standard(operation):
            yield found
        elif operation.name == "global_phase":
            _check_numbers(operation, subject)
        else:
            waiting.append(_list_operations(_define(operation, subject), qubits))


def _list_operations(
    circuit: QuantumCircuit, names: Sequence[int]
) -> Iterator[tuple[Operation, list[int]]]:
    places = dict(zip(circuit.qubits, names, strict=True))
    for item in circuit.data:
        yield item.operation, [places[qubit] for qubit in item.qubits]


def _define(operation: Any, subject: str) -> QuantumCircuit:
    """Return the definition of an operation that is no standard gate."""
    is_block = type(operation) is Instruction and operation.definition is not None
    if not (is_block or isinstance(operation, (Gate, AnnotatedOperation, Clifford))):
        raise InvalidValueError(
            f"{subject} contains {operation.name!r}, which is not a unitary gate; one step must "
            "consist of unitary gates, so remove measurements, resets and control flow "
            "(the model adds the readouts)"
        )
    size = sum(np.size(value) for value in getattr(operation, "params", ()))
    if size > MOST_ENTRIES:
        raise InvalidValueError(
            f"{subject} contains {operation.name!r} with {size} numbers, of which a gate may have "
            f"at most {MOST_ENTRIES} (a matrix on 6 qubits); write it with smaller gates"
        )
    try:
        if isinstance(operation, (AnnotatedOperation, Clifford)):
            definition = _synthesize(operation)
        else:
            definition = operation.definition or _synthesize(operation)
    except Exception as error:  # the definition of a gate is code of others
        raise InvalidValueError(
            f"{subject} contains {operation.name!r}, which could not be decomposed "
            f"({type(error).__name__}: {error}); write it with standard gates"
        ) from error
    if definition is None:
        raise InvalidValueError(
            f"{subject} contains {operation.name!r}, which has no definition in standard gates; "
            "write it with standard gates"
        )
    return definition


def _synthesize(operation: Operation) -> QuantumCircuit | None:
    circuit = QuantumCircuit(operation.num_qubits)
    circuit.append(operation, circuit.qubits)
    found = HighLevelSynthesis()(circuit)
    return None if any(item.operation == operation for item in found.data) else found


def _check_numbers(gate: Gate, subject: str) -> None:
    for value in gate.params:
        if isinstance(value, (int, float, complex, np.number)) and not (
            np.isfinite(value) and np.imag(value) == 0
        ):
            raise InvalidValueError(
                f"{subject} contains {gate.name!r} with the angle {value}, which is not a finite "
                "real number of radians; correct the angle"
            )

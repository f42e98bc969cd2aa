"""Checks of a custom circuit as the ansatz of one step."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, Gate, Instruction

from circuits.errors import InvalidValueError

__all__ = ["check_custom_circuit"]


def check_custom_circuit(circuit: QuantumCircuit, *, num_qubits: int, name: str) -> None:
    """Refuse a circuit that cannot be the unitary step U(theta) on ``num_qubits`` qubits.

    Barriers may stay. Blocks (``circuit.append(other_circuit, ...)``) are searched inside.

    Args:
        circuit: The circuit, with free parameters. Angles may be expressions of them.
        num_qubits: The requested number n of memory qubits.
        name: Name of the circuit in messages: ``"custom"`` or a file name.

    Raises:
        ValueError: The circuit measures, resets, branches, holds anything else that is not a
            unitary gate, has classical bits or variables, has another number of qubits or no free
            parameters, or has a parameter that appears only in the global phase.
    """
    subject = f"the ansatz circuit {name!r}"
    if circuit.num_qubits != num_qubits:
        raise InvalidValueError(
            f"{subject} has {circuit.num_qubits} qubits, but num_qubits={num_qubits} was "
            f"requested; pass num_qubits={circuit.num_qubits} or another circuit"
        )
    culprit = _find_non_unitary(circuit)
    if culprit is not None:
        raise InvalidValueError(
            f"{subject} contains {culprit!r}, which is not a unitary gate; one step must "
            "consist of unitary gates, so remove measurements, resets and control flow "
            "(the model adds the readouts)"
        )
    if circuit.num_clbits:
        raise InvalidValueError(
            f"{subject} has {circuit.num_clbits} classical bits; one step must have none, "
            "so build it without a classical register"
        )
    if circuit.num_identifiers:
        raise InvalidValueError(
            f"{subject} has {circuit.num_identifiers} classical variables; one step must have "
            "none, so use Parameter for its angles"
        )
    if not circuit.parameters:
        raise InvalidValueError(
            f"{subject} has no free parameters, so a controller could not steer it; "
            "give at least one gate a Parameter as its angle"
        )
    idle = _find_phase_parameters(circuit)
    if idle:
        raise InvalidValueError(
            f"{subject} has parameters that appear only in its global phase "
            f"({', '.join(idle)}), where no readout can see them; remove them from the phase"
        )


def _find_non_unitary(circuit: QuantumCircuit) -> str | None:
    """Return the name of the first operation that is neither a gate nor a barrier."""
    for item in circuit.data:
        operation = item.operation
        if isinstance(operation, (Gate, Barrier)):
            continue
        # A block made by append(circuit) is an Instruction even where all of it is unitary; the
        # name of the operation inside is more useful than the name of the block.
        is_block = type(operation) is Instruction and operation.definition is not None
        culprit = _find_non_unitary(operation.definition) if is_block else operation.name
        if culprit is not None:
            return str(culprit)
    return None


def _find_phase_parameters(circuit: QuantumCircuit) -> list[str]:
    gates_only = circuit.copy()
    gates_only.global_phase = 0.0
    used = set(gates_only.parameters)
    return [parameter.name for parameter in circuit.parameters if parameter not in used]

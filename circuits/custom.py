"""Custom circuits as the ansatz of one step: checked, and reduced to standard gates."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression

from circuits.angles import find_slope, read_affine
from circuits.decomposition import decompose
from circuits.errors import InvalidValueError
from circuits.layout import restore_virtual_qubits
from circuits.limits import LARGEST_COEFFICIENT, MOST_GATES

__all__ = ["prepare_custom_circuit"]


def prepare_custom_circuit(
    circuit: QuantumCircuit, *, num_qubits: int, name: str, is_file: bool = False
) -> QuantumCircuit:
    """Return a custom circuit as the unitary step U(theta) on ``num_qubits`` qubits.

    The step equals the circuit up to a global phase, which no readout sees. It has the same
    parameters in the same order, and consists of barriers and Qiskit's standard gates on one and
    two qubits (:func:`circuits.decomposition.decompose`). Its qubits are the virtual ones of a
    transpiled circuit (:func:`circuits.layout.restore_virtual_qubits`).

    Args:
        circuit: The circuit, with free parameters. Angles may be expressions of them. It is not
            changed.
        num_qubits: The requested number n of memory qubits.
        name: Name of the circuit in messages: ``"custom"`` or a file name.
        is_file: Whether it was read from a file, for the remedies in messages.

    Raises:
        ValueError: The circuit measures, resets, branches, holds anything else that is not a
            unitary gate, has too many gates, classical bits or variables, another number of qubits
            or no free parameters, or has a parameter that no gate depends on.
    """
    subject = f"the ansatz circuit {name!r}"
    if circuit.size() > MOST_GATES:
        raise InvalidValueError(
            f"{subject} has {circuit.size()} gates, but one step may have at most {MOST_GATES}; "
            "use fewer gates or repetitions"
        )
    circuit = restore_virtual_qubits(circuit, num_qubits=num_qubits, name=name)
    if circuit.num_qubits != num_qubits:
        raise InvalidValueError(
            f"{subject} has {circuit.num_qubits} qubits, but num_qubits={num_qubits} was "
            f"requested; pass num_qubits={circuit.num_qubits} or another circuit"
        )
    step = decompose(circuit, subject)
    if circuit.num_clbits:
        raise InvalidValueError(
            f"{subject} has {circuit.num_clbits} classical bits; one step must have none, so "
            + ("remove their declarations" if is_file else "build it without a classical register")
        )
    if circuit.num_identifiers:
        raise InvalidValueError(
            f"{subject} has {circuit.num_identifiers} classical variables; one step must have "
            f"none, so use {_name_parameter(is_file)} for its angles"
        )
    if not circuit.parameters:
        raise InvalidValueError(
            f"{subject} has no free parameters, so a controller could not steer it; "
            f"give at least one gate {_name_parameter(is_file)} as its angle"
        )
    idle = _find_idle_parameters(circuit, step)
    if idle:
        raise InvalidValueError(
            f"{subject} has parameters without effect on any readout ({', '.join(idle)}): they "
            "are in no gate, only in its global phase, or only with the factor 0; remove them"
        )
    _check_coefficients(step, subject)
    return step


def _name_parameter(is_file: bool) -> str:
    return "an 'input float[64]'" if is_file else "a Parameter"


def _find_idle_parameters(circuit: QuantumCircuit, step: QuantumCircuit) -> list[str]:
    """Return the names of the parameters of ``circuit`` that no angle of ``step`` depends on."""
    used = {
        parameter
        for item in step.data
        for value in item.operation.params
        if isinstance(value, ParameterExpression)
        for parameter in value.parameters
        if find_slope(value, parameter) != 0.0
    }
    return [parameter.name for parameter in circuit.parameters if parameter not in used]


def _check_coefficients(step: QuantumCircuit, subject: str) -> None:
    """Refuse factors so large that float64 loses the angle."""
    for item in step.data:
        for value in item.operation.params:
            angle = read_affine(value)
            if angle is None:  # the simulator refuses it, other devices may run it
                continue
            largest = max(map(abs, (angle.offset, *(slope for _, slope in angle.slopes))))
            if largest > LARGEST_COEFFICIENT:
                raise InvalidValueError(
                    f"{subject} contains {item.operation.name!r} with the number {largest:g} in "
                    f"its angle, beyond {LARGEST_COEFFICIENT:g}, where the angle itself is lost "
                    "to rounding; reduce it modulo 4 pi, or use a smaller factor"
                )

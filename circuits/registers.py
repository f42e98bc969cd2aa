"""Registers side by side: one step of R registers of n qubits, without a gate between them.

Register r has the qubits r n to r n + n - 1, the angles r P to r P + P - 1 and the observables
r K to r K + K - 1. The state is the tensor product of R states of n qubits.
"""

from __future__ import annotations

from dataclasses import replace

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from circuits.ansatz import Ansatz
from circuits.coupling import Measurement
from circuits.errors import InvalidValueError
from circuits.limits import MOST_GATES, MOST_QUBITS
from circuits.readout import Readout, build_readout
from circuits.validation import require_count

__all__ = ["check_registers", "repeat_ansatz", "repeat_measurement", "repeat_readout"]


def check_registers(num_registers: object, num_qubits: int) -> int:
    """Return the number of registers R of ``num_qubits`` qubits, if a circuit may have them.

    Raises:
        TypeError: ``num_registers`` is not an integer.
        ValueError: It is below 1, or the registers have more than ``MOST_QUBITS`` qubits.
    """
    count = require_count("num_registers", num_registers)
    if count > 1 and count * num_qubits > MOST_QUBITS:
        raise InvalidValueError(
            f"num_registers={count} of num_qubits={num_qubits} are {count * num_qubits} qubits, "
            f"but a circuit has at most {MOST_QUBITS}; use at most "
            f"{max(1, MOST_QUBITS // num_qubits)} registers"
        )
    return count


def repeat_ansatz(ansatz: Ansatz, num_registers: int) -> Ansatz:
    """Return one step of R registers: R copies of ``ansatz`` side by side, each with its angles.

    >>> from circuits import build_ansatz
    >>> wide = repeat_ansatz(build_ansatz("linear", num_qubits=3), 2)
    >>> wide.num_qubits, wide.num_parameters
    (6, 12)

    The R P parameters (radians) are ``theta[0]`` to ``theta[R P - 1]``, register 0 first, each
    register in the order of ``ansatz.parameters``. For R = 1 the ansatz itself is returned.

    Raises:
        ValueError: The step would have more than ``MOST_GATES`` gates.
    """
    if num_registers == 1:
        return ansatz
    gates = ansatz.circuit.size()
    if num_registers * gates > MOST_GATES:
        raise InvalidValueError(
            f"num_registers={num_registers} with {gates} gates each gives more than {MOST_GATES} "
            f"gates, the most of one step; use at most {max(1, MOST_GATES // gates)} registers"
        )
    n, count = ansatz.num_qubits, ansatz.num_parameters
    angles = ParameterVector("theta", num_registers * count)
    circuit = QuantumCircuit(num_registers * n, name=ansatz.circuit.name)
    for r in range(num_registers):
        renamed = dict(zip(ansatz.parameters, angles[r * count : (r + 1) * count], strict=True))
        copy = ansatz.circuit.assign_parameters(renamed)
        circuit.compose(copy, range(r * n, (r + 1) * n), inplace=True)
    return Ansatz(circuit=circuit, parameters=tuple(circuit.parameters), name=ansatz.name)


def repeat_readout(readout: Readout, num_registers: int) -> Readout:
    """Return the R K observables of R registers, register 0 first.

    >>> repeat_readout(build_readout("z", num_qubits=2), 2).labels
    ['Z0', 'Z1', 'Z2', 'Z3']

    Labels count qubits over all registers. For R = 1 the readout itself is returned.
    """
    if num_registers == 1:
        return readout
    n = readout.observables[0].num_qubits
    width = num_registers * n
    return build_readout(
        [
            operator.apply_layout(range(r * n, (r + 1) * n), width)
            for r in range(num_registers)
            for operator in readout.observables
        ],
        num_qubits=width,
    )


def repeat_measurement(measurement: Measurement, num_registers: int) -> Measurement:
    """Return the measurement of R registers as that of one wide register of R m bits.

    Bit r m + a is ancilla a of register r. For R = 1 the measurement itself is returned.
    """
    if num_registers == 1:
        return measurement
    n = measurement.num_qubits
    return replace(
        measurement,
        num_qubits=num_registers * n,
        qubits=tuple(r * n + q for r in range(num_registers) for q in measurement.qubits),
        bases=measurement.bases * num_registers,
    )

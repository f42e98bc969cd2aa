"""The ansatz: the parametrized circuit U(theta) of one step of the hidden state."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from circuits.custom import prepare_custom_circuit
from circuits.errors import InvalidValueError
from circuits.export import read_qpy
from circuits.families import ANSATZ_FAMILIES, ENTANGLERS, ROTATIONS, build_family
from circuits.openqasm import read_qasm3
from circuits.validation import require_count, require_name

__all__ = ["ANSATZ_FAMILIES", "ENTANGLERS", "ROTATIONS", "Ansatz", "build_ansatz"]

_FILE_SUFFIXES = (".qasm", ".qasm3", ".qpy")


@dataclass(frozen=True)
class Ansatz:
    """One step U(theta) of the recurrent circuit.

    Attributes:
        circuit: n memory qubits, P free parameters (radians), no classical bits. Qubit 0 is the
            least significant bit of a basis state, as everywhere in Qiskit.
        parameters: The P parameters in the order of the controller's outputs, which is the order
            of ``circuit.parameters``.
        name: The family, ``"custom"`` for a circuit object, or the name of the file.
    """

    circuit: QuantumCircuit
    parameters: tuple[Parameter, ...]
    name: str

    @property
    def num_qubits(self) -> int:
        """The number n of memory qubits."""
        return int(self.circuit.num_qubits)

    @property
    def num_parameters(self) -> int:
        """The number P of angles per step."""
        return len(self.parameters)


def build_ansatz(
    ansatz: str | os.PathLike[str] | QuantumCircuit = "linear",
    *,
    num_qubits: int,
    num_layers: int = 1,
    entangler: str = "cz",
    rotations: Sequence[str] = ("ry", "rz"),
) -> Ansatz:
    """Build the ansatz of one step from a family name, a circuit, or an OpenQASM 3 or QPY file.

    A circuit or a file is one whole step, so that layers, entangler and rotations apply only to the
    families. It is reduced to standard gates on one and two qubits; its global phase, which no
    readout sees, is dropped, and a transpiled circuit returns to its virtual qubits.

    >>> ansatz = build_ansatz("linear", num_qubits=4, num_layers=2)
    >>> ansatz.num_parameters
    16
    >>> dict(ansatz.circuit.count_ops())
    {'ry': 8, 'rz': 8, 'cz': 6}

    Args:
        ansatz: A name of ``ANSATZ_FAMILIES``; or a ``QuantumCircuit`` with free parameters, which
            is copied; or the path of an OpenQASM 3 file with ``input float`` parameters, or of a
            QPY file (``.qpy``) with one circuit (a string is a path if it ends in ``.qasm``,
            ``.qasm3`` or ``.qpy`` or has a folder in it).
        num_qubits: n, at least 1. A circuit or file must have exactly n qubits.

    Other arguments:
        num_layers: L, at least 1.
        entangler: One of ``ENTANGLERS``. ``cz`` has no angle, ``rzz`` and ``crx`` have one each.
        rotations: Names of ``ROTATIONS``, applied to every qubit in this order in every layer.

    Returns:
        The ansatz. A family orders its angles by layer, then qubit, then rotation, then the
        layer's entanglers (:func:`circuits.families.build_family`). Circuits and files keep the
        order of Qiskit's ``circuit.parameters``: by name, vector elements by index.

    Raises:
        TypeError: An argument has the wrong type, such as a count that is not an integer.
        ValueError: An unknown name, a count below 1, a file that cannot be read, or a circuit
            that is not a unitary step (:func:`circuits.custom.prepare_custom_circuit`).
    """
    num_qubits = require_count("num_qubits", num_qubits)
    if isinstance(ansatz, QuantumCircuit):
        name = "custom"
        circuit = prepare_custom_circuit(ansatz, num_qubits=num_qubits, name=name)
    elif isinstance(ansatz, os.PathLike) or _names_file(ansatz):
        name = Path(ansatz).name
        circuit = prepare_custom_circuit(
            _read_file(Path(ansatz)), num_qubits=num_qubits, name=name, is_file=True
        )
    else:
        hint = ", or a QuantumCircuit, or the path of a .qasm or .qpy file"
        name = require_name("ansatz", ansatz, ANSATZ_FAMILIES, hint=hint)
        circuit = build_family(
            name,
            num_qubits=num_qubits,
            num_layers=num_layers,
            entangler=entangler,
            rotations=rotations,
        )
    return Ansatz(circuit=circuit, parameters=tuple(circuit.parameters), name=name)


def _names_file(ansatz: object) -> bool:
    if not isinstance(ansatz, str):
        return False
    return ansatz.endswith(_FILE_SUFFIXES) or Path(ansatz).name != ansatz


def _read_file(path: Path) -> QuantumCircuit:
    try:
        return _read_qpy(path) if path.suffix == ".qpy" else _read_qasm3(path)
    except OSError as error:
        raise InvalidValueError(
            f"the ansatz file {str(path)!r} cannot be opened ({error.strerror}); give the path of "
            f"an OpenQASM 3 or QPY file, or one of the families {', '.join(ANSATZ_FAMILIES)}"
        ) from error


def _read_qpy(path: Path) -> QuantumCircuit:
    circuits = read_qpy(path)
    if len(circuits) != 1:
        raise InvalidValueError(
            f"the ansatz file {str(path)!r} holds {len(circuits)} circuits; write a file with one, "
            "the step"
        )
    return circuits[0]


def _read_qasm3(path: Path) -> QuantumCircuit:
    circuit = read_qasm3(path)
    if circuit.layout is not None:
        raise InvalidValueError(
            f"the ansatz file {str(path)!r} names physical qubits ($0, ...), and not which qubit "
            "of the step each of them is; declare 'qubit[n] q;' and use q[0] and so on, or give a "
            ".qpy file, which keeps the layout of a transpiled circuit"
        )
    return circuit

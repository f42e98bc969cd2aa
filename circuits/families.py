"""The ansatz families by name: layers of rotations and of entanglers on neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from circuits.errors import InvalidTypeError, InvalidValueError
from circuits.limits import MOST_GATES, MOST_QUBITS
from circuits.validation import require_count, require_name

__all__ = ["ANSATZ_FAMILIES", "ENTANGLERS", "ROTATIONS", "build_family", "list_bonds"]

ANSATZ_FAMILIES = ("linear", "ring", "brick", "product")
ENTANGLERS = ("cz", "rzz", "crx")
ROTATIONS = ("rx", "ry", "rz")


def list_bonds(family: str, num_qubits: int, layer: int) -> list[tuple[int, int]]:
    """Return the pairs of qubits that one layer entangles, in the order of the gates.

    Bond b joins the qubits b and b + 1. A pair is (control, target) for an entangler that
    distinguishes them.

    * ``linear``: the bonds 0 to n - 2, in every layer.
    * ``ring``: the same bonds, then (n - 1, 0). With n = 2 that pair is already joined, so a ring
      of two qubits is a line of two qubits.
    * ``brick``: the bonds 0, 2, 4, ... in layers 0, 2, ...; the bonds 1, 3, 5, ... in layers
      1, 3, .... With n = 2 the odd layers have no entangler.
    * ``product``: none.

    Args:
        family: One of ``ANSATZ_FAMILIES``.
        num_qubits: n, at least 1. One qubit has no bonds.
        layer: Index of the layer, from 0.
    """
    line = [(qubit, qubit + 1) for qubit in range(num_qubits - 1)]
    if family == "product":
        return []
    if family == "brick":
        return line[layer % 2 :: 2]
    if family == "ring" and num_qubits > 2:
        return [*line, (num_qubits - 1, 0)]
    return line


def build_family(
    family: str,
    *,
    num_qubits: int,
    num_layers: int = 1,
    entangler: str = "cz",
    rotations: Sequence[str] = ("ry", "rz"),
) -> QuantumCircuit:
    """Build one step U(theta) of an ansatz family.

    Each layer is the ``rotations`` on every qubit, then the ``entangler`` on the bonds of
    :func:`list_bonds`. The angles (radians) are one ``ParameterVector`` ``theta[0]`` to
    ``theta[P-1]``, ordered by layer, then qubit, then rotation, then the layer's entanglers, so
    that the order of ``circuit.parameters`` is this order.

    The default, ``linear`` with RY, RZ and CZ, is the ansatz of arXiv:2510.25557 on an open line.

    Raises:
        TypeError: A count is not an integer, or a name is not a string.
        ValueError: A count below 1, an unknown name, or no rotations.
    """
    require_name("ansatz", family, ANSATZ_FAMILIES)
    num_qubits = require_count("num_qubits", num_qubits)
    num_layers = require_count("num_layers", num_layers)
    require_name("entangler", entangler, ENTANGLERS)
    rotations = _check_rotations(rotations)

    per_layer = num_qubits * len(rotations) + len(
        list_bonds(family, min(num_qubits, MOST_QUBITS), 0)
    )
    if num_layers * per_layer > MOST_GATES:
        raise InvalidValueError(
            f"num_layers={num_layers} with num_qubits={num_qubits} gives more than {MOST_GATES} "
            f"gates, the most of one step; use at most {max(1, MOST_GATES // per_layer)} layers"
        )
    bonds = [list_bonds(family, num_qubits, layer) for layer in range(num_layers)]
    num_angles = num_layers * num_qubits * len(rotations)
    if entangler != "cz":
        num_angles += sum(map(len, bonds))
    angles = iter(ParameterVector("theta", num_angles))

    circuit = QuantumCircuit(num_qubits, name=family)
    for layer in range(num_layers):
        for qubit in range(num_qubits):
            for rotation in rotations:
                getattr(circuit, rotation)(next(angles), qubit)
        for control, target in bonds[layer]:
            if entangler == "cz":
                circuit.cz(control, target)
            else:
                getattr(circuit, entangler)(next(angles), control, target)
    return circuit


def _check_rotations(rotations: Sequence[str]) -> tuple[str, ...]:
    if isinstance(rotations, str):
        raise InvalidTypeError(
            f"rotations must be a list of names, got the string {rotations!r}; "
            f"write [{rotations!r}]"
        )
    checked = tuple(require_name("rotation", rotation, ROTATIONS) for rotation in rotations)
    if not checked:
        raise InvalidValueError(
            "rotations is empty, so the layers would have no angles; "
            f"name at least one of {', '.join(ROTATIONS)}"
        )
    return checked

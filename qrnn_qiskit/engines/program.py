"""Compile a Qiskit circuit and its Pauli readouts to the arrays that the kernels read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qrnn_qiskit.engines.lowering import Angle, Primitive, lower_circuit, name_parameters
from qrnn_qiskit.engines.schedule import (
    ControlledSweep,
    PhaseSweep,
    RotationSweep,
    schedule_sweeps,
)

ROTATION, PHASE, CONTROLLED = 0, 1, 2

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Program(NamedTuple):
    """One step's circuit as arrays.

    A *site* is one qubit or mask that a sweep acts on, a *column* the angle of one site. Sweep s
    has the sites ``start[s]`` to ``start[s + 1] - 1``. Column j has the parameter terms k from
    ``term_start[j]`` to ``term_start[j + 1] - 1``: its angle is ``offset[j]`` plus the sum of
    ``term_coefficient[k] * theta[term_parameter[k]]``.

    Attributes:
        num_qubits: n.
        kind: (sweeps,) ROTATION (of three neighbour qubits), PHASE, or CONTROLLED (one rotation,
            with or without a control).
        start: (sweeps + 1,) the first site of each sweep.
        site: (sites,) the qubit of a rotation, the mask of a phase, the target of a control.
        column: (sites,) the column with the site's angle, or -1 for a qubit that is not rotated.
        extra: (sweeps,) the lowest qubit of a ROTATION; the row of ``signs`` of a PHASE, or -1; the
            control of a CONTROLLED sweep, or -1.
        signs: (rows, 2^n) +1 or -1 in the states' dtype, the product of the CZ of a sweep for each
            basis state.
        term_start: (columns + 1,) the first parameter term of each column.
        term_parameter: (terms,) the index of the circuit parameter.
        term_coefficient: (terms,) its coefficient, float64.
        offset: (columns,) the constant part of each angle in radians, float64.
    """

    num_qubits: int
    kind: Integers
    start: Integers
    site: Integers
    column: Integers
    extra: Integers
    signs: Any
    term_start: Integers
    term_parameter: Integers
    term_coefficient: Floats
    offset: Floats


class Window(NamedTuple):
    """X and Y of three neighbour qubits, which are read in one pass over the state.

    The places are those of the six strings in the output, -1 for a string that is not read.

    Attributes:
        low: The lowest of the three qubits.
        x0: The place of X of qubit ``low``.
        y0: The place of Y of qubit ``low``.
        x1: The place of X of qubit ``low + 1``.
        y1: The place of Y of qubit ``low + 1``.
        x2: The place of X of qubit ``low + 2``.
        y2: The place of Y of qubit ``low + 2``.
    """

    low: int
    x0: int
    y0: int
    x1: int
    y1: int
    x2: int
    y2: int


class PauliProgram(NamedTuple):
    """The distinct Pauli strings of K observables as arrays, sorted by how they are read.

    Strings of I and Z are diagonal; X and Y of single qubits are read in windows of three
    neighbours; all others form groups that flip the same qubits (have X or Y there). The *place* of
    a string is its index among the S values.

    A string with flips f, Z mask z and k letters Y maps |x> to i^k (-1)^parity(x & z) |x ^ f>; here
    Y has a bit in both masks, for Y = i X Z.

    Attributes:
        num_strings: S.
        diagonal_mask: (diagonal,) the Z mask of each string without X or Y.
        diagonal_term: (diagonal,) its place.
        neighbours: (windows, 7), each row the fields of a :class:`Window`.
        flip: (groups,) the mask of the qubits that the strings of a group flip.
        start: (groups + 1,) the first entry of each group.
        z_mask: (entries,) the Z mask of each string.
        power: (entries,) k modulo 4 of its factor i^k.
        term: (entries,) its place.
        matrix: (K, S) from the values of the strings to those of the observables; (0, 0) where
            each observable is one string with coefficient 1.
        transposed: (S, K), its transpose.
    """

    num_strings: int
    diagonal_mask: Integers
    diagonal_term: Integers
    neighbours: Integers
    flip: Integers
    start: Integers
    z_mask: Integers
    power: Integers
    term: Integers
    matrix: Any
    transposed: Any


def _integers(values: Sequence[int]) -> Integers:
    return np.asarray(values, dtype=np.int64)


def compile_circuit(circuit: QuantumCircuit, dtype: np.dtype[Any]) -> Program:
    """Compile ``circuit`` for angle sets in the order of ``circuit.parameters``.

    Raises:
        UnsupportedCircuitError: See :func:`~qrnn_qiskit.engines.lowering.lower_circuit`.
    """
    primitives, names = lower_circuit(circuit), name_parameters(circuit)
    return compile_primitives(primitives, circuit.num_qubits, names, dtype)


class _Sweeps:
    """The arrays of a :class:`Program` that grow with every sweep."""

    def __init__(self) -> None:
        self.kind: list[int] = []
        self.extra: list[int] = []
        self.start = [0]
        self.site: list[int] = []
        self.column: list[int] = []
        self.angles: list[Angle] = []

    def add(self, kind: int, extra: int, sites: Mapping[int, Angle | None]) -> None:
        """Append a sweep; a site without an angle has no column."""
        self.kind.append(kind)
        self.extra.append(extra)
        for place, angle in sites.items():
            self.site.append(place)
            self.column.append(-1 if angle is None else len(self.angles))
            self.angles.extend([] if angle is None else [angle])
        self.start.append(len(self.site))

    def add_rotations(self, angles: Mapping[int, Angle], num_qubits: int) -> None:
        """Append rotations of three neighbours at a time: one pass over the state for three."""
        waiting = dict(sorted(angles.items()))
        while waiting:
            low, width = _find_neighbours(list(waiting), num_qubits)
            turned = {qubit: waiting.pop(qubit, None) for qubit in range(low, low + width)}
            self.add(*((CONTROLLED, -1) if width == 1 else (ROTATION, low)), turned)


def compile_primitives(
    primitives: Iterable[Primitive],
    num_qubits: int,
    parameters: Sequence[str],
    dtype: np.dtype[Any],
) -> Program:
    """Compile ``primitives`` for angle sets in the order of ``parameters`` (their names)."""
    sweeps = _Sweeps()
    signs: list[NDArray[np.float64]] = []
    for sweep in schedule_sweeps(primitives):
        if isinstance(sweep, RotationSweep):
            sweeps.add_rotations(sweep.angles, num_qubits)
        elif isinstance(sweep, PhaseSweep):
            if sweep.signs:
                signs.append(_multiply_signs(sweep.signs, num_qubits))
            phases = {mask: angle for mask, angle in sweep.angles.items() if angle != Angle()}
            sweeps.add(PHASE, len(signs) - 1 if sweep.signs else -1, phases)
        elif isinstance(sweep, ControlledSweep):
            sweeps.add(CONTROLLED, sweep.control, {sweep.target: sweep.angle})
    index = {name: position for position, name in enumerate(parameters)}
    terms = [[(index[name], factor) for name, factor in angle.terms] for angle in sweeps.angles]
    flat = [term for column in terms for term in column]
    return Program(
        num_qubits=num_qubits,
        kind=_integers(sweeps.kind),
        start=_integers(sweeps.start),
        site=_integers(sweeps.site),
        column=_integers(sweeps.column),
        extra=_integers(sweeps.extra),
        signs=np.asarray(signs, dtype).reshape(len(signs), 1 << num_qubits),
        term_start=np.cumsum([0, *map(len, terms)], dtype=np.int64),
        term_parameter=_integers([parameter for parameter, _ in flat]),
        term_coefficient=np.asarray([factor for _, factor in flat], np.float64),
        offset=np.asarray([angle.offset for angle in sweeps.angles], np.float64),
    )


def _find_neighbours(qubits: Sequence[int], num_qubits: int) -> tuple[int, int]:
    """Find what to rotate in one pass with the first of ``qubits``, which are in rising order.

    Returns:
        The lowest qubit and the number of qubits: 3, or 1 where no other of the next two is turned.
    """
    low = qubits[0]
    if num_qubits < 3 or len(qubits) == 1 or qubits[1] > low + 2:
        return low, 1
    return min(low, num_qubits - 3), 3


def _multiply_signs(masks: set[int], num_qubits: int) -> NDArray[np.float64]:
    """Return the sign (2^n,) of each basis state: -1 where an odd number of pairs is |11>."""
    states = np.arange(1 << num_qubits)
    sign = np.ones(states.size)
    for mask in masks:
        sign[(states & mask) == mask] *= -1.0
    return sign


def compile_paulis(
    observables: Sequence[SparsePauliOp], num_qubits: int, dtype: np.dtype[Any]
) -> PauliProgram:
    """Compile the distinct Pauli strings of ``observables`` on ``num_qubits`` qubits."""
    strings: dict[tuple[int, int], int] = {}
    weights: list[dict[int, float]] = []
    for observable in observables:
        row: dict[int, float] = {}
        for pauli, coefficient in zip(observable.paulis, observable.coeffs, strict=True):
            x_mask = sum(1 << qubit for qubit, bit in enumerate(pauli.x) if bit)
            z_mask = sum(1 << qubit for qubit, bit in enumerate(pauli.z) if bit)
            term = strings.setdefault((x_mask, z_mask), len(strings))
            row[term] = row.get(term, 0.0) + float(coefficient.real)
        weights.append(row)
    matrix = np.zeros((len(weights), len(strings)), dtype)
    for position, row in enumerate(weights):
        matrix[position, list(row)] = list(row.values())
    if np.array_equal(matrix, np.eye(len(matrix))):
        matrix = matrix[:0, :0]  # the usual case: no matrix product in every step

    groups: dict[int, list[tuple[int, int]]] = {}
    for (x_mask, z_mask), term in strings.items():
        groups.setdefault(x_mask, []).append((z_mask, term))
    diagonal = groups.pop(0, [])
    neighbours = _pop_neighbours(groups, num_qubits)
    entries = [(flip, *entry) for flip, group in groups.items() for entry in group]
    return PauliProgram(
        num_strings=len(strings),
        diagonal_mask=_integers([z_mask for z_mask, _ in diagonal]),
        diagonal_term=_integers([term for _, term in diagonal]),
        neighbours=neighbours,
        flip=_integers(list(groups)),
        start=np.cumsum([0, *map(len, groups.values())], dtype=np.int64),
        z_mask=_integers([z_mask for _, z_mask, _ in entries]),
        power=_integers([(flip & z_mask).bit_count() % 4 for flip, z_mask, _ in entries]),
        term=_integers([term for _, _, term in entries]),
        matrix=np.ascontiguousarray(matrix),
        transposed=np.ascontiguousarray(matrix.T),
    )


def _pop_neighbours(groups: dict[int, list[tuple[int, int]]], num_qubits: int) -> Integers:
    """Take X and Y of single qubits out of ``groups``, three neighbours at a time.

    The windows cover the qubits from below; the last one overlaps its neighbour where the number of
    qubits is not a multiple of three, with the place -1 for what has been read already.
    """
    singles: dict[int, tuple[int, int]] = {}
    for qubit in range(num_qubits if num_qubits > 2 else 0):
        terms = dict(groups.get(1 << qubit, []))
        if terms and terms.keys() <= {0, 1 << qubit}:  # no X or Y times Z of other qubits
            singles[qubit] = (terms.get(0, -1), terms.get(1 << qubit, -1))
            del groups[1 << qubit]
    windows = []
    while singles:
        low = min(*singles, num_qubits - 3)
        places = [singles.pop(qubit, (-1, -1)) for qubit in range(low, low + 3)]
        windows.append(Window(low, *(place for pair in places for place in pair)))
    return np.asarray(windows, np.int64).reshape(-1, len(Window._fields))

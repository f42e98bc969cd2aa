"""Compile a Qiskit circuit and its Pauli readouts to the arrays that the kernels read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qrnn_qiskit.simulator.lowering import Angle, Primitive, lower_circuit
from qrnn_qiskit.simulator.schedule import (
    ControlledSweep,
    PhaseSweep,
    RotationSweep,
    schedule_sweeps,
)

ROTATION, PHASE, CONTROLLED = 0, 1, 2

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Program(NamedTuple):
    """One step's circuit as arrays. A *column* is one angle of one sweep.

    Attributes:
        num_qubits: n.
        kind: (sweeps,) ROTATION, PHASE or CONTROLLED.
        start: (sweeps + 1,) first site of each sweep.
        site: (sites,) the qubit of a rotation, the mask of a phase, the target of a control.
        column: (sites,) the column that holds the site's angle.
        extra: (sweeps,) row of ``signs`` (or -1) of a PHASE, the control of a CONTROLLED sweep.
        signs: (rows, 2^n) float64 +1 or -1, the product of the CZ of a sweep by basis state.
        term_start: (columns + 1,) first parameter term of each column.
        term_parameter: (terms,) index of the circuit parameter.
        term_coefficient: (terms,) its coefficient.
        offset: (columns,) constant part in radians.
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


class PauliProgram(NamedTuple):
    """Pauli strings as arrays: those of I and Z first, then groups that flip the same qubits.

    Attributes:
        diagonal_mask: (diagonal,) Z mask of each string without X or Y.
        diagonal_term: (diagonal,) its place in the output.
        flip: (groups,) mask of the qubits that the group's strings flip (X or Y).
        start: (groups + 1,) first entry of each group.
        z_mask: (entries,) Z mask of a string.
        power: (entries,) k of its factor i^k, the number of Y modulo 4.
        term: (entries,) its place in the output.
    """

    diagonal_mask: Integers
    diagonal_term: Integers
    flip: Integers
    start: Integers
    z_mask: Integers
    power: Integers
    term: Integers


def _integers(values: Sequence[int]) -> Integers:
    return np.asarray(values, dtype=np.int64)


def compile_circuit(
    circuit: QuantumCircuit, parameters: Sequence[str], dtype: np.dtype[Any]
) -> Program:
    """Compile ``circuit`` for angle sets in the order of ``parameters`` (their names).

    Raises:
        UnsupportedCircuitError: See :func:`~qrnn_qiskit.simulator.lowering.lower_circuit`.
    """
    return compile_primitives(lower_circuit(circuit), circuit.num_qubits, parameters, dtype)


def compile_primitives(
    primitives: Iterable[Primitive],
    num_qubits: int,
    parameters: Sequence[str],
    dtype: np.dtype[Any],
) -> Program:
    """Compile ``primitives`` on ``num_qubits`` qubits for angle sets in the order given."""
    index = {name: position for position, name in enumerate(parameters)}
    kind: list[int] = []
    extra: list[int] = []
    start, site = [0], list[int]()
    signs: list[NDArray[np.float64]] = []
    angles: list[Angle] = []
    for sweep in schedule_sweeps(primitives):
        if isinstance(sweep, RotationSweep):
            kind.append(ROTATION)
            extra.append(-1)
            sites = dict(sorted(sweep.angles.items()))
        elif isinstance(sweep, PhaseSweep):
            kind.append(PHASE)
            extra.append(len(signs) if sweep.signs else -1)
            sites = {mask: angle for mask, angle in sweep.angles.items() if angle != Angle()}
            if sweep.signs:
                signs.append(_multiply_signs(sweep.signs, num_qubits))
        elif isinstance(sweep, ControlledSweep):
            kind.append(CONTROLLED)
            extra.append(sweep.control)
            sites = {sweep.target: sweep.angle}
        site.extend(sites)
        angles.extend(sites.values())
        start.append(len(site))
    terms = [[(index[name], factor) for name, factor in angle.terms] for angle in angles]
    flat = [term for column in terms for term in column]
    return Program(
        num_qubits=num_qubits,
        kind=_integers(kind),
        start=_integers(start),
        site=_integers(site),
        column=np.arange(len(site), dtype=np.int64),
        extra=_integers(extra),
        signs=np.asarray(signs, dtype).reshape(len(signs), 1 << num_qubits),
        term_start=np.cumsum([0, *map(len, terms)], dtype=np.int64),
        term_parameter=_integers([parameter for parameter, _ in flat]),
        term_coefficient=np.asarray([factor for _, factor in flat], np.float64),
        offset=np.asarray([angle.offset for angle in angles], np.float64),
    )


def _multiply_signs(masks: set[int], num_qubits: int) -> NDArray[np.float64]:
    states = np.arange(1 << num_qubits)
    sign = np.ones(states.size)
    for mask in masks:
        sign[(states & mask) == mask] *= -1.0
    return sign


def compile_paulis(
    observables: Sequence[SparsePauliOp],
) -> tuple[PauliProgram, NDArray[np.float64]]:
    """Compile the distinct Pauli strings of ``observables``.

    Returns:
        The program and the real matrix (K, strings) that turns the values of the strings into the
        values of the observables.
    """
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
    matrix = np.zeros((len(weights), len(strings)))
    for position, row in enumerate(weights):
        matrix[position, list(row)] = list(row.values())

    groups: dict[int, list[tuple[int, int]]] = {}
    for (x_mask, z_mask), term in strings.items():
        groups.setdefault(x_mask, []).append((z_mask, term))
    diagonal = groups.pop(0, [])
    entries = [(flip, *entry) for flip, group in groups.items() for entry in group]
    program = PauliProgram(
        diagonal_mask=_integers([z_mask for z_mask, _ in diagonal]),
        diagonal_term=_integers([term for _, term in diagonal]),
        flip=_integers(list(groups)),
        start=np.cumsum([0, *map(len, groups.values())], dtype=np.int64),
        z_mask=_integers([z_mask for _, z_mask, _ in entries]),
        power=_integers([(flip & z_mask).bit_count() % 4 for flip, z_mask, _ in entries]),
        term=_integers([term for _, _, term in entries]),
    )
    return program, matrix

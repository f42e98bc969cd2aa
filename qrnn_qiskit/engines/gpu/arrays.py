"""A compiled circuit, its readouts and a controller as tensors on a GPU, as the kernels read them.

Integers are int32, numbers have the precision of the states unless it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qrnn_qiskit.engines.program import PHASE, Integers, PauliProgram, Program

__all__ = [
    "Circuit",
    "Network",
    "Observables",
    "Trace",
    "Work",
    "place_circuit",
    "place_observables",
]


class Circuit(NamedTuple):
    """A :class:`~qrnn_qiskit.engines.program.Program` with tables of the same length for all.

    Attributes:
        num_sweeps: S.
        num_columns: C.
        num_parameters: P.
        num_terms: Parameter terms that a column has at most.
        num_uses: Columns that a parameter is in at most.
        kind: (S,).
        start: (S + 1,).
        high_start: (S,) first site of a PHASE that has no low bit; see :mod:`.diagonals`.
        cross_start: (S,) first site of a PHASE that has both.
        site: (sites,).
        column: (sites,).
        extra: (S,).
        signs: (rows, 2^n).
        parameter: (num_terms, C) index of the circuit parameter of each term.
        half_factor: (num_terms, C) float64 half of its coefficient, 0 where there is no term.
        half_offset: (C,) float64 half of the constant part in radians.
        use_column: (num_uses, P) the columns of each parameter.
        use_factor: (num_uses, P) its coefficient there, 0 where there is no column.
    """

    num_sweeps: int
    num_columns: int
    num_parameters: int
    num_terms: int
    num_uses: int
    kind: Tensor
    start: Tensor
    high_start: Tensor
    cross_start: Tensor
    site: Tensor
    column: Tensor
    extra: Tensor
    signs: Tensor
    parameter: Tensor
    half_factor: Tensor
    half_offset: Tensor
    use_column: Tensor
    use_factor: Tensor


class Observables(NamedTuple):
    """A :class:`~qrnn_qiskit.engines.program.PauliProgram`, its diagonal strings in order.

    Attributes:
        num_observables: K.
        num_strings: S.
        num_diagonal: Strings without X or Y.
        high_start: Place of the first of them that has no low bit; see :mod:`.diagonals`.
        cross_start: Place of the first of them that has both.
        num_windows: Of three neighbours.
        num_groups: Of strings that flip the same qubits.
        diagonal_mask: (num_diagonal,).
        diagonal_term: (num_diagonal,).
        neighbours: (num_windows, 7).
        flip: (num_groups,).
        start: (num_groups + 1,).
        z_mask: (entries,).
        power: (entries,).
        term: (entries,).
        matrix: (K, S), or None where each observable is one string with the factor 1.
        transposed: (S, K), or None.
    """

    num_observables: int
    num_strings: int
    num_diagonal: int
    high_start: int
    cross_start: int
    num_windows: int
    num_groups: int
    diagonal_mask: Tensor
    diagonal_term: Tensor
    neighbours: Tensor
    flip: Tensor
    start: Tensor
    z_mask: Tensor
    power: Tensor
    term: Tensor
    matrix: Tensor | None
    transposed: Tensor | None


class Network(NamedTuple):
    """The controller, each layer as (what it reads, what it writes).

    Attributes:
        num_inputs: E + K, or E for no feedback.
        num_heard: K, or 0 for no feedback.
        width: W of the first layer.
        num_units: H of the hidden layer, 0 without one.
        num_angles: P.
        first: Forward (E + K, W), backward (W, num_heard).
        first_bias: (W,), or None backward.
        output: Forward (H, P), backward (P, H); None without a hidden layer.
        output_bias: (P,), or None.
    """

    num_inputs: int
    num_heard: int
    width: int
    num_units: int
    num_angles: int
    first: Tensor
    first_bias: Tensor | None
    output: Tensor | None
    output_bias: Tensor | None


class Trace(NamedTuple):
    """What a forward run leaves for backward.

    Attributes:
        theta: (B, T, P) angles in radians.
        inputs: (B, T, E + K) what the controller sees, [x ; readouts of the step before], or
            (B, T, E) where it does not see readouts.
        hidden: (B, T, H) hidden layer; None without one.
        slope: (B, T, W) derivative of the hidden layer by the first one; None without one.
        readouts: (B, T, K).
    """

    theta: Tensor
    inputs: Tensor
    hidden: Tensor | None
    slope: Tensor | None
    readouts: Tensor


class Work(NamedTuple):
    """What every program works on, a row of its own in each.

    Attributes:
        num_sums: Sums over the low and the high bits of a basis state.
        turns: (B, 2 C).
        residual: (B, C) float64, zeros.
        sums: (B, num_sums).
        strings: (B, S).
        slopes: (B, C), backward only, as all that follows.
        pull: (B, K).
        fed: (B, K), zeros.
        units: (B, H).
    """

    num_sums: int
    turns: Tensor
    residual: Tensor
    sums: Tensor
    strings: Tensor
    slopes: Tensor | None
    pull: Tensor | None
    fed: Tensor | None
    units: Tensor | None


def _make_placer(dtype: torch.dtype, device: torch.device) -> Callable[[Any], Tensor]:
    """From NumPy arrays to tensors on ``device``: integers to int32, numbers to ``dtype``."""

    def place(array: Any) -> Tensor:
        array = np.ascontiguousarray(array)
        wanted = torch.int32 if array.dtype.kind == "i" else dtype
        return torch.from_numpy(array).to(device, wanted)

    return place


def place_circuit(
    program: Program, num_parameters: int, dtype: torch.dtype, device: torch.device
) -> Circuit:
    """Arrange a compiled circuit of P parameters for the kernels."""
    place = _make_placer(dtype, device)
    place_double = _make_placer(torch.float64, device)
    num_columns = len(program.offset)
    by_column: list[list[tuple[int, float]]] = [[] for _ in range(num_columns)]
    by_parameter: list[list[tuple[int, float]]] = [[] for _ in range(num_parameters)]
    for column, terms in enumerate(by_column):
        for k in range(program.term_start[column], program.term_start[column + 1]):
            parameter, factor = int(program.term_parameter[k]), float(program.term_coefficient[k])
            terms.append((parameter, factor))
            by_parameter[parameter].append((column, factor))
    parameters, factors = _tabulate(by_column)
    use_column, use_factor = _tabulate(by_parameter)

    sites, columns = program.site.copy(), program.column.copy()
    high_start, cross_start = program.start[1:].copy(), program.start[1:].copy()
    for sweep in np.flatnonzero(program.kind == PHASE):
        part = slice(program.start[sweep], program.start[sweep + 1])
        order, highs, crosses = _divide_masks(sites[part], program.num_qubits)
        sites[part], columns[part] = sites[part][order], columns[part][order]
        high_start[sweep], cross_start[sweep] = part.start + highs, part.start + crosses
    return Circuit(
        num_sweeps=len(program.kind),
        num_columns=num_columns,
        num_parameters=num_parameters,
        num_terms=len(parameters),
        num_uses=len(use_column),
        kind=place(program.kind),
        start=place(program.start),
        high_start=place(high_start),
        cross_start=place(cross_start),
        site=place(sites),
        column=place(columns),
        extra=place(program.extra),
        signs=place(program.signs),
        parameter=place(parameters),
        half_factor=place_double(0.5 * factors),
        half_offset=place_double(0.5 * program.offset),
        use_column=place(use_column),
        use_factor=place(use_factor),
    )


def place_observables(
    paulis: PauliProgram, num_qubits: int, dtype: torch.dtype, device: torch.device
) -> Observables:
    """Arrange compiled Pauli strings for the kernels."""
    place = _make_placer(dtype, device)
    order, high_start, cross_start = _divide_masks(paulis.diagonal_mask, num_qubits)
    has_matrix = paulis.matrix.size > 0
    return Observables(
        num_observables=len(paulis.matrix) if has_matrix else paulis.num_strings,
        num_strings=paulis.num_strings,
        num_diagonal=len(paulis.diagonal_mask),
        high_start=high_start,
        cross_start=cross_start,
        num_windows=len(paulis.neighbours),
        num_groups=len(paulis.flip),
        diagonal_mask=place(paulis.diagonal_mask[order]),
        diagonal_term=place(paulis.diagonal_term[order]),
        neighbours=place(paulis.neighbours),
        flip=place(paulis.flip),
        start=place(paulis.start),
        z_mask=place(paulis.z_mask),
        power=place(paulis.power),
        term=place(paulis.term),
        matrix=place(paulis.matrix) if has_matrix else None,
        transposed=place(paulis.transposed) if has_matrix else None,
    )


def _divide_masks(masks: Integers, num_qubits: int) -> tuple[Integers, int, int]:
    """An order of ``masks``: of low bits, of high bits, of both; and where the others begin."""
    low = (1 << (num_qubits // 2)) - 1
    side = np.where(masks & ~low == 0, 0, np.where(masks & low == 0, 1, 2))
    order = np.argsort(side, kind="stable")
    return order, int((side < 1).sum()), int((side < 2).sum())


def _tabulate(
    rows: Sequence[Sequence[tuple[int, float]]],
) -> tuple[Integers, NDArray[np.float64]]:
    """Lists of (index, factor) as two tables, entry i of list j in row i and column j."""
    length = max(map(len, rows), default=0)
    index = np.zeros((length, len(rows)), np.int64)
    factor = np.zeros((length, len(rows)))
    for j, row in enumerate(rows):
        for i, (place, value) in enumerate(row):
            index[i, j], factor[i, j] = place, value
    return index, factor

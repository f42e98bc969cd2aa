"""A compiled circuit, its readouts and a controller as tensors on a GPU, as the kernels read them.

Integers are int32; numbers have the precision of the states where nothing else is specified.
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
    """A :class:`~qrnn_qiskit.engines.program.Program` with tables of equal length for all columns.

    Lists of different lengths are padded with factors of 0, so that all threads run the same loop.
    The masks of a PHASE are sorted: low bits only, high bits only, both; see :mod:`.diagonals`.

    Attributes:
        num_sweeps: S.
        num_columns: C.
        num_parameters: P.
        num_terms: The largest number of parameter terms of a column.
        num_uses: The largest number of columns of a parameter.
        kind: (S,), as in the program.
        start: (S + 1,), as in the program.
        high_start: (S,) the first site of a PHASE with a mask of high bits only.
        cross_start: (S,) the first site of a PHASE with a mask of both.
        site: (sites,), as in the program, masks sorted.
        column: (sites,), as in the program, in the order of ``site``.
        extra: (S,), as in the program.
        signs: (rows, 2^n), as in the program.
        parameter: (num_terms, C) the index of the circuit parameter of each term.
        half_factor: (num_terms, C) half its coefficient, float64; 0 where there is no term.
        half_offset: (C,) half the constant part in radians, float64.
        use_column: (num_uses, P) the columns of each parameter.
        use_factor: (num_uses, P) its coefficient there; 0 where there is no column.
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
    """A :class:`~qrnn_qiskit.engines.program.PauliProgram` with its diagonal strings sorted.

    Attributes without a description are those of the program.

    Attributes:
        num_observables: K.
        num_strings: S.
        num_diagonal: The number of strings without X or Y.
        high_start: The first of them with a mask of high bits only; see :mod:`.diagonals`.
        cross_start: The first of them with a mask of low and high bits.
        num_windows: The number of windows of three neighbours.
        num_groups: The number of groups of strings that flip the same qubits.
        diagonal_mask: (num_diagonal,), sorted.
        diagonal_term: (num_diagonal,), in the order of ``diagonal_mask``.
        neighbours: (num_windows, 7).
        flip: (num_groups,).
        start: (num_groups + 1,).
        z_mask: (entries,).
        power: (entries,).
        term: (entries,).
        matrix: (K, S), or None where each observable is one string with coefficient 1.
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
    """The controller; the weights of a layer are (inputs, outputs) in the direction of the run.

    Attributes:
        num_inputs: E + K, or E without feedback.
        num_heard: K, or 0 without feedback.
        width: W, of the first layer.
        num_units: H, of the hidden layer; 0 without one.
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
    """The arrays that a forward run leaves for backward.

    Attributes:
        theta: Angles (B, T, P) in radians.
        inputs: Inputs of the controller (B, T, E + K), [x ; readouts of the step before], or
            (B, T, E) without feedback.
        hidden: The hidden layer (B, T, H); None without one.
        slope: Derivatives (B, T, W) of the hidden layer by the first one; None without one.
        readouts: Readouts (B, T, K).
    """

    theta: Tensor
    inputs: Tensor
    hidden: Tensor | None
    slope: Tensor | None
    readouts: Tensor


class Work(NamedTuple):
    """Scratch memory, one row of each array for each program.

    Attributes:
        num_sums: The number of values of the low bits of a basis state plus that of its high bits.
        turns: Cosines and sines (B, 2 C) of a step.
        residual: Residuals (B, C) of half angles in radians, float64, zeros at first.
        sums: Marginal sums (B, num_sums).
        strings: Values of the Pauli strings (B, S).
        slopes: Derivatives by columns (B, C); only for backward, like those below it.
        pull: Derivatives with respect to the readouts of a step (B, K).
        fed: Derivatives with respect to the readouts that the controller saw (B, K), zeros at
            first.
        units: Derivatives with respect to the hidden layer (B, H).
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
    """Return a function from NumPy arrays to tensors: integers to int32, numbers to ``dtype``."""

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
    """Sort ``masks``: low bits only, high bits only, both.

    Returns:
        The order, and the places where the second and the third kind begin.
    """
    low = (1 << (num_qubits // 2)) - 1
    side = np.where(masks & ~low == 0, 0, np.where(masks & low == 0, 1, 2))
    order = np.argsort(side, kind="stable")
    return order, int((side < 1).sum()), int((side < 2).sum())


def _tabulate(
    rows: Sequence[Sequence[tuple[int, float]]],
) -> tuple[Integers, NDArray[np.float64]]:
    """Return lists of (index, factor) as two tables, entry i of list j in row i and column j."""
    length = max(map(len, rows), default=0)
    index = np.zeros((length, len(rows)), np.int64)
    factor = np.zeros((length, len(rows)))
    for j, row in enumerate(rows):
        for i, (place, value) in enumerate(row):
            index[i, j], factor[i, j] = place, value
    return index, factor

"""Programs of channels and rotations on a few qubits, with their exact gradient.

A transpiled circuit with the noise of a device is fixed channels between rotations by angles, and
between measurements whose bits choose later gates. :class:`ProgramBuilder` collects these
operations; a :class:`NoisyProgram` runs them for a whole batch and pulls a gradient back by
running them again: only the state before the program is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from qrnn_qiskit.engines.cpu.blocks import count_blocks
from qrnn_qiskit.engines.cpu.interruption import call_kernel
from qrnn_qiskit.engines.cpu.lane_vectors import allocate_aligned, lanes_per_vector
from qrnn_qiskit.engines.cpu.noisy_kernels import (
    DROP,
    MAP,
    MEASURE,
    ROTATE,
    reverse_program,
    run_program,
)
from qrnn_qiskit.engines.cpu.threads import count_threads

__all__ = [
    "Maps",
    "NoisyProgram",
    "Operations",
    "ProgramBuilder",
    "from_lanes",
    "pack_zero",
    "spread_digits",
    "to_lanes",
]

_NEGLIGIBLE = 1e-15  # entries of a transfer matrix below this are rounding errors
_PROJECTIONS = np.zeros((2, 4, 4))  # rho -> P_k rho P_k of the outcomes 0 and 1
_PROJECTIONS[:, [0, 3], [0, 3]] = 0.5
_PROJECTIONS[0, [0, 3], [3, 0]] = 0.5
_PROJECTIONS[1, [0, 3], [3, 0]] = -0.5


class Operations(NamedTuple):
    """The operations of a program, one array entry each.

    Attributes:
        kind: ROTATE, MAP, MEASURE or DROP.
        qubit: The qubit, the lower one of a map on two qubits.
        other: The axis of a rotation (1 X, 2 Y, 3 Z), the higher qubit of a map (-1 for none), or
            the slot of a measured or dropped bit.
        number: The index of the angle, or of the map (the first of two for a measurement).
        entries: Bit e is set where the operation acts on entry e.
    """

    kind: NDArray[np.int64]
    qubit: NDArray[np.int64]
    other: NDArray[np.int64]
    number: NDArray[np.int64]
    entries: NDArray[np.int64]


class Maps(NamedTuple):
    """Sparse transfer matrices, row by row.

    Attributes:
        first: (maps,) where the rows of each map begin in ``rows``.
        rows: Where each row begins in ``columns``; one more per map for its end.
        columns: The column of each nonzero entry.
        values: Its value.
        places: (maps, 16) the index of each local Pauli in the coefficients of all qubits.
    """

    first: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[Any]
    places: NDArray[np.int64]


class ProgramBuilder:
    """Collects the operations of a program.

    Args:
        num_qubits: N.
    """

    def __init__(self, num_qubits: int) -> None:
        self.num_qubits = num_qubits
        self.num_angles = 0
        self._operations: list[list[int]] = []
        self._maps: list[tuple[tuple[int, ...], NDArray[np.float64]]] = []
        self._last: dict[int, int] = {}  # for each qubit its last operation

    def rotate(self, axis: int, qubit: int, entries: int = 1) -> None:
        """Append a rotation by a new angle."""
        self._append([ROTATE, qubit, axis, self.num_angles, entries], (qubit,))
        self.num_angles += 1

    def map(self, qubits: Sequence[int], matrix: NDArray[np.float64], entries: int = 1) -> None:
        """Append a channel given by its transfer matrix; the first qubit is the lowest digit.

        A channel on one qubit is merged with one right before it on the same entries.
        """
        if len(qubits) == 2 and qubits[0] > qubits[1]:
            matrix = matrix.reshape(4, 4, 4, 4).transpose(1, 0, 3, 2).reshape(16, 16)
            qubits = (qubits[1], qubits[0])
        if len(qubits) == 1:
            last = self._last.get(qubits[0])
            if last is not None:
                kind, _, other, number, before = self._operations[last]
                if kind == MAP and other < 0 and before == entries:
                    self._maps[number] = (tuple(qubits), matrix @ self._maps[number][1])
                    return
        low, high = qubits[0], (qubits[1] if len(qubits) == 2 else -1)
        self._append([MAP, low, high, len(self._maps), entries], qubits)
        self._maps.append((tuple(qubits), matrix))

    def measure(self, qubit: int, slot: int, assignment: NDArray[np.float64], entries: int) -> None:
        """Append a measurement that doubles the entries.

        Args:
            qubit: The measured qubit.
            slot: The bit of an entry's index that holds the recorded bit.
            assignment: (2, 2), A[c, k] the probability that outcome k is recorded as c.
            entries: The entries before the measurement.
        """
        self._append([MEASURE, qubit, slot, len(self._maps), entries], range(self.num_qubits))
        for recorded in np.tensordot(assignment, _PROJECTIONS, axes=1):
            self._maps.append(((qubit,), recorded))

    def drop(self, slot: int, entries: int) -> None:
        """Sum over a recorded bit; ``entries`` are those that remain."""
        self._append([DROP, 0, slot, 0, entries], range(self.num_qubits))

    def build(self, dtype: torch.dtype) -> NoisyProgram:
        """Return the program."""
        table = np.array(self._operations, np.int64).reshape(-1, 5)
        columns = [np.ascontiguousarray(column) for column in table.T]
        return NoisyProgram(
            Operations(*columns), self._maps, self.num_qubits, self.num_angles, dtype
        )

    def _append(self, operation: list[int], qubits: Sequence[int]) -> None:
        self._last |= dict.fromkeys(qubits, len(self._operations))
        self._operations.append(operation)


class NoisyProgram:
    """Operations compiled for one precision; see :class:`ProgramBuilder`.

    Attributes:
        num_qubits: N.
        num_angles: Q.
    """

    def __init__(
        self,
        operations: Operations,
        maps: Sequence[tuple[tuple[int, ...], NDArray[np.float64]]],
        num_qubits: int,
        num_angles: int,
        dtype: torch.dtype,
    ) -> None:
        self.num_qubits = num_qubits
        self.num_angles = num_angles
        self._operations = operations
        self._real = np.dtype(np.float32 if dtype == torch.float32 else np.float64)
        self._maps = _pack_maps(maps, self._real)
        self._adjoint = _pack_maps([(qubits, m.T) for qubits, m in maps], self._real)
        is_rotation = operations.kind == ROTATE
        self._rotations = sum(
            (int(e) & (1 << 64) - 1).bit_count() for e in operations.entries[is_rotation]
        )

    def run(self, state: NDArray[Any], angles: NDArray[np.float64]) -> None:
        """Move ``state`` (blocks, entries, 4^N * lanes) on in place by ``angles`` (B, Q)."""
        turns = self._find_turns(angles, len(state))
        threads = self._count_threads(state)
        arguments = threads, self._operations, self._maps, state, turns
        call_kernel(lambda stop: run_program(*arguments, stop), self._count_work(state), threads)

    def pull(
        self, start: NDArray[Any], angles: NDArray[np.float64], lam: NDArray[Any]
    ) -> NDArray[Any]:
        """Pull a gradient back through the program.

        Args:
            start: The state before the program.
            angles: (B, Q) radians.
            lam: The gradient with respect to the state after the program; on return that with
                respect to ``start``.

        Returns:
            The gradient (B, Q) with respect to the angles.
        """
        turns = self._find_turns(angles, len(start))
        shape = (len(start), self.num_angles, turns.shape[2])
        gradient = allocate_aligned(shape, self._real)
        threads = self._count_threads(start)
        arguments = (
            threads,
            self._operations,
            self._maps,
            self._adjoint,
            start,
            turns,
            lam,
            gradient,
            self._rotations,
        )
        work = self._count_work(start)
        call_kernel(lambda stop: reverse_program(*arguments, stop), work, threads)
        return from_lanes(gradient, len(angles))

    def _count_work(self, state: NDArray[Any]) -> int:
        """Return coefficients times operations, of all sequences and entries."""
        return len(self._operations.kind) * state.size

    def _count_threads(self, state: NDArray[Any]) -> int:
        return count_threads(len(state), len(self._operations.kind) << (2 * self.num_qubits))

    def _find_turns(self, angles: NDArray[np.float64], blocks: int) -> NDArray[Any]:
        """Cosine and sine (blocks, 2 Q, lanes); idle lanes turn by 0."""
        lanes = lanes_per_vector(self._real)
        by_lane = to_lanes(angles, blocks, lanes, np.float64)
        turns: NDArray[Any] = allocate_aligned((blocks, 2 * self.num_angles, lanes), self._real)
        turns[:, 0::2] = np.cos(by_lane)
        turns[:, 1::2] = np.sin(by_lane)
        return turns


def pack_zero(
    batch_size: int, num_qubits: int, num_entries: int, dtype: torch.dtype
) -> NDArray[Any]:
    """Return |0...0> in entry 0 for every sequence, as (blocks, entries, 4^N * lanes)."""
    real = np.dtype(np.float32 if dtype == torch.float32 else np.float64)
    lanes = lanes_per_vector(real)
    shape = (count_blocks(batch_size, real), num_entries, 4**num_qubits, lanes)
    state = allocate_aligned(shape, real)
    state[:, 0, spread_digits(num_qubits)] = 1.0  # the products of I and Z
    packed: NDArray[Any] = state.reshape(*shape[:2], -1)
    return packed


def to_lanes(
    values: NDArray[Any], blocks: int, lanes: int, dtype: np.dtype[Any] | type
) -> NDArray[Any]:
    """Return values (B, ...) of sequences as (blocks, ..., lanes); idle lanes are 0."""
    padded = np.zeros((blocks * lanes, *values.shape[1:]), dtype)
    padded[: len(values)] = values
    return np.moveaxis(padded.reshape(blocks, lanes, *values.shape[1:]), 1, -1)


def from_lanes(packed: NDArray[Any], batch_size: int) -> NDArray[Any]:
    """Return values (blocks, ..., lanes) as those of the B sequences, (B, ...)."""
    moved = np.moveaxis(packed, -1, 1)
    values: NDArray[Any] = moved.reshape(moved.shape[0] * moved.shape[1], *moved.shape[2:])
    return values[:batch_size]


def spread_digits(num_qubits: int) -> NDArray[np.int64]:
    """The indices of the products of I and Z."""
    states = np.arange(2**num_qubits)
    digits = sum(3 * ((states >> qubit) & 1) << (2 * qubit) for qubit in range(num_qubits))
    return np.asarray(digits, np.int64)


def _pack_maps(
    maps: Sequence[tuple[tuple[int, ...], NDArray[np.float64]]], real: np.dtype[Any]
) -> Maps:
    first: list[int] = []
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    places = np.zeros((len(maps), 16), np.int64)
    for number, (qubits, matrix) in enumerate(maps):
        first.append(len(rows))
        for row in matrix:
            rows.append(len(columns))
            nonzero = np.flatnonzero(np.abs(row) > _NEGLIGIBLE)
            columns.extend(nonzero.tolist())
            values.extend(row[nonzero].tolist())
        rows.append(len(columns))
        for local in range(len(matrix)):
            places[number, local] = sum(
                ((local >> (2 * k)) & 3) << (2 * qubit) for k, qubit in enumerate(qubits)
            )
    return Maps(
        np.array(first, np.int64),
        np.array(rows, np.int64),
        np.array(columns, np.int64),
        np.array(values, real),
        places,
    )

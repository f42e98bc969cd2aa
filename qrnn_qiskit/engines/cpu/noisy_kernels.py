"""Kernels for density matrices in the Pauli basis, moved by channels between rotations.

A density matrix of N qubits is its 4^N real Pauli coefficients r_P = Tr(P rho). Digit q of the
index, two bits, is the Pauli operator on qubit q: 0 is I, 1 is X, 2 is Y and 3 is Z. A channel on k
qubits is a real matrix (4^k, 4^k), its Pauli transfer matrix, and nearly all of its entries are 0
for the gates of a device; a rotation about a Pauli axis turns two of the four coefficients of its
qubit. Half the numbers of complex matrices move, and Pauli readouts are coefficients.

A state has several *entries*, unnormalized density matrices by the bits measured so far that a
later branch tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrnn_qiskit.engines.cpu.blocks import copy_vectors, zero_vectors
from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, store
from qrnn_qiskit.engines.cpu.numba_compiler import entry_point, kernel
from qrnn_qiskit.engines.cpu.threads import share_blocks

ROTATE, MAP, MEASURE, DROP = range(4)


@kernel
def _insert_digit(k: int, qubit: int) -> int:
    """Return ``k`` with a digit 0 inserted at the place of ``qubit``."""
    low = k & ((1 << (2 * qubit)) - 1)
    return ((k >> (2 * qubit)) << (2 * qubit + 2)) | low


@kernel
def _rotate(state: Any, size: int, qubit: int, axis: int, cosine: Any, sine: Any) -> None:
    """Rotate about ``axis`` (1 X, 2 Y, 3 Z), which turns the two other Paulis of the qubit."""
    first, second = axis % 3 + 1, (axis + 1) % 3 + 1
    for k in range(size // 4):
        base = _insert_digit(k, qubit)
        i, j = base | (first << (2 * qubit)), base | (second << (2 * qubit))
        x, y = load(state, i), load(state, j)
        store(state, i, cosine * x - sine * y)
        store(state, j, sine * x + cosine * y)


@kernel
def _keep(state: Any, size: int, qubit: int, axis: int, tape: Any) -> None:
    """Copy the two Paulis that a rotation has turned to ``tape``."""
    first, second = axis % 3 + 1, (axis + 1) % 3 + 1
    for k in range(size // 4):
        base = _insert_digit(k, qubit)
        store(tape, 2 * k, load(state, base | (first << (2 * qubit))))
        store(tape, 2 * k + 1, load(state, base | (second << (2 * qubit))))


@kernel
def _unrotate(
    lam: Any, size: int, qubit: int, axis: int, cosine: Any, sine: Any, tape: Any, slope: Any
) -> Any:
    """Pull the derivative back through a rotation; return ``slope`` plus that by the angle."""
    first, second = axis % 3 + 1, (axis + 1) % 3 + 1
    for k in range(size // 4):
        base = _insert_digit(k, qubit)
        i, j = base | (first << (2 * qubit)), base | (second << (2 * qubit))
        u, v = load(lam, i), load(lam, j)
        slope = slope + v * load(tape, 2 * k) - u * load(tape, 2 * k + 1)
        store(lam, i, cosine * u + sine * v)
        store(lam, j, cosine * v - sine * u)
    return slope


@kernel
def _apply(
    maps: Any,
    number: int,
    source: Any,
    target: Any,
    size: int,
    low: int,
    high: int,
    scratch: Any,
    adds: bool,
) -> None:
    """Write map ``number`` of ``source`` to ``target``, which may be the same array, or add it.

    Args:
        maps: The maps, see :class:`~qrnn_qiskit.engines.cpu.noisy_program.Maps`.
        number: Which of them.
        source: Coefficients of one density matrix.
        target: Where to write.
        size: 4^N.
        low: The lower qubit of the map.
        high: The higher qubit, or -1 for a map on one qubit.
        scratch: 16 lane vectors.
        adds: Whether to add to ``target``.
    """
    first = maps.first[number]
    order = 4 if high < 0 else 16
    places = maps.places[number]
    for k in range(size // order):
        base = _insert_digit(k, low)
        if high >= 0:
            base = _insert_digit(base, high)
        for j in range(order):
            store(scratch, j, load(source, base | places[j]))
        for row in range(order):
            value = load(target, base | places[row]) if adds else splat(source, 0.0)
            for entry in range(maps.rows[first + row], maps.rows[first + row + 1]):
                value = value + splat(source, maps.values[entry]) * load(
                    scratch, maps.columns[entry]
                )
            store(target, base | places[row], value)


@kernel
def _forward(
    program: Any, maps: Any, state: Any, turns: Any, size: int, lanes: int, tape: Any, stop: Any
) -> None:
    """Apply all operations to the entries of one block; with a tape, keep what they turn."""
    scratch = zero_vectors(16, lanes, state)
    kept = 0
    for k in range(program.kind.size):
        if stop[0]:
            return
        kind, qubit, other = program.kind[k], program.qubit[k], program.other[k]
        number, entries = program.number[k], program.entries[k]
        for e in range(state.shape[0]):
            if not (entries >> e) & 1:
                continue
            if kind == ROTATE:
                cosine, sine = load(turns, 2 * number), load(turns, 2 * number + 1)
                _rotate(state[e], size, qubit, other, cosine, sine)
                if tape.shape[0]:
                    _keep(state[e], size, qubit, other, tape[kept])
                    kept += 1
            elif kind == MAP:
                _apply(maps, number, state[e], state[e], size, qubit, other, scratch, False)
            elif kind == MEASURE:
                # The part with bit 1 goes to a new entry, that with bit 0 over the old one.
                new = e | (1 << other)
                _apply(maps, number + 1, state[e], state[new], size, qubit, -1, scratch, False)
                _apply(maps, number, state[e], state[e], size, qubit, -1, scratch, False)
            else:
                source = state[e | (1 << other)]
                for i in range(size):
                    store(state[e], i, load(state[e], i) + load(source, i))


@kernel
def _backward(
    program: Any,
    adjoint: Any,
    lam: Any,
    turns: Any,
    size: int,
    lanes: int,
    tape: Any,
    gradient: Any,
    stop: Any,
) -> None:
    """Pull the derivative back through all operations of one block."""
    scratch = zero_vectors(16, lanes, lam)
    kept = tape.shape[0]
    for k in range(program.kind.size - 1, -1, -1):
        if stop[0]:
            return
        kind, qubit, other = program.kind[k], program.qubit[k], program.other[k]
        number, entries = program.number[k], program.entries[k]
        for e in range(lam.shape[0] - 1, -1, -1):
            if not (entries >> e) & 1:
                continue
            if kind == ROTATE:
                kept -= 1
                cosine, sine = load(turns, 2 * number), load(turns, 2 * number + 1)
                slope = load(gradient, number)
                slope = _unrotate(lam[e], size, qubit, other, cosine, sine, tape[kept], slope)
                store(gradient, number, slope)
            elif kind == MAP:
                _apply(adjoint, number, lam[e], lam[e], size, qubit, other, scratch, False)
            elif kind == MEASURE:
                new = e | (1 << other)
                _apply(adjoint, number, lam[e], lam[e], size, qubit, -1, scratch, False)
                _apply(adjoint, number + 1, lam[new], lam[e], size, qubit, -1, scratch, True)
            else:
                copy_vectors(lam[e], size, lam[e | (1 << other)], 0)


@kernel
def _run_block(block: int, arguments: Any) -> None:
    """Run the program on one block."""
    program, maps, state, turns, stop = arguments
    lanes = turns.shape[2]
    none = np.empty((0, 1), state.dtype)
    size = state.shape[2] // lanes
    _forward(program, maps, state[block], turns[block].ravel(), size, lanes, none, stop)


@entry_point
def run_program(threads: int, program: Any, maps: Any, state: Any, turns: Any, stop: Any) -> None:
    """Run a program on all blocks.

    Args:
        threads: The number of threads that share the blocks.
        program: The operations, see :class:`~qrnn_qiskit.engines.cpu.noisy_program.Operations`.
        maps: Their maps.
        state: (blocks, entries, 4^N * lanes), moved on in place.
        turns: (blocks, 2 Q, lanes), cosine and sine of each angle in turn.
        stop: The stop flag, see :mod:`.interruption`.
    """
    share_blocks(_run_block, state.shape[0], threads, (program, maps, state, turns, stop))


@kernel
def _reverse_block(block: int, arguments: Any) -> None:
    """Run the program again on one block, keeping what rotations turn, and pull back."""
    program, maps, adjoint, start, turns, lam, gradient, rotations, stop = arguments
    lanes = turns.shape[2]
    size = start.shape[2] // lanes
    tape = np.empty((rotations, size // 2 * lanes), start.dtype)
    state = start[block].copy()
    flat = turns[block].ravel()
    _forward(program, maps, state, flat, size, lanes, tape, stop)
    by_angles = gradient[block].ravel()
    _backward(program, adjoint, lam[block], flat, size, lanes, tape, by_angles, stop)


@entry_point
def reverse_program(
    threads: int,
    program: Any,
    maps: Any,
    adjoint: Any,
    start: Any,
    turns: Any,
    lam: Any,
    gradient: Any,
    rotations: int,
    stop: Any,
) -> None:
    """Pull the derivative of a loss back through a program.

    Args:
        threads: As in :func:`run_program`.
        program: As in :func:`run_program`.
        maps: As in :func:`run_program`.
        adjoint: The transposed maps.
        start: The state before the program.
        turns: As in :func:`run_program`.
        lam: The derivative with respect to the state after the program; on return that with
            respect to the state before it.
        gradient: Zeros (blocks, Q, lanes); on return the derivative with respect to the angles.
        rotations: Rotations of all entries, which the tape of a block keeps.
        stop: As in :func:`run_program`.
    """
    arguments = (program, maps, adjoint, start, turns, lam, gradient, rotations, stop)
    share_blocks(_reverse_block, start.shape[0], threads, arguments)

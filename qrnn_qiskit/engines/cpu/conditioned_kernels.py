"""Kernels of pure states that are conditioned on the outcomes of measurements.

After its circuit, a step measures Paulis of single qubits, one after the other. Outcome y acts as
M_y = a_y+ P_+ + a_y- P_-, where P_+ and P_- are the projectors of the Pauli and a_y+ and a_y- real
amplitudes with a_0^2 + a_1^2 = 1 for both signs. With w_+ = |P_+ psi|^2 and w_- = |P_- psi|^2 the
probability of y is

    p_y = (a_y+^2 w_+ + a_y-^2 w_-) / (w_+ + w_-)

and the next state is M_y psi, scaled to norm 1. In the frame "undone" the inverse of the step's
circuit follows the measurements.

Every lane has its own record. M_y is not invertible, so the forward pass keeps the state before the
measurements of each step: 2^n amplitudes for each sequence and step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrnn_qiskit.engines.cpu.angles import gather_turns, scatter_slopes
from qrnn_qiskit.engines.cpu.blocks import scatter_step, zero_vectors
from qrnn_qiskit.engines.cpu.diagonals import scratch_vectors
from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, store
from qrnn_qiskit.engines.cpu.neighbours import TILE
from qrnn_qiskit.engines.cpu.numba_compiler import entry_point, inline, kernel
from qrnn_qiskit.engines.cpu.rotations import insert_zero
from qrnn_qiskit.engines.cpu.steps import evolve, unevolve
from qrnn_qiskit.engines.cpu.threads import share_blocks

X, Y, Z = 0, 1, 2  # the Paulis as the kernels number them
_HALF = 0.5**0.5


@inline
def _load_signs(psi: Any, k: int, qubit: int, pauli: int) -> Any:
    """Return real and imaginary part of the two amplitudes of pair k in the Pauli's basis."""
    i = insert_zero(k, qubit)
    j = i | (1 << qubit)
    u0, v0, u1, v1 = load(psi, 2 * i), load(psi, 2 * i + 1), load(psi, 2 * j), load(psi, 2 * j + 1)
    half = splat(psi, _HALF)
    if pauli == X:
        return half * (u0 + u1), half * (v0 + v1), half * (u0 - u1), half * (v0 - v1)
    if pauli == Y:
        return half * (u0 + v1), half * (v0 - u1), half * (u0 - v1), half * (v0 + u1)
    return u0, v0, u1, v1


@inline
def _store_signs(psi: Any, k: int, qubit: int, pauli: int, a: Any, b: Any, c: Any, d: Any) -> None:
    """Store a pair of amplitudes a + ib (of +) and c + id (of -) of the Pauli's basis."""
    i = insert_zero(k, qubit)
    j = i | (1 << qubit)
    half = splat(psi, _HALF)
    u0, v0, u1, v1 = a, b, c, d
    if pauli == X:
        u0, v0, u1, v1 = half * (a + c), half * (b + d), half * (a - c), half * (b - d)
    elif pauli == Y:
        u0, v0, u1, v1 = half * (a + c), half * (b + d), half * (d - b), half * (a - c)
    store(psi, 2 * i, u0)
    store(psi, 2 * i + 1, v0)
    store(psi, 2 * j, u1)
    store(psi, 2 * j + 1, v1)


@kernel
def _weigh(psi: Any, num_qubits: int, qubit: int, pauli: int, weights: Any) -> None:
    """Write |P_+ psi|^2 and |P_- psi|^2 to the two lane vectors of ``weights``."""
    pairs = 1 << (num_qubits - 1)
    plus, minus = splat(psi, 0.0), splat(psi, 0.0)
    for start in range(0, pairs, TILE):
        of_plus, of_minus = splat(psi, 0.0), splat(psi, 0.0)
        for k in range(start, min(start + TILE, pairs)):
            a, b, c, d = _load_signs(psi, k, qubit, pauli)
            of_plus = of_plus + a * a + b * b
            of_minus = of_minus + c * c + d * d
        plus, minus = plus + of_plus, minus + of_minus
    store(weights, 0, plus)
    store(weights, 1, minus)


@kernel
def _multiply(
    source: Any, target: Any, num_qubits: int, qubit: int, pauli: int, factors: Any
) -> None:
    """Write (f_+ P_+ + f_- P_-) of ``source`` to ``target``, factors lane by lane."""
    of_plus, of_minus = load(factors, 0), load(factors, 1)
    for k in range(1 << (num_qubits - 1)):
        a, b, c, d = _load_signs(source, k, qubit, pauli)
        a, b, c, d = of_plus * a, of_plus * b, of_minus * c, of_minus * d
        _store_signs(target, k, qubit, pauli, a, b, c, d)


@kernel
def _find_factors(amplitudes: Any, weights: Any, bits: Any, factors: Any) -> None:
    """Write a_y / sqrt(|M_y psi|^2) for both signs, by the bit y of each lane."""
    lanes = bits.size
    for lane in range(lanes):
        plus, minus = amplitudes[bits[lane], 0], amplitudes[bits[lane], 1]
        total = plus * plus * weights[lane] + minus * minus * weights[lanes + lane]
        scale = 1.0 / np.sqrt(total)
        factors[lane], factors[lanes + lane] = plus * scale, minus * scale


@kernel
def _choose(
    amplitudes: Any,
    weights: Any,
    least: float,
    place: Any,
    given: Any,
    draws: Any,
    ends: Any,
    ones: Any,
    taken: Any,
    bits: Any,
) -> None:
    """Choose the bit of each lane for ancilla ``a`` of a step, and write its probability.

    ``place`` is (first sequence, step, ancilla). A bit is drawn where ``draws`` is not empty,
    otherwise it is that of the record. Past the end of a sequence, in idle lanes and where the
    record is impossible, the likelier bit takes its place, so that every state has a norm.
    """
    first, step, a = place
    lanes = bits.size
    for lane in range(lanes):
        plus, minus = weights[lane], weights[lanes + lane]
        one = amplitudes[1, 0] ** 2 * plus + amplitudes[1, 1] ** 2 * minus
        zero = amplitudes[0, 0] ** 2 * plus + amplitudes[0, 1] ** 2 * minus
        total = one + zero
        bits[lane] = 1 if one > zero else 0
        row = first + lane
        if row >= ends.size or step >= ends[row]:
            continue
        if draws.size:
            given[row, step, a] = 1 if draws[row, step, a] * total < one else 0
        wanted = given[row, step, a]
        probability = (one if wanted else zero) / total
        if probability > least:
            bits[lane] = wanted
        else:
            probability = probability * 0.0
        ones[row, step, a] = one / total
        taken[row, step, a] = probability


@kernel
def _gather_chosen(
    tables: Any, chosen: Any, step: int, first: int, lanes: int, angles: Any
) -> None:
    """Copy the angles of a step to lane vectors, for each lane those after its last value."""
    batch, _, values, width = tables.shape
    for lane in range(lanes):
        row = min(first + lane, batch - 1)
        value = chosen[lane] % values  # the table of a given record has one value
        for i in range(width):
            angles[i * lanes + lane] = tables[row, step, value, i]


@kernel
def _copy_ended(ends: Any, end: int, first: int, lanes: int, source: Any, target: Any) -> None:
    """Copy the states of sequences that end with step ``end``."""
    for lane in range(min(lanes, ends.size - first)):
        if ends[first + lane] == end:
            for i in range(lane, source.size, lanes):
                target[i] = source[i]


@kernel
def _add_ended(ends: Any, end: int, first: int, lanes: int, source: Any, target: Any) -> None:
    """Add the derivatives with respect to the states of sequences that end with step ``end``."""
    for lane in range(min(lanes, ends.size - first)):
        if ends[first + lane] == end:
            for i in range(lane, source.size, lanes):
                target[i] += source[i]


@entry_point
def run_conditioned(
    threads: int,
    program: Any,
    inverse: Any,
    is_undone: bool,
    qubits: Any,
    paulis: Any,
    amplitudes: Any,
    least: float,
    psi: Any,
    values: Any,
    tables: Any,
    given: Any,
    draws: Any,
    ends: Any,
    last: Any,
    turns: Any,
    kept: Any,
    ones: Any,
    taken: Any,
) -> None:
    """Run all steps of all sequences.

    Args:
        threads: The number of threads that share the blocks.
        program: The compiled circuit of a step.
        inverse: Its inverse, used where ``is_undone``.
        is_undone: Whether the inverse of the circuit follows the measurements of a step.
        qubits: (m,) the qubit of each measurement, in time order.
        paulis: (m,) the Pauli that each measures, X, Y or Z.
        amplitudes: (2, 2) a_y+ and a_y- of every measurement, by outcome y and sign.
        least: Probabilities up to this count as 0.
        psi: (blocks, 2^n * 2 * lanes) states of norm 1, moved on in place.
        values: (B,) the values of the bits of the step before, bit a that of measurement a.
        tables: (B, T, C, P) angles in radians by these values; C is 2^m, or 1 where the angles of
            the given record are known.
        given: (B, T, m) int64, the bits of the record; drawn bits are written to it.
        draws: (B, T, m) numbers in [0, 1) from which bits are drawn; empty for a given record.
        ends: The last valid step of each sequence, counted from 1, (B,).
        last: The states after that step, of the shape of ``psi``, written.
        turns: (T, blocks, columns * 2 * lanes) cosines and sines of each step, written; (1, ...)
            if no backward follows.
        kept: (T or 1, blocks, 2^n * 2 * lanes) states before the measurements, written.
        ones: (B, T, m) probability of a bit 1, given all bits before it, written.
        taken: (B, T, m) probability of the bit of the record, written; 0 for an impossible one.
    """
    arguments = (
        program,
        inverse,
        is_undone,
        qubits,
        paulis,
        amplitudes,
        least,
        psi,
        values,
        tables,
        given,
        draws,
        ends,
        last,
        turns,
        kept,
        ones,
        taken,
    )
    share_blocks(_run_block, psi.shape[0], threads, arguments)


@kernel
def _run_block(block: int, arguments: Any) -> None:
    """Run all steps of the sequences of a block."""
    (
        program,
        inverse,
        is_undone,
        qubits,
        paulis,
        amplitudes,
        least,
        psi,
        values,
        tables,
        given,
        draws,
        ends,
        last,
        turns,
        kept,
        ones,
        taken,
    ) = arguments
    n = program.num_qubits
    state = psi[block]
    lanes = state.size >> (n + 1)
    first = block * lanes
    scratch = zero_vectors(scratch_vectors(n), lanes, psi)
    angles = zero_vectors(tables.shape[3], lanes, psi)
    backward_turns = zero_vectors(2 * inverse.offset.size, lanes, psi)
    residual = np.zeros(program.offset.size * lanes)
    inverse_residual = np.zeros(inverse.offset.size * lanes)
    weights, factors = zero_vectors(2, lanes, psi), zero_vectors(2, lanes, psi)
    bits, chosen = np.zeros(lanes, np.int64), np.zeros(lanes, np.int64)
    for lane in range(min(lanes, values.size - first)):
        chosen[lane] = values[first + lane]
    for step in range(tables.shape[1]):
        own = turns[step % turns.shape[0], block]
        _gather_chosen(tables, chosen, step, first, lanes, angles)
        gather_turns(program, angles, own, residual)
        evolve(program, state, own, scratch)
        kept[step % kept.shape[0], block, :] = state
        chosen[:] = 0
        for a in range(qubits.size):
            _weigh(state, n, qubits[a], paulis[a], weights)
            place = (first, step, a)
            _choose(amplitudes, weights, least, place, given, draws, ends, ones, taken, bits)
            _find_factors(amplitudes, weights, bits, factors)
            _multiply(state, state, n, qubits[a], paulis[a], factors)
            chosen |= bits << a
        if is_undone:
            gather_turns(inverse, angles, backward_turns, inverse_residual)
            evolve(inverse, state, backward_turns, scratch)
        _copy_ended(ends, step + 1, first, lanes, state, last[block])


@entry_point
def reverse_conditioned(
    threads: int,
    program: Any,
    is_undone: bool,
    qubits: Any,
    paulis: Any,
    amplitudes: Any,
    given: Any,
    ends: Any,
    last: Any,
    turns: Any,
    kept: Any,
    taken: Any,
    by_ones: Any,
    by_logs: Any,
    lam: Any,
    gradient: Any,
) -> None:
    """Pull the derivative of the loss back through all steps.

    Args:
        threads: As in :func:`run_conditioned`.
        program: As in :func:`run_conditioned`.
        is_undone: As in :func:`run_conditioned`.
        qubits: As in :func:`run_conditioned`.
        paulis: As in :func:`run_conditioned`.
        amplitudes: As in :func:`run_conditioned`.
        given: As in :func:`run_conditioned`.
        ends: As in :func:`run_conditioned`.
        last: Derivative with respect to the ``last`` of :func:`run_conditioned`, or (blocks, 0).
        turns: As written by :func:`run_conditioned`.
        kept: As written by :func:`run_conditioned`.
        taken: As written by :func:`run_conditioned`.
        by_ones: Derivative (B, T, m) with respect to ``ones``, 0 past the end of a sequence.
        by_logs: Derivative (B, T, m) with respect to the logarithm of ``taken``, also 0 there.
        lam: Zeros (blocks, 2^n * 2 * lanes); on return the derivative with respect to the first
            states.
        gradient: (B, T, P) derivative with respect to the angles, written.
    """
    arguments = (
        program,
        is_undone,
        qubits,
        paulis,
        amplitudes,
        given,
        ends,
        last,
        turns,
        kept,
        taken,
        by_ones,
        by_logs,
        lam,
        gradient,
    )
    share_blocks(_reverse_block, lam.shape[0], threads, arguments)


@kernel
def _pull_measurement(
    chi: Any,
    phi: Any,
    lam: Any,
    num_qubits: int,
    qubit: int,
    pauli: int,
    amplitudes: Any,
    weights: Any,
    bits: Any,
    by_one: Any,
    by_log: Any,
) -> None:
    """Pull ``lam``, the derivative with respect to the state after a measurement, back through it.

    ``chi`` is the state before and ``phi`` that after it, of norm 1; ``by_one`` and ``by_log`` are
    the derivatives of each lane with respect to p_1 and to log p_y. With s^2 = |M_y chi|^2 and
    N = |chi|^2,

        lam <- M_y [lam + (2 by_log - Re <lam, phi>) phi] / s
               + 2 / N [by_one (M_1^2 - p_1) - by_log] chi
    """
    lanes = bits.size
    pairs = 1 << (num_qubits - 1)
    overlap = splat(lam, 0.0)
    for start in range(0, 2 * pairs, TILE):
        part = splat(lam, 0.0)
        for k in range(start, min(start + TILE, 2 * pairs)):
            part = part + load(lam, 2 * k) * load(phi, 2 * k)
            part = part + load(lam, 2 * k + 1) * load(phi, 2 * k + 1)
        overlap = overlap + part
    # By lane: what multiplies lam, phi and chi, for both signs.
    of_lam, of_chi = zero_vectors(2, lanes, lam), zero_vectors(2, lanes, lam)
    of_phi = zero_vectors(1, lanes, lam)
    store(of_phi, 0, overlap)
    for lane in range(lanes):
        plus, minus = weights[lane], weights[lanes + lane]
        y, total = bits[lane], plus + minus
        a, b = amplitudes[y, 0], amplitudes[y, 1]
        scale = 1.0 / np.sqrt(a * a * plus + b * b * minus)
        one = (amplitudes[1, 0] ** 2 * plus + amplitudes[1, 1] ** 2 * minus) / total
        of_phi[lane] = 2.0 * by_log[lane] - of_phi[lane]
        for sign in range(2):
            slope = by_one[lane] * (amplitudes[1, sign] ** 2 - one) - by_log[lane]
            of_chi[sign * lanes + lane] = 2.0 * slope / total
            of_lam[sign * lanes + lane] = amplitudes[y, sign] * scale
    f, g = load(of_lam, 0), load(of_lam, 1)
    p, q = load(of_chi, 0), load(of_chi, 1)
    r = load(of_phi, 0)
    for k in range(pairs):
        a, b, c, d = _load_signs(lam, k, qubit, pauli)
        a1, b1, c1, d1 = _load_signs(phi, k, qubit, pauli)
        a0, b0, c0, d0 = _load_signs(chi, k, qubit, pauli)
        a, b = f * (a + r * a1) + p * a0, f * (b + r * b1) + p * b0
        c, d = g * (c + r * c1) + q * c0, g * (d + r * d1) + q * d0
        _store_signs(lam, k, qubit, pauli, a, b, c, d)


@kernel
def _reverse_block(block: int, arguments: Any) -> None:
    """Pull the derivative back through all steps of the sequences of a block."""
    (
        program,
        is_undone,
        qubits,
        paulis,
        amplitudes,
        given,
        ends,
        last,
        turns,
        kept,
        taken,
        by_ones,
        by_logs,
        lam,
        gradient,
    ) = arguments
    n = program.num_qubits
    pull = lam[block]
    size = pull.size
    lanes = size >> (n + 1)
    first = block * lanes
    m = qubits.size
    scratch = zero_vectors(scratch_vectors(n), lanes, lam)
    slopes = zero_vectors(program.offset.size, lanes, lam)
    angles = zero_vectors(gradient.shape[2], lanes, lam)
    # The states before each measurement of a step, and after the last one.
    stages = zero_vectors((m + 1) << (n + 1), lanes, lam).reshape(m + 1, size)
    copy = zero_vectors(2 << n, lanes, lam)
    weights = zero_vectors(2 * m, lanes, lam).reshape(m, 2 * lanes)
    factors = zero_vectors(2, lanes, lam)
    bits = np.zeros((m, lanes), np.int64)
    by_one, by_log = zero_vectors(1, lanes, lam), zero_vectors(1, lanes, lam)
    for step in range(gradient.shape[1] - 1, -1, -1):
        if last.shape[1]:
            _add_ended(ends, step + 1, first, lanes, last[block], pull)
        stages[0] = kept[step, block]
        for a in range(m):
            _weigh(stages[a], n, qubits[a], paulis[a], weights[a])
            for lane in range(lanes):
                plus, minus = weights[a, lane], weights[a, lanes + lane]
                one = amplitudes[1, 0] ** 2 * plus + amplitudes[1, 1] ** 2 * minus
                zero = amplitudes[0, 0] ** 2 * plus + amplitudes[0, 1] ** 2 * minus
                bits[a, lane] = 1 if one > zero else 0
                row = first + lane
                if row < ends.size and step < ends[row] and taken[row, step, a] > 0.0:
                    bits[a, lane] = given[row, step, a]
            _find_factors(amplitudes, weights[a], bits[a], factors)
            _multiply(stages[a], stages[a + 1], n, qubits[a], paulis[a], factors)
        slopes[:] = 0.0
        if is_undone:
            # Re <lam| dU^dagger |phi> = Re <phi| dU |lam>: lam takes the place of the state.
            evolve(program, pull, turns[step, block], scratch)
            copy[:] = pull
            unevolve(program, copy, stages[m], turns[step, block], slopes, scratch)
            _multiply(stages[m - 1], stages[m], n, qubits[m - 1], paulis[m - 1], factors)
        for a in range(m - 1, -1, -1):
            for lane in range(lanes):
                row = first + lane
                by_one[lane] = by_ones[row, step, a] if row < ends.size else 0.0
                by_log[lane] = by_logs[row, step, a] if row < ends.size else 0.0
            _pull_measurement(
                stages[a],
                stages[a + 1],
                pull,
                n,
                qubits[a],
                paulis[a],
                amplitudes,
                weights[a],
                bits[a],
                by_one,
                by_log,
            )
        unevolve(program, stages[0], pull, turns[step, block], slopes, scratch)
        scatter_slopes(program, slopes, angles)
        scatter_step(angles, step, first, lanes, gradient)

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
from qrnn_qiskit.engines.cpu.conditioned_measurements import (
    choose,
    find_chances,
    find_factors,
    multiply,
    pull_measurement,
    weigh,
)
from qrnn_qiskit.engines.cpu.diagonals import scratch_vectors
from qrnn_qiskit.engines.cpu.numba_compiler import entry_point, kernel
from qrnn_qiskit.engines.cpu.outcome_parts import add_ended
from qrnn_qiskit.engines.cpu.steps import evolve, unevolve
from qrnn_qiskit.engines.cpu.threads import share_blocks


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


@entry_point
def run_conditioned(
    threads: int,
    program: Any,
    inverse: Any,
    is_undone: bool,
    measurements: Any,
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
    stop: Any,
) -> None:
    """Run all steps of all sequences.

    Args:
        threads: The number of threads that share the blocks.
        program: The compiled circuit of a step.
        inverse: Its inverse, used where ``is_undone``.
        is_undone: Whether the inverse of the circuit follows the measurements of a step.
        measurements: See :class:`.conditioned_measurements.Measurements`.
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
        stop: The stop flag, see :mod:`.interruption`.
    """
    arguments = (
        program,
        inverse,
        is_undone,
        measurements,
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
        stop,
    )
    share_blocks(_run_block, psi.shape[0], threads, arguments)


@kernel
def _run_block(block: int, arguments: Any) -> None:
    """Run all steps of the sequences of a block."""
    (
        program,
        inverse,
        is_undone,
        measurements,
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
        stop,
    ) = arguments
    n = program.num_qubits
    qubits, paulis, amplitudes = measurements
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
        if stop[0]:
            return
        own = turns[step % turns.shape[0], block]
        _gather_chosen(tables, chosen, step, first, lanes, angles)
        gather_turns(program, angles, own, residual)
        evolve(program, state, own, scratch)
        kept[step % kept.shape[0], block, :] = state
        chosen[:] = 0
        for a in range(qubits.size):
            weigh(state, n, qubits[a], paulis[a], weights)
            place = (first, step, a)
            choose(amplitudes, weights, least, place, given, draws, ends, ones, taken, bits)
            find_factors(amplitudes, weights, bits, factors)
            multiply(state, state, n, qubits[a], paulis[a], factors)
            chosen |= bits << a
        if is_undone:
            gather_turns(inverse, angles, backward_turns, inverse_residual)
            evolve(inverse, state, backward_turns, scratch)
        ended = last[block : block + 1]
        add_ended(ends, step, first, lanes, psi[block : block + 1], ended, False)


@entry_point
def reverse_conditioned(
    threads: int,
    program: Any,
    is_undone: bool,
    measurements: Any,
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
    stop: Any,
) -> None:
    """Pull the derivative of the loss back through all steps.

    Args:
        threads: As in :func:`run_conditioned`.
        program: As in :func:`run_conditioned`.
        is_undone: As in :func:`run_conditioned`.
        measurements: As in :func:`run_conditioned`.
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
        stop: As in :func:`run_conditioned`.
    """
    arguments = (
        program,
        is_undone,
        measurements,
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
        stop,
    )
    share_blocks(_reverse_block, lam.shape[0], threads, arguments)


@kernel
def _reverse_block(block: int, arguments: Any) -> None:
    """Pull the derivative back through all steps of the sequences of a block."""
    (
        program,
        is_undone,
        measurements,
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
        stop,
    ) = arguments
    n = program.num_qubits
    qubits, paulis, amplitudes = measurements
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
        if stop[0]:
            return
        if last.shape[1]:
            ended = last[block : block + 1]
            add_ended(ends, step, first, lanes, ended, lam[block : block + 1], True)
        stages[0] = kept[step, block]
        for a in range(m):
            weigh(stages[a], n, qubits[a], paulis[a], weights[a])
            for lane in range(lanes):
                one, zero = find_chances(amplitudes, weights[a], lane)
                bits[a, lane] = 1 if one > zero else 0
                row = first + lane
                if row < ends.size and step < ends[row] and taken[row, step, a] > 0.0:
                    bits[a, lane] = given[row, step, a]
            find_factors(amplitudes, weights[a], bits[a], factors)
            multiply(stages[a], stages[a + 1], n, qubits[a], paulis[a], factors)
        slopes[:] = 0.0
        if is_undone:
            # Re <lam| dU^dagger |phi> = Re <phi| dU |lam>: lam takes the place of the state.
            evolve(program, pull, turns[step, block], scratch)
            copy[:] = pull
            unevolve(program, copy, stages[m], turns[step, block], slopes, scratch)
            multiply(stages[m - 1], stages[m], n, qubits[m - 1], paulis[m - 1], factors)
        for a in range(m - 1, -1, -1):
            for lane in range(lanes):
                row = first + lane
                by_one[lane] = by_ones[row, step, a] if row < ends.size else 0.0
                by_log[lane] = by_logs[row, step, a] if row < ends.size else 0.0
            pull_measurement(
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

"""Whole sequences with measurements in one compiled call, forward and backward.

Between two steps a sequence is 2^m unnormalized density matrices, one for each value c of the last
register. A step applies U(theta(c)) to each, adds them to the state before the measurement, and
splits that state by the new outcome:

    rho'(c') = M_c' [ sum_c U(theta(c)) rho(c) U(theta(c))^dagger ] M_c'^dagger

with readout errors and noise inside the map M. M is not invertible, so backward cannot undo a step.
Forward keeps one matrix per step, the state before the measurement (not 2^m after it); backward
splits it again, applies the circuits of the following step again, and undoes those together with
the adjoint.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrnn_qiskit.engines.cpu.blocks import zero_vectors
from qrnn_qiskit.engines.cpu.channels import split_outcomes
from qrnn_qiskit.engines.cpu.diagonals import scratch_vectors
from qrnn_qiskit.engines.cpu.lane_vectors import splat, store
from qrnn_qiskit.engines.cpu.numba_compiler import entry_point, kernel
from qrnn_qiskit.engines.cpu.outcome_parts import (
    add_ended,
    add_matrix,
    apply_noise,
    find_trace,
    find_turns,
    pull_outcomes,
    pull_traces,
    read_traces,
    rescale,
    write_gradient,
)
from qrnn_qiskit.engines.cpu.steps import evolve, unevolve
from qrnn_qiskit.engines.cpu.threads import share_blocks


@kernel
def _find_scale(total: Any, num_qubits: int, scale: Any) -> None:
    """Write the factor that gives ``total`` the trace 1 to ``scale``.

    Rounded cosines and sines make every step change the trace by the same factor, as they do the
    norm, see :data:`~qrnn_qiskit.engines.contract.NORM_STEPS`. Backward multiplies by the factor of
    the forward run and does not differentiate it.
    """
    store(scale, 0, splat(total, 1.0) / find_trace(total, num_qubits))


@entry_point
def run_outcomes(
    threads: int,
    program: Any,
    channels: Any,
    rho: Any,
    theta: Any,
    branches: int,
    ends: Any,
    last: Any,
    totals: Any,
    scales: Any,
    outcomes: Any,
    stop: Any,
) -> None:
    """Run all steps of all sequences.

    Args:
        threads: The number of threads that share the blocks.
        program: The compiled circuit of a step and its conjugate, on 2n qubits.
        channels: The noise and measurements after it.
        rho: (blocks, 2^m, 4^n * 2 * lanes), moved on in place.
        theta: Angles (2^m, B, T, P) in radians by the value of the last register.
        branches: The number of values of the register before the first step: 1 or 2^m.
        ends: The last valid step of each sequence, counted from 1, (B,).
        last: The matrices after that step, of the shape of ``rho``, written.
        totals: States (T, blocks, 4^n * 2 * lanes) before each measurement, written; (1, ...) if no
            backward follows.
        scales: Factors (T or 1, blocks, lanes) that gave these states the trace 1, written.
        outcomes: Probabilities (T, B, 2^m) of the stored values, written.
        stop: The stop flag, see :mod:`.interruption`.
    """
    arguments = (
        program,
        channels,
        rho,
        theta,
        branches,
        ends,
        last,
        totals,
        scales,
        outcomes,
        stop,
    )
    share_blocks(_run_block, rho.shape[0], threads, arguments)


@kernel
def _run_block(block: int, arguments: Any) -> None:
    """Run all steps of the sequences of a block."""
    (
        program,
        channels,
        rho,
        theta,
        branches,
        ends,
        last,
        totals,
        scales,
        outcomes,
        stop,
    ) = arguments
    n = program.num_qubits // 2
    size = rho.shape[2]
    lanes = size >> (2 * n + 1)
    first = block * lanes
    turns = zero_vectors(2 * program.offset.size, lanes, rho)
    scratch = zero_vectors(scratch_vectors(2 * n), lanes, rho)
    angles = zero_vectors(theta.shape[3], lanes, rho)
    residual = np.zeros((rho.shape[1], program.offset.size * lanes))
    state = rho[block]
    for step in range(theta.shape[2]):
        if stop[0]:
            return
        total = totals[step % totals.shape[0], block]
        total[:] = 0.0
        for c in range(branches if step == 0 else rho.shape[1]):
            find_turns(program, theta[c], step, (first, lanes), angles, turns, residual[c])
            evolve(program, state[c], turns, scratch)
            add_matrix(state[c], total, size // lanes)
        scale = scales[step % totals.shape[0], block]
        _find_scale(total, n, scale)
        rescale(total, size // lanes, scale)
        apply_noise(channels, n, total)
        split_outcomes(channels, n, total, state)
        read_traces(state, n, step, first, lanes, outcomes)
        add_ended(ends, step, first, lanes, state, last[block], False)


@entry_point
def reverse_outcomes(
    threads: int,
    program: Any,
    channels: Any,
    adjoint: Any,
    start: Any,
    theta: Any,
    branches: int,
    ends: Any,
    lam: Any,
    last: Any,
    totals: Any,
    scales: Any,
    weights: Any,
    gradient: Any,
    stop: Any,
) -> None:
    """Pull the derivative of the loss back through all steps.

    Args:
        threads: As in :func:`run_outcomes`.
        program: As in :func:`run_outcomes`.
        channels: As in :func:`run_outcomes`.
        adjoint: The adjoint maps of ``channels``.
        start: The matrices before the first step.
        theta: As in :func:`run_outcomes`.
        branches: As in :func:`run_outcomes`.
        ends: As in :func:`run_outcomes`.
        lam: Zeros of the shape of ``start``; on return the derivative with respect to it.
        last: Derivative of the loss with respect to the ``last`` of :func:`run_outcomes`.
        totals: As written by :func:`run_outcomes`.
        scales: As written by :func:`run_outcomes`.
        weights: Derivative (T, B, 2^m) of the loss with respect to the probabilities.
        gradient: Zeros (2^m, B, T, P); on return the derivative with respect to the angles.
        stop: As in :func:`run_outcomes`.
    """
    arguments = (
        program,
        channels,
        adjoint,
        start,
        theta,
        branches,
        ends,
        lam,
        last,
        totals,
        scales,
        weights,
        gradient,
        stop,
    )
    share_blocks(_reverse_block, start.shape[0], threads, arguments)


@kernel
def _reverse_block(block: int, arguments: Any) -> None:
    """Pull the derivative of the loss back through all steps of the sequences of a block."""
    (
        program,
        channels,
        adjoint,
        start,
        theta,
        branches,
        ends,
        lam,
        last,
        totals,
        scales,
        weights,
        gradient,
        stop,
    ) = arguments
    n = program.num_qubits // 2
    size = start.shape[2]
    lanes = size >> (2 * n + 1)
    first = block * lanes
    turns = zero_vectors(2 * program.offset.size, lanes, start)
    scratch = zero_vectors(scratch_vectors(2 * n), lanes, start)
    slopes = zero_vectors(program.offset.size, lanes, start)
    angles = zero_vectors(theta.shape[3], lanes, start)
    residual = np.zeros((start.shape[1], program.offset.size * lanes))
    state, pull = start[block], lam[block]
    before = np.empty_like(state)
    for step in range(theta.shape[2] - 1, -1, -1):
        if stop[0]:
            return
        add_ended(ends, step, first, lanes, last[block], pull, True)
        pull_traces(pull, n, step, first, lanes, weights)
        pull_outcomes(adjoint, n, pull)
        rescale(pull[0], size // lanes, scales[step, block])
        count = branches
        if step > 0:
            count = start.shape[1]
            split_outcomes(channels, n, totals[step - 1, block], before)
        else:
            before[:] = state
        # The state before the measurement is a sum over c, so every branch has the same adjoint.
        pull[1:] = pull[0]
        for c in range(count):
            find_turns(program, theta[c], step, (first, lanes), angles, turns, residual[c])
            evolve(program, before[c], turns, scratch)
            slopes[:] = 0.0
            unevolve(program, before[c], pull[c], turns, slopes, scratch)
            write_gradient(program, slopes, angles, step, (first, lanes), gradient[c])

"""Whole sequences with measurements in one compiled call, forward and backward.

Between two steps a sequence is 2^m unnormalized density matrices, one for each value c of the last
register. A step applies U(theta(c)) to each, adds them up to the state before the measurement, and
splits it by the new outcome:

    rho'(c') = M_c' [ sum_c U(theta(c)) rho(c) U(theta(c))^dagger ] M_c'^dagger

with readout errors and noise inside the map M. Forward keeps one matrix a step, the state before
the measurement. M cannot be undone: backward splits that state again, applies the circuits again,
and un-computes them together with the adjoint.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrnn_qiskit.engines.cpu.angles import gather_turns, scatter_slopes
from qrnn_qiskit.engines.cpu.blocks import gather_step, zero_vectors
from qrnn_qiskit.engines.cpu.channels import apply_map, merge_outcomes, split_outcomes
from qrnn_qiskit.engines.cpu.diagonals import scratch_vectors
from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, store
from qrnn_qiskit.engines.cpu.numba_compiler import entry_point, kernel
from qrnn_qiskit.engines.cpu.steps import evolve, unevolve
from qrnn_qiskit.engines.cpu.threads import share_blocks


@kernel
def _add(source: Any, target: Any, vectors: int) -> None:
    for k in range(vectors):
        store(target, k, load(target, k) + load(source, k))


@kernel
def _add_ended(
    ends: Any, step: int, first: int, lanes: int, source: Any, target: Any, adds: bool
) -> None:
    """Copy (or add) the matrices (2^m, size) of sequences that have just had their last step."""
    for lane in range(min(lanes, ends.size - first)):
        if ends[first + lane] == step + 1:
            for c in range(source.shape[0]):
                for i in range(lane, source.shape[1], lanes):
                    target[c, i] = target[c, i] + source[c, i] if adds else source[c, i]


@kernel
def _find_scale(total: Any, num_qubits: int, scale: Any) -> None:
    """Write the factor that gives ``total`` the trace 1 to ``scale``.

    Rounded cosines and sines make every step change the trace by the same tiny factor.
    """
    value = splat(total, 0.0)
    for x in range(1 << num_qubits):
        value = value + load(total, 2 * ((x << num_qubits) | x))
    store(scale, 0, splat(total, 1.0) / value)


@kernel
def _rescale(matrix: Any, vectors: int, scale: Any) -> None:
    factor = load(scale, 0)
    for k in range(vectors):
        store(matrix, k, factor * load(matrix, k))


@kernel
def _read_traces(
    rho: Any, num_qubits: int, step: int, first: int, lanes: int, outcomes: Any
) -> None:
    for c in range(rho.shape[0]):
        total = np.zeros(lanes, rho.dtype)
        value = splat(total, 0.0)
        for x in range(1 << num_qubits):
            value = value + load(rho[c], 2 * ((x << num_qubits) | x))
        store(total, 0, value)
        for lane in range(min(lanes, outcomes.shape[1] - first)):
            outcomes[step, first + lane, c] = total[lane]


@kernel
def _pull_traces(
    lam: Any, num_qubits: int, step: int, first: int, lanes: int, gradient: Any
) -> None:
    for c in range(lam.shape[0]):
        weight = np.zeros(lanes, lam.dtype)
        for lane in range(min(lanes, gradient.shape[1] - first)):
            weight[lane] = gradient[step, first + lane, c]
        value = load(weight, 0)
        for x in range(1 << num_qubits):
            i = 2 * ((x << num_qubits) | x)
            store(lam[c], i, load(lam[c], i) + value)


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
) -> None:
    """Run all steps of all sequences.

    Args:
        threads: How many threads share the blocks.
        program: The compiled circuit of a step and of its conjugate, on 2n qubits.
        channels: What follows it.
        rho: (blocks, 2^m, 4^n * 2 * lanes), moved on in place.
        theta: (2^m, B, T, P) angles in radians by the value of the last register.
        branches: How many values the register has before the first step: 1 or 2^m.
        ends: (B,) last valid step of each sequence, counted from 1.
        last: Like ``rho``: the matrices after each sequence's last valid step, written.
        totals: (T, blocks, 4^n * 2 * lanes) states before each measurement, written; (1, ...)
            where no backward follows.
        scales: (T or 1, blocks, lanes) factors that gave them the trace 1, written.
        outcomes: (T, B, 2^m) probabilities of the stored values, written.
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
    )
    share_blocks(_run_block, rho.shape[0], threads, arguments)


@kernel
def _run_block(block: int, arguments: Any) -> None:
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
        total = totals[step % totals.shape[0], block]
        total[:] = 0.0
        for c in range(branches if step == 0 else rho.shape[1]):
            gather_step(theta[c], step, first, lanes, angles)
            gather_turns(program, angles, turns, residual[c])
            evolve(program, state[c], turns, scratch)
            _add(state[c], total, size // lanes)
        scale = scales[step % totals.shape[0], block]
        _find_scale(total, n, scale)
        _rescale(total, size // lanes, scale)
        for k in range(channels.noise_qubit.size):
            apply_map(total, total, n, channels.noise_qubit[k], channels.noise[k], False)
        split_outcomes(channels, n, total, state)
        _read_traces(state, n, step, first, lanes, outcomes)
        _add_ended(ends, step, first, lanes, state, last[block], False)


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
) -> None:
    """Pull the derivative of the loss back through all steps.

    Args:
        threads: As in :func:`run_outcomes`.
        program: Likewise.
        channels: Likewise.
        adjoint: The adjoint maps.
        start: The matrices before the first step.
        theta: As in :func:`run_outcomes`.
        branches: Likewise.
        ends: Likewise.
        lam: Like ``start``, 0 at first; the derivative by it on return.
        last: Derivative of the loss by what :func:`run_outcomes` wrote there.
        totals: As :func:`run_outcomes` wrote it.
        scales: Likewise.
        weights: (T, B, 2^m) derivative of the loss by the probabilities.
        gradient: (2^m, B, T, P) derivative by the angles, written; 0 at first.
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
    )
    share_blocks(_reverse_block, start.shape[0], threads, arguments)


@kernel
def _reverse_block(block: int, arguments: Any) -> None:
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
        _add_ended(ends, step, first, lanes, last[block], pull, True)
        _pull_traces(pull, n, step, first, lanes, weights)
        merge_outcomes(adjoint, n, pull)
        for k in range(channels.noise_qubit.size):
            apply_map(pull[0], pull[0], n, adjoint.noise_qubit[k], adjoint.noise[k], False)
        _rescale(pull[0], size // lanes, scales[step, block])
        count = branches
        if step > 0:
            count = start.shape[1]
            split_outcomes(channels, n, totals[step - 1, block], before)
        else:
            before[:] = state
        pull[1:] = pull[0]
        for c in range(count):
            gather_step(theta[c], step, first, lanes, angles)
            gather_turns(program, angles, turns, residual[c])
            evolve(program, before[c], turns, scratch)
            slopes[:] = 0.0
            unevolve(program, before[c], pull[c], turns, slopes, scratch)
            scatter_slopes(program, slopes, angles)
            for lane in range(min(lanes, theta.shape[1] - first)):
                for i in range(theta.shape[3]):
                    gradient[c, first + lane, step, i] = angles[i * lanes + lane]

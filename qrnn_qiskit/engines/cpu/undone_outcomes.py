"""Whole sequences whose steps take their circuit back after the measurement, as density matrices.

As :mod:`.outcomes`, with a step that ends in the inverse of its circuit. The inverse has the angles
of the step, so the matrices of the values c of the last register can be added only after it:

    rho'(c') = sum_c K rho(c) K^dagger with K = U(theta(c))^dagger M_c' U(theta(c))

Forward keeps 2^m matrices per step, those before the measurement.
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
def _split(channels: Any, num_qubits: int, source: Any, whole: Any, parts: Any) -> None:
    """Set ``parts[c]`` to the part of ``source`` with the stored value c, after the noise."""
    whole[:] = source
    apply_noise(channels, num_qubits, whole)
    split_outcomes(channels, num_qubits, whole, parts)


@entry_point
def run_undone(
    threads: int,
    program: Any,
    inverse: Any,
    channels: Any,
    rho: Any,
    theta: Any,
    branches: int,
    ends: Any,
    last: Any,
    kept: Any,
    scales: Any,
    outcomes: Any,
    stop: Any,
) -> None:
    """Run all steps of all sequences; the arguments are those of :func:`.outcomes.run_outcomes`.

    Other arguments:
        inverse: The inverse of ``program``.
        kept: Matrices (T, blocks, 2^m, 4^n * 2 * lanes) before each measurement, by the value of
            the register before the step, written; (1, ...) if no backward follows.
    """
    arguments = (
        program,
        inverse,
        channels,
        rho,
        theta,
        branches,
        ends,
        last,
        kept,
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
        inverse,
        channels,
        rho,
        theta,
        branches,
        ends,
        last,
        kept,
        scales,
        outcomes,
        stop,
    ) = arguments
    n = program.num_qubits // 2
    size = rho.shape[2]
    lanes = size >> (2 * n + 1)
    first = block * lanes
    turns = zero_vectors(2 * program.offset.size, lanes, rho)
    turns_back = zero_vectors(2 * inverse.offset.size, lanes, rho)
    scratch = zero_vectors(scratch_vectors(2 * n), lanes, rho)
    angles = zero_vectors(theta.shape[3], lanes, rho)
    residual = np.zeros((rho.shape[1], program.offset.size * lanes))
    residual_back = np.zeros((rho.shape[1], inverse.offset.size * lanes))
    state = rho[block]
    parts, whole = np.empty_like(state), zero_vectors(2 << (2 * n), lanes, rho)
    for step in range(theta.shape[2]):
        if stop[0]:
            return
        before = kept[step % kept.shape[0], block]
        scale = scales[step % scales.shape[0], block]
        count = branches if step == 0 else rho.shape[1]
        trace = splat(rho, 0.0)
        for c in range(count):
            find_turns(program, theta[c], step, (first, lanes), angles, turns, residual[c])
            evolve(program, state[c], turns, scratch)
            trace = trace + find_trace(state[c], n)
        store(scale, 0, splat(rho, 1.0) / trace)
        before[:] = 0.0
        for c in range(count):
            before[c, :] = state[c]
            rescale(before[c], size // lanes, scale)
        state[:] = 0.0
        for c in range(count):
            _split(channels, n, before[c], whole, parts)
            find_turns(
                inverse, theta[c], step, (first, lanes), angles, turns_back, residual_back[c]
            )
            for value in range(rho.shape[1]):
                evolve(inverse, parts[value], turns_back, scratch)
                add_matrix(parts[value], state[value], size // lanes)
        read_traces(state, n, step, first, lanes, outcomes)
        add_ended(ends, step, first, lanes, state, last[block], False)


@entry_point
def reverse_undone(
    threads: int,
    program: Any,
    channels: Any,
    adjoint: Any,
    theta: Any,
    branches: int,
    ends: Any,
    lam: Any,
    last: Any,
    kept: Any,
    scales: Any,
    weights: Any,
    gradient: Any,
    stop: Any,
) -> None:
    """Pull the derivative of the loss back; the arguments are those of ``reverse_outcomes``.

    ``kept`` is as :func:`run_undone` wrote it.
    """
    arguments = (
        program,
        channels,
        adjoint,
        theta,
        branches,
        ends,
        lam,
        last,
        kept,
        scales,
        weights,
        gradient,
        stop,
    )
    share_blocks(_reverse_block, lam.shape[0], threads, arguments)


@kernel
def _reverse_block(block: int, arguments: Any) -> None:
    """Pull the derivative back through all steps of the sequences of a block."""
    (
        program,
        channels,
        adjoint,
        theta,
        branches,
        ends,
        lam,
        last,
        kept,
        scales,
        weights,
        gradient,
        stop,
    ) = arguments
    n = program.num_qubits // 2
    size = lam.shape[2]
    lanes = size >> (2 * n + 1)
    first = block * lanes
    turns = zero_vectors(2 * program.offset.size, lanes, lam)
    scratch = zero_vectors(scratch_vectors(2 * n), lanes, lam)
    slopes = zero_vectors(program.offset.size, lanes, lam)
    angles = zero_vectors(theta.shape[3], lanes, lam)
    residual = np.zeros((lam.shape[1], program.offset.size * lanes))
    pull = lam[block]
    parts, pulled = np.empty_like(pull), np.empty_like(pull)
    whole, copy = zero_vectors(2 << (2 * n), lanes, lam), zero_vectors(2 << (2 * n), lanes, lam)
    for step in range(theta.shape[2] - 1, -1, -1):
        if stop[0]:
            return
        add_ended(ends, step, first, lanes, last[block], pull, True)
        pull_traces(pull, n, step, first, lanes, weights)
        before = kept[step, block]
        after = pull.copy()
        pull[:] = 0.0
        for c in range(branches if step == 0 else lam.shape[1]):
            find_turns(program, theta[c], step, (first, lanes), angles, turns, residual[c])
            slopes[:] = 0.0
            _split(channels, n, before[c], whole, parts)
            pulled[:] = after
            for value in range(lam.shape[1]):
                # <lam, U^dagger rho U> = <U lam U^dagger, rho>: lam takes the place of the state.
                evolve(program, pulled[value], turns, scratch)
                copy[:] = pulled[value]
                unevolve(program, copy, parts[value], turns, slopes, scratch)
            pull_outcomes(adjoint, n, pulled)
            copy[:] = before[c]
            unevolve(program, copy, pulled[0], turns, slopes, scratch)
            rescale(pulled[0], size // lanes, scales[step, block])
            pull[c, :] = pulled[0]
            write_gradient(program, slopes, angles, step, (first, lanes), gradient[c])

"""Whole sequences in one compiled call: controller, circuit and readouts, forward and backward.

Arrays of a batch are (T, B, width); inside a block they are lane vectors. One thread takes one
block through all steps, so threads meet once a sequence and not once a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from qrnn_qiskit.simulator.angles import gather_turns, scatter_slopes
from qrnn_qiskit.simulator.lanes import load, store
from qrnn_qiskit.simulator.network import LINEAR, activate, add_product, drop, pull_hidden
from qrnn_qiskit.simulator.paulis import normalize, pull_paulis, read_paulis
from qrnn_qiskit.simulator.phases import scratch_vectors
from qrnn_qiskit.simulator.steps import evolve, unevolve


@njit(cache=True)
def _gather(batch: Any, step: int, first: int, lanes: int, block: Any) -> None:
    """Copy one step of a block from (T, B, width) to lane vectors."""
    for lane in range(min(lanes, batch.shape[1] - first)):
        for i in range(batch.shape[2]):
            block[i * lanes + lane] = batch[step, first + lane, i]


@njit(cache=True)
def _scatter(block: Any, step: int, first: int, lanes: int, batch: Any) -> None:
    """Copy one step of a block from lane vectors to (T, B, width)."""
    for lane in range(min(lanes, batch.shape[1] - first)):
        for i in range(batch.shape[2]):
            batch[step, first + lane, i] = block[i * lanes + lane]


@njit(cache=True)
def _copy_ended(
    ends: Any, step: int, first: int, lanes: int, source: Any, target: Any, adds: bool
) -> None:
    """Copy (or add) the states of the sequences that have just had their last step."""
    for lane in range(min(lanes, ends.size - first)):
        if ends[first + lane] == step + 1:
            for i in range(lane, source.size, lanes):
                target[i] = target[i] + source[i] if adds else source[i]


@njit(cache=True, parallel=True)
def run_sequences(
    program: Any,
    paulis: Any,
    network: Any,
    psi: Any,
    residual: Any,
    drive: Any,
    masks: Any,
    ends: Any,
    last: Any,
    theta: Any,
    hidden: Any,
    slope: Any,
    values: Any,
) -> None:
    """Run all steps of all sequences.

    Args:
        program: The compiled circuit of a step.
        paulis: The compiled Pauli strings.
        network: Weights of the controller.
        psi: (blocks, 2^n * 2 * lanes) states, moved on in place.
        residual: (blocks, columns * lanes) float64, see :func:`.angles.gather_turns`.
        drive: (T, B, W) first layer without feedback, for the first of these steps with it.
        masks: (T, B, H) dropout factors, or (0, 0, 0).
        ends: (B,) last valid step of each sequence, counted from 1, or (0,) where all end together.
        last: States after each sequence's last valid step, written; unused where ``ends`` is empty.
        theta: (T, B, P) angles in radians, written.
        hidden: (T, B, H) hidden layer, written; (0, 0, 0) for a linear controller.
        slope: (T, B, W) derivative of the hidden layer by the first, written; likewise.
        values: (T, B, S) values of the Pauli strings, written.
    """
    n = program.num_qubits
    lanes = psi.shape[1] >> (n + 1)
    for block in prange(psi.shape[0]):
        first = block * lanes
        turns = np.empty(2 * program.offset.size * lanes, psi.dtype)
        scratch = np.empty(scratch_vectors(n) * lanes, psi.dtype)
        read = np.zeros(values.shape[2] * lanes, psi.dtype)
        layer = np.zeros(drive.shape[2] * lanes, psi.dtype)
        units = np.zeros(hidden.shape[2] * lanes, psi.dtype)
        steep = np.zeros(slope.shape[2] * lanes, psi.dtype)
        angles = np.zeros(theta.shape[2] * lanes, psi.dtype)
        for step in range(drive.shape[0]):
            _gather(drive, step, first, lanes, layer)
            if step > 0:
                add_product(network.feedback, read, layer)
            if network.kind == LINEAR:
                _scatter(layer, step, first, lanes, theta)
            else:
                activate(network.kind, layer, units, steep)
                if masks.size:
                    drop(masks, step, first, lanes, units, steep)
                _scatter(units, step, first, lanes, hidden)
                _scatter(steep, step, first, lanes, slope)
                for i in range(network.bias.size):
                    angles[i * lanes : (i + 1) * lanes] = network.bias[i]
                add_product(network.output, units, angles)
                _scatter(angles, step, first, lanes, theta)
            gather_turns(program, theta, step, first, lanes, turns, residual[block])
            evolve(program, psi[block], turns, scratch)
            normalize(psi[block], 1 << n, read[:0])
            read_paulis(psi[block], n, paulis, read)
            _scatter(read, step, first, lanes, values)
            if ends.size:
                _copy_ended(ends, step, first, lanes, psi[block], last[block], False)


@njit(cache=True, parallel=True)
def reverse_sequences(
    program: Any,
    paulis: Any,
    network: Any,
    psi: Any,
    lam: Any,
    residual: Any,
    ends: Any,
    last: Any,
    theta: Any,
    slope: Any,
    weights: Any,
    theta_gradient: Any,
    drive_gradient: Any,
) -> None:
    """Undo all steps of all sequences and pull the derivative of the loss back through them.

    Args:
        program: As in :func:`run_sequences`.
        paulis: Likewise.
        network: Likewise.
        psi: States after the last step; those before the first on return.
        lam: Derivative of the loss by psi, of the same shape, likewise.
        residual: As in :func:`run_sequences`, of the way back.
        ends: As in :func:`run_sequences`.
        last: Derivative of the loss by the states at ``ends``; unused where that is empty.
        theta: (T, B, P) as :func:`run_sequences` wrote it.
        slope: Likewise.
        weights: (T, B, S) derivative of the loss by the values of the Pauli strings.
        theta_gradient: (T, B, P) derivative by the angles, written.
        drive_gradient: (T, B, W) derivative by the first layer, written.
    """
    n = program.num_qubits
    lanes = psi.shape[1] >> (n + 1)
    for block in prange(psi.shape[0]):
        first = block * lanes
        turns = np.empty(2 * program.offset.size * lanes, psi.dtype)
        scratch = np.empty(scratch_vectors(n) * lanes, psi.dtype)
        slopes = np.empty(program.offset.size * lanes, psi.dtype)
        pull = np.zeros(weights.shape[2] * lanes, psi.dtype)
        fed = np.zeros(weights.shape[2] * lanes, psi.dtype)
        angles = np.zeros(theta.shape[2] * lanes, psi.dtype)
        units = np.zeros(network.output.shape[1] * lanes, psi.dtype)
        steep = np.zeros(slope.shape[2] * lanes, psi.dtype)
        layer = np.zeros(drive_gradient.shape[2] * lanes, psi.dtype)
        for step in range(theta.shape[0] - 1, -1, -1):
            if ends.size:
                _copy_ended(ends, step, first, lanes, last[block], lam[block], True)
            _gather(weights, step, first, lanes, pull)
            for i in range(weights.shape[2]):
                store(pull, i, load(pull, i) + load(fed, i))
            pull_paulis(psi[block], lam[block], n, paulis, pull)
            gather_turns(program, theta, step, first, lanes, turns, residual[block])
            slopes[:] = 0.0
            unevolve(program, psi[block], lam[block], turns, slopes, scratch)
            normalize(psi[block], 1 << n, lam[block])
            scatter_slopes(program, slopes, lanes, angles)
            _scatter(angles, step, first, lanes, theta_gradient)
            fed[:] = 0.0
            if network.kind == LINEAR:
                _scatter(angles, step, first, lanes, drive_gradient)
                add_product(network.feedback_t, angles, fed)
            else:
                units[:] = 0.0
                add_product(network.output_t, angles, units)
                _gather(slope, step, first, lanes, steep)
                pull_hidden(steep, units, layer)
                _scatter(layer, step, first, lanes, drive_gradient)
                add_product(network.feedback_t, layer, fed)


@njit(cache=True)
def read_states(paulis: Any, num_qubits: int, psi: Any, values: Any) -> None:
    """Read the Pauli strings of ``psi`` without a step into ``values`` (1, B, S)."""
    lanes = psi.shape[1] >> (num_qubits + 1)
    for block in range(psi.shape[0]):
        read = np.zeros(values.shape[2] * lanes, psi.dtype)
        read_paulis(psi[block], num_qubits, paulis, read)
        _scatter(read, 0, block * lanes, lanes, values)

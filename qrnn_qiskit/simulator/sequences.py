"""Whole sequences in one compiled call: controller, circuit and readouts, forward and backward.

Arrays of a batch are (B, T, width); inside a block they are lane vectors. One thread takes one
block through all steps, so threads meet once a sequence and not once a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrnn_qiskit.simulator.angles import gather_turns, scatter_slopes
from qrnn_qiskit.simulator.blocks import gather_step, scatter_step, zero_vectors
from qrnn_qiskit.simulator.compilation import entry_point, kernel
from qrnn_qiskit.simulator.lanes import load, splat, square_root, store
from qrnn_qiskit.simulator.network import (
    GIVEN,
    LINEAR,
    activate,
    add_product,
    apply_layer,
    drop,
    pull_hidden,
)
from qrnn_qiskit.simulator.paulis import (
    normalize,
    pull_observables,
    read_observables,
    scale_state,
)
from qrnn_qiskit.simulator.phases import scratch_vectors
from qrnn_qiskit.simulator.steps import evolve, unevolve
from qrnn_qiskit.simulator.threads import share_blocks

# Rounded cosines and sines make every step change the norm by the same tiny factor; it is set to 1
# once in so many steps. Readouts are divided by the norm in every step.
_NORM_STEPS = 8


@kernel
def _any_ends(ends: Any, step: int, first: int, lanes: int) -> bool:
    """Whether a sequence of the block has just had its last step."""
    count = 0
    for lane in range(min(lanes, ends.size - first)):
        count += ends[first + lane] == step + 1
    return count > 0


@kernel
def _open_residual(residual: Any, block: int, columns: int, lanes: int) -> Any:
    return residual[block] if residual.size else np.zeros(columns * lanes)


@entry_point
def run_sequences(
    threads: int,
    program: Any,
    paulis: Any,
    network: Any,
    drops: bool,
    psi: Any,
    residual: Any,
    ends: Any,
    theta: Any,
    inputs: Any,
    hidden: Any,
    slope: Any,
    values: Any,
    vector: Any,
) -> None:
    """Run all steps of all sequences.

    Args:
        threads: How many threads share the blocks.
        program: The compiled circuit of a step.
        paulis: The compiled observables.
        network: Weights of the controller.
        drops: Whether ``hidden`` holds dropout factors.
        psi: (blocks, 2^n * 2 * lanes) states, moved on in place.
        residual: (blocks, columns * lanes) float64, see :func:`.angles.gather_turns`; (0, 0) where
            no other call goes on with them.
        ends: (B,) last valid step of each sequence, counted from 1.
        theta: (B, T, P) angles in radians, written; read where they are given.
        inputs: (B, T, E + K) what the controller sees, [x ; readouts of the step before], or
            (B, T, E) where it does not see readouts; those of all steps but the first are written.
            (0, 0, 0) for given angles.
        hidden: (B, T, H) dropout factors or nothing, then the hidden layer; (0, 0, 0) without one.
        slope: (B, T, W) derivative of the hidden layer by the first one, written; (0, 0, 0) without
            a hidden layer.
        values: (B, T, K) readouts, written.
        vector: (B, 2^n * 2) states after each sequence's last valid step, written.
    """
    arguments = (
        program,
        paulis,
        network,
        drops,
        psi,
        residual,
        ends,
        theta,
        inputs,
        hidden,
        slope,
        values,
        vector,
    )
    share_blocks(_run_block, psi.shape[0], threads, arguments)


@kernel
def _run_block(block: int, arguments: Any) -> None:
    program, paulis, network, drops, states, residual, ends = arguments[:7]
    theta, inputs, hidden, slope, values, vector = arguments[7:]
    psi = states[block]
    n = program.num_qubits
    lanes = psi.size >> (n + 1)
    first = block * lanes
    count = min(lanes, theta.shape[0] - first)
    turns = zero_vectors(2 * program.offset.size, lanes, psi)
    scratch = zero_vectors(scratch_vectors(n), lanes, psi)
    rest = _open_residual(residual, block, program.offset.size, lanes)
    strings = zero_vectors(paulis.matrix.shape[1], lanes, psi)
    angles = zero_vectors(theta.shape[2], lanes, psi)
    units = zero_vectors(hidden.shape[2], lanes, psi)
    layer = zero_vectors(slope.shape[2], lanes, psi)
    steep = zero_vectors(slope.shape[2], lanes, psi)
    # The readouts are where the controller of the next step sees them.
    heard = network.first.shape[1] - network.input_size
    width = inputs.shape[2] - heard
    seen = zero_vectors(width + values.shape[2], lanes, psi)
    x, read = seen[: width * lanes], seen[width * lanes :]
    known = seen[: (width + heard) * lanes]
    if heard:
        gather_step(inputs, 0, first, lanes, width, read)
    for step in range(theta.shape[1]):
        if network.kind == GIVEN:
            gather_step(theta, step, first, lanes, 0, angles)
        else:
            gather_step(inputs, step, first, lanes, 0, x)
            if network.kind == LINEAR:
                apply_layer(network.first, network.first_bias, known, angles)
            else:
                apply_layer(network.first, network.first_bias, known, layer)
                activate(network.kind, layer, units, steep)
                if drops:
                    drop(hidden, step, first, lanes, units, steep)
                scatter_step(units, step, first, lanes, 0, hidden)
                scatter_step(steep, step, first, lanes, 0, slope)
                apply_layer(network.output, network.output_bias, units, angles)
            scatter_step(angles, step, first, lanes, 0, theta)
        gather_turns(program, angles, turns, rest)
        evolve(program, psi, turns, scratch)
        total = read_observables(psi, n, paulis, strings, read)
        scatter_step(read, step, first, lanes, 0, values)
        if heard and step + 1 < theta.shape[1]:
            scatter_step(read, step + 1, first, lanes, width, inputs)
        is_end = _any_ends(ends, step, first, lanes)
        if is_end or step % _NORM_STEPS == 0 or step + 1 == theta.shape[1]:
            scale_state(psi, 2 << n, splat(psi, 1.0) / square_root(total))
        if is_end:
            for i in range(vector.shape[1]):
                for lane in range(count):
                    if ends[first + lane] == step + 1:
                        vector[first + lane, i] = psi[i * lanes + lane]


@entry_point
def reverse_sequences(
    threads: int,
    program: Any,
    paulis: Any,
    network: Any,
    psi: Any,
    lam: Any,
    residual: Any,
    ends: Any,
    theta: Any,
    slope: Any,
    weights: Any,
    vector: Any,
    by_theta: Any,
    by_layer: Any,
    by_readouts: Any,
) -> None:
    """Undo all steps of all sequences and pull the derivative of the loss back through them.

    Args:
        threads: How many threads share the blocks.
        program: As in :func:`run_sequences`.
        paulis: Likewise.
        network: Likewise.
        psi: States after the last step; those before the first on return.
        lam: Derivative of the loss by psi, of the same shape, likewise.
        residual: As in :func:`run_sequences`, of the way back.
        ends: As in :func:`run_sequences`.
        theta: (B, T, P) as :func:`run_sequences` wrote it.
        slope: Likewise.
        weights: (B, T, K) derivative of the loss by the readouts.
        vector: (B, 2^n * 2) derivative of the loss by the states at ``ends``, or (0, 0).
        by_theta: (B, T, P) derivative by the angles, written.
        by_layer: (B, T, W) derivative by the first layer, written; (0, 0, 0) without a hidden
            layer.
        by_readouts: (B, 1, K) derivative by the readouts that the first step was fed with, written.
    """
    arguments = (
        program,
        paulis,
        network,
        psi,
        lam,
        residual,
        ends,
        theta,
        slope,
        weights,
        vector,
        by_theta,
        by_layer,
        by_readouts,
    )
    share_blocks(_reverse_block, psi.shape[0], threads, arguments)


@kernel
def _reverse_block(block: int, arguments: Any) -> None:
    program, paulis, network, states, adjoints, residual, ends = arguments[:7]
    theta, slope, weights, vector, by_theta, by_layer, by_readouts = arguments[7:]
    psi, lam = states[block], adjoints[block]
    n = program.num_qubits
    lanes = psi.size >> (n + 1)
    first = block * lanes
    count = min(lanes, theta.shape[0] - first)
    turns = zero_vectors(2 * program.offset.size, lanes, psi)
    scratch = zero_vectors(scratch_vectors(n), lanes, psi)
    slopes = zero_vectors(program.offset.size, lanes, psi)
    rest = _open_residual(residual, block, program.offset.size, lanes)
    strings = zero_vectors(paulis.matrix.shape[1], lanes, psi)
    pull = zero_vectors(weights.shape[2], lanes, psi)
    fed = zero_vectors(weights.shape[2], lanes, psi)
    angles = zero_vectors(theta.shape[2], lanes, psi)
    units = zero_vectors(network.output.shape[1], lanes, psi)
    steep = zero_vectors(slope.shape[2], lanes, psi)
    layer = zero_vectors(by_layer.shape[2], lanes, psi)
    for step in range(theta.shape[1] - 1, -1, -1):
        if vector.size and _any_ends(ends, step, first, lanes):
            for i in range(vector.shape[1]):
                for lane in range(count):
                    if ends[first + lane] == step + 1:
                        lam[i * lanes + lane] += vector[first + lane, i]
        gather_step(weights, step, first, lanes, 0, pull)
        for i in range(weights.shape[2]):
            store(pull, i, load(pull, i) + load(fed, i))
        pull_observables(psi, lam, n, paulis, pull, strings)
        gather_step(theta, step, first, lanes, 0, angles)
        gather_turns(program, angles, turns, rest)
        slopes[:] = 0.0
        unevolve(program, psi, lam, turns, slopes, scratch)
        if step % _NORM_STEPS == 0:
            normalize(psi, lam, 1 << n)
        scatter_slopes(program, slopes, angles)
        scatter_step(angles, step, first, lanes, 0, by_theta)
        fed[:] = 0.0
        if network.kind == LINEAR:
            add_product(network.first[:, network.input_size :].T, angles, fed)
        elif network.kind != GIVEN:
            units[:] = 0.0
            add_product(network.output.T, angles, units)
            gather_step(slope, step, first, lanes, 0, steep)
            pull_hidden(steep, units, layer)
            scatter_step(layer, step, first, lanes, 0, by_layer)
            add_product(network.first[:, network.input_size :].T, layer, fed)
    scatter_step(fed, 0, first, lanes, 0, by_readouts)

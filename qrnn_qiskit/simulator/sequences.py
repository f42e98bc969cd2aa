"""Whole sequences in one compiled call: controller, circuit and readouts, forward and backward.

Arrays of a batch are (B, T, width); inside a block they are lane vectors. One thread takes one
block through all steps, so threads meet once a sequence and not once a step.
"""

from __future__ import annotations

from typing import Any

from qrnn_qiskit.simulator.angles import gather_turns, scatter_slopes
from qrnn_qiskit.simulator.blocks import gather_step, scatter_step, zero_vectors
from qrnn_qiskit.simulator.compilation import entry_point, kernel
from qrnn_qiskit.simulator.lanes import load, splat, square_root, store
from qrnn_qiskit.simulator.network import LINEAR, activate, add_product, drop, pull_hidden
from qrnn_qiskit.simulator.paulis import normalize, pull_paulis, read_paulis, scale_state
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
    hidden: Any,
    slope: Any,
    values: Any,
    vector: Any,
) -> None:
    """Run all steps of all sequences.

    Args:
        threads: How many threads share the blocks.
        program: The compiled circuit of a step.
        paulis: The compiled Pauli strings.
        network: Weights of the controller.
        drops: Whether ``hidden`` holds dropout factors.
        psi: (blocks, 2^n * 2 * lanes) states, moved on in place.
        residual: (blocks, columns * lanes) float64, see :func:`.angles.gather_turns`.
        ends: (B,) last valid step of each sequence, counted from 1.
        theta: (B, T, P) angles in radians, written; for a linear controller they come in without
            the feedback of any step but the first.
        hidden: (B, T, H) dropout factors or nothing, then the hidden layer; (0, 0, 0) for a linear
            controller.
        slope: (B, T, W) first layer without the feedback of any step but the first, then the
            derivative of the hidden layer by it; (0, 0, 0) for a linear controller.
        values: (B, T, S) values of the Pauli strings, written.
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
        hidden,
        slope,
        values,
        vector,
    )
    share_blocks(_run_block, psi.shape[0], threads, arguments)


@kernel
def _run_block(block: int, arguments: Any) -> None:
    program, paulis, network, drops, states, residual = arguments[:6]
    ends, theta, hidden, slope, values, vector = arguments[6:]
    psi = states[block]
    n = program.num_qubits
    lanes = psi.size >> (n + 1)
    first = block * lanes
    count = min(lanes, theta.shape[0] - first)
    turns = zero_vectors(2 * program.offset.size, lanes, psi)
    scratch = zero_vectors(scratch_vectors(n), lanes, psi)
    read = zero_vectors(values.shape[2], lanes, psi)
    angles = zero_vectors(theta.shape[2], lanes, psi)
    layer = zero_vectors(slope.shape[2], lanes, psi)
    units = zero_vectors(hidden.shape[2], lanes, psi)
    steep = zero_vectors(slope.shape[2], lanes, psi)
    for step in range(theta.shape[1]):
        if network.kind == LINEAR:
            gather_step(theta, step, first, lanes, angles)
            if step > 0:
                add_product(network.feedback, read, angles)
        else:
            gather_step(slope, step, first, lanes, layer)
            if step > 0:
                add_product(network.feedback, read, layer)
            activate(network.kind, layer, units, steep)
            if drops:
                drop(hidden, step, first, lanes, units, steep)
            scatter_step(units, step, first, lanes, hidden)
            scatter_step(steep, step, first, lanes, slope)
            for i in range(network.bias.size):
                angles[i * lanes : (i + 1) * lanes] = network.bias[i]
            add_product(network.output, units, angles)
        scatter_step(angles, step, first, lanes, theta)
        gather_turns(program, angles, turns, residual[block])
        evolve(program, psi, turns, scratch)
        total = read_paulis(psi, n, paulis, read)
        scatter_step(read, step, first, lanes, values)
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
    start: int,
    psi: Any,
    lam: Any,
    residual: Any,
    fed: Any,
    ends: Any,
    theta: Any,
    slope: Any,
    weights: Any,
    vector: Any,
    theta_gradient: Any,
    drive_gradient: Any,
) -> None:
    """Undo some steps of all sequences and pull the derivative of the loss back through them.

    Args:
        threads: How many threads share the blocks.
        program: As in :func:`run_sequences`.
        paulis: Likewise.
        network: Likewise.
        start: The first of the steps; the gradients have them all.
        psi: States after the last of the steps; those before the first on return.
        lam: Derivative of the loss by psi, of the same shape, likewise.
        residual: As in :func:`run_sequences`, of the way back.
        fed: (B, 1, S) derivative by the values that the step after the last was fed with; by those
            that the first was fed with on return.
        ends: As in :func:`run_sequences`.
        theta: (B, T, P) as :func:`run_sequences` wrote it.
        slope: Likewise.
        weights: (B, T, S) derivative of the loss by the values of the Pauli strings.
        vector: (B, 2^n * 2) derivative of the loss by the states at ``ends``, or (0, 0).
        theta_gradient: (B, steps, P) derivative by the angles, written.
        drive_gradient: (B, steps, W) derivative by the first layer, written; for a linear
            controller it is ``theta_gradient``.
    """
    arguments = (
        program,
        paulis,
        network,
        start,
        psi,
        lam,
        residual,
        fed,
        ends,
        theta,
        slope,
        weights,
        vector,
        theta_gradient,
        drive_gradient,
    )
    share_blocks(_reverse_block, psi.shape[0], threads, arguments)


@kernel
def _reverse_block(block: int, arguments: Any) -> None:
    program, paulis, network, start, states, adjoints, residual, fed_batch = arguments[:8]
    ends, theta, slope, weights, vector, theta_gradient, drive_gradient = arguments[8:]
    psi, lam = states[block], adjoints[block]
    n = program.num_qubits
    lanes = psi.size >> (n + 1)
    first = block * lanes
    count = min(lanes, theta.shape[0] - first)
    turns = zero_vectors(2 * program.offset.size, lanes, psi)
    scratch = zero_vectors(scratch_vectors(n), lanes, psi)
    slopes = zero_vectors(program.offset.size, lanes, psi)
    pull = zero_vectors(weights.shape[2], lanes, psi)
    fed = zero_vectors(weights.shape[2], lanes, psi)
    angles = zero_vectors(theta.shape[2], lanes, psi)
    units = zero_vectors(network.output.shape[1], lanes, psi)
    steep = zero_vectors(slope.shape[2], lanes, psi)
    layer = zero_vectors(drive_gradient.shape[2], lanes, psi)
    gather_step(fed_batch, 0, first, lanes, fed)
    for step in range(start + theta_gradient.shape[1] - 1, start - 1, -1):
        if vector.size and _any_ends(ends, step, first, lanes):
            for i in range(vector.shape[1]):
                for lane in range(count):
                    if ends[first + lane] == step + 1:
                        lam[i * lanes + lane] += vector[first + lane, i]
        gather_step(weights, step, first, lanes, pull)
        for i in range(weights.shape[2]):
            store(pull, i, load(pull, i) + load(fed, i))
        pull_paulis(psi, lam, n, paulis, pull)
        gather_step(theta, step, first, lanes, angles)
        gather_turns(program, angles, turns, residual[block])
        slopes[:] = 0.0
        unevolve(program, psi, lam, turns, slopes, scratch)
        if step % _NORM_STEPS == 0 or step == start:
            normalize(psi, lam, 1 << n)
        scatter_slopes(program, slopes, angles)
        scatter_step(angles, step - start, first, lanes, theta_gradient)
        fed[:] = 0.0
        if network.kind == LINEAR:
            add_product(network.feedback_t, angles, fed)
        else:
            units[:] = 0.0
            add_product(network.output_t, angles, units)
            gather_step(slope, step, first, lanes, steep)
            pull_hidden(steep, units, layer)
            scatter_step(layer, step - start, first, lanes, drive_gradient)
            add_product(network.feedback_t, layer, fed)
    scatter_step(fed, 0, first, lanes, fed_batch)

"""Whole sequences in one compiled call: controller, circuit and readouts, forward and backward.

Arrays of a batch are (B, T, width); inside a block they are lane vectors. One thread takes one
block through all steps, so threads meet once a sequence and not once a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrnn_qiskit.simulator.angles import gather_turns, scatter_slopes
from qrnn_qiskit.simulator.blocks import (
    add_rows,
    copy_vectors,
    gather_rows,
    gather_step,
    scatter_rows,
    scatter_step,
    zero_vectors,
)
from qrnn_qiskit.simulator.compilation import entry_point, kernel
from qrnn_qiskit.simulator.handover import (
    CARRIED,
    GIVEN_VECTOR,
    open_backward,
    open_forward,
    open_paulis,
    open_program,
    open_sizes,
    view,
)
from qrnn_qiskit.simulator.lanes import VECTOR_BYTES, load, splat, square_root, store
from qrnn_qiskit.simulator.network import (
    GIVEN,
    LINEAR,
    activate,
    add_product,
    apply_layer,
    drop,
    pull_hidden,
    transpose,
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
from qrnn_qiskit.simulator.weights import (
    CHUNK,
    add_blocks,
    add_outer,
    count_weights,
    open_sums,
    put_step,
)

# Rounded cosines and sines make every step change the norm by the same tiny factor; it is set to 1
# once in so many steps. Readouts are divided by the norm in every step.
_NORM_STEPS = 8


@kernel
def _find_ends(given: Any, is_given: bool, steps: int, first: int, lanes: int) -> Any:
    """(sequences of the block,) the last valid step of each, counted from 1."""
    ends = np.empty(min(lanes, given.size - first), np.int64)
    for lane in range(ends.size):
        ends[lane] = given[first + lane] if is_given else steps
    return ends


@kernel
def _any_ends(ends: Any, end: int) -> bool:
    """Whether a sequence of the block ends with step ``end``."""
    count = 0
    for each in ends:
        count += each == end
    return count > 0


@kernel
def _open_residual(run: Any, doubles: Any, block: int, size: int) -> Any:
    if run.residual:
        return view(doubles, run.residual, (block + 1, size))[block]
    return np.zeros(size)


@kernel
def _find_block(like: Any, address: int, block: int, numbers: int) -> Any:
    """The lane vectors of a block, as many ``numbers`` as every block has."""
    return view(like, address, (block + 1, numbers))[block]


@kernel
def _is_finite(numbers: Any) -> bool:
    """Whether none is NaN or infinite: 0 times such a number is NaN, and stays so in a sum."""
    a = b = c = d = numbers.dtype.type(0.0)
    i = 0
    while i + 4 <= numbers.size:  # four sums at a time to hide latency
        a += 0.0 * numbers[i]
        b += 0.0 * numbers[i + 1]
        c += 0.0 * numbers[i + 2]
        d += 0.0 * numbers[i + 3]
        i += 4
    while i < numbers.size:
        a += 0.0 * numbers[i]
        i += 1
    return bool(a + b + c + d == 0.0)


@entry_point
def run_sequences(table: Any, doubles: Any, like: Any, sizes: Any, addresses: Any) -> bool:
    """Run all steps of all sequences, if all inputs are finite.

    Args:
        table: The circuit and the observables, see :func:`.handover.list_addresses`.
        doubles: Any float64 array.
        like: (0,) of the states' dtype.
        sizes: A record, see :class:`.handover.Sizes`.
        addresses: Another, see :class:`.handover.Forward`.

    Returns:
        False where an input is NaN or infinite; nothing has been written then.
    """
    sizes, run = open_sizes(sizes), open_forward(addresses)
    if run.x and not _is_finite(view(like, run.x, (sizes.batch * sizes.steps * sizes.width,))):
        return False
    program, paulis = open_program(table, doubles, like), open_paulis(table, like)
    lanes = VECTOR_BYTES // like.itemsize
    arguments = (program, paulis, table, doubles, like, sizes, run)
    share_blocks(_run_block, (sizes.batch + lanes - 1) // lanes, sizes.threads, arguments)
    return True


@kernel
def _run_block(block: int, arguments: Any) -> None:
    program, paulis, table, doubles, like, sizes, run = arguments
    n = program.num_qubits
    lanes = VECTOR_BYTES // like.itemsize
    first = block * lanes
    size = lanes << (n + 1)
    batch, steps = sizes.batch, sizes.steps
    psi = view(like, run.states, (block + 1, size))[block]
    theta = view(like, run.theta, (batch, steps, sizes.angles))
    x = view(like, run.x, (batch, steps, sizes.width))
    fed = view(like, run.fed, (sizes.rows, sizes.readouts))
    factors = view(like, run.factors, (batch, steps, sizes.units))
    all_lanes = steps * lanes
    inputs = _find_block(like, run.inputs, block, all_lanes * (sizes.width + sizes.heard))
    hidden = _find_block(like, run.hidden, block, all_lanes * sizes.units)
    slope = _find_block(like, run.slope, block, all_lanes * sizes.layer)
    values = view(like, run.values, (batch, steps, sizes.readouts))
    final = view(like, run.final, (batch, sizes.readouts))
    vector = view(like, run.vector, (batch, 2 << n))
    weight = view(like, run.first, (sizes.layer, sizes.width + sizes.heard))
    bias = view(like, run.first_bias, (sizes.layer,))
    output = view(like, run.output, (sizes.angles, sizes.units))
    output_bias = view(like, run.output_bias, (sizes.angles,))
    given = view(table, run.ends, (batch,))
    ends = _find_ends(given, run.ends != 0, steps, first, lanes)
    columns = program.offset.size
    turns = zero_vectors(2 * columns, lanes, like)
    kept = view(like, run.turns, (block + 1, steps, 2 * columns * lanes))[block]
    scratch = zero_vectors(scratch_vectors(n), lanes, like)
    rest = _open_residual(run, doubles, block, columns * lanes)
    strings = zero_vectors(paulis.matrix.shape[1], lanes, like)
    angles = zero_vectors(sizes.angles, lanes, like)
    units, masks = zero_vectors(sizes.units, lanes, like), zero_vectors(sizes.units, lanes, like)
    layer = zero_vectors(sizes.layer, lanes, like)
    steep = zero_vectors(sizes.layer, lanes, like)
    # The readouts are where the controller of the next step sees them.
    seen = zero_vectors(sizes.width + sizes.readouts, lanes, like)
    new, read = seen[: sizes.width * lanes], seen[sizes.width * lanes :]
    known = seen[: (sizes.width + sizes.heard) * lanes]
    if sizes.origin != CARRIED:
        if sizes.origin == GIVEN_VECTOR:
            gather_rows(view(like, run.start, (batch, 2 << n)), first, lanes, psi)
        else:
            psi[:] = 0.0
            store(psi, 0, splat(psi, 1.0))
    if sizes.heard:
        gather_rows(fed, first, lanes, read)
    for step in range(steps):
        if sizes.kind == GIVEN:
            gather_step(theta, step, first, lanes, angles)
        else:
            gather_step(x, step, first, lanes, new)
            if run.inputs:
                copy_vectors(known, sizes.width + sizes.heard, inputs, step)
            if sizes.kind == LINEAR:
                apply_layer(weight, bias, known, angles)
            else:
                apply_layer(weight, bias, known, layer)
                activate(sizes.kind, layer, units, steep)
                if run.factors:
                    gather_step(factors, step, first, lanes, masks)
                    drop(masks, sizes.units, sizes.layer, units, steep)
                if run.slope:
                    copy_vectors(units, sizes.units, hidden, step)
                    copy_vectors(steep, sizes.layer, slope, step)
                apply_layer(output, output_bias, units, angles)
            if run.theta:
                scatter_step(angles, step, first, lanes, theta)
        if run.turns:
            turns = kept[step]
        gather_turns(program, angles, turns, rest)
        evolve(program, psi, turns, scratch)
        total = read_observables(psi, n, paulis, strings, read)
        scatter_step(read, step, first, lanes, values)
        ended = _any_ends(ends, step + 1)
        if ended or step % _NORM_STEPS == 0 or step + 1 == steps:
            scale_state(psi, 2 << n, splat(psi, 1.0) / square_root(total))
        if ended and run.vector:
            scatter_rows(psi, ends, step + 1, first, vector)
        if ended and run.final:
            scatter_rows(read, ends, step + 1, first, final)


@entry_point
def reverse_sequences(table: Any, doubles: Any, like: Any, sizes: Any, addresses: Any) -> None:
    """Undo all steps of all sequences and pull the derivative of the loss back through them.

    Args:
        table: As in :func:`run_sequences`.
        doubles: Likewise.
        like: Likewise.
        sizes: Likewise.
        addresses: A record, see :class:`.handover.Backward`.
    """
    sizes, run = open_sizes(sizes), open_backward(addresses)
    program, paulis = open_program(table, doubles, like), open_paulis(table, like)
    lanes = VECTOR_BYTES // like.itemsize
    blocks = (sizes.batch + lanes - 1) // lanes
    arguments = (program, paulis, table, like, sizes, run)
    share_blocks(_reverse_block, blocks, sizes.threads, arguments)
    if run.sums:
        numbers = count_weights(sizes)
        sums = view(like, run.sums, (blocks, numbers))
        add_blocks(sums, view(like, run.by_weights, (numbers,)))


@kernel
def _reverse_block(block: int, arguments: Any) -> None:
    program, paulis, table, like, sizes, run = arguments
    n = program.num_qubits
    lanes = VECTOR_BYTES // like.itemsize
    first = block * lanes
    size = lanes << (n + 1)
    batch, steps = sizes.batch, sizes.steps
    psi = view(like, run.back, (block + 1, size))[block]
    lam = view(like, run.adjoint, (block + 1, size))[block]
    columns = program.offset.size
    turns = view(like, run.turns, (block + 1, steps, 2 * columns * lanes))[block]
    all_lanes = steps * lanes
    inputs = _find_block(like, run.inputs, block, all_lanes * (sizes.width + sizes.heard))
    hidden = _find_block(like, run.hidden, block, all_lanes * sizes.units)
    slope = _find_block(like, run.slope, block, all_lanes * sizes.layer)
    by_values = view(like, run.by_values, (batch, steps, sizes.readouts))
    by_final = view(like, run.by_final, (batch, sizes.readouts))
    by_vector = view(like, run.by_vector, (batch, 2 << n))
    by_theta = view(like, run.by_theta, (batch, steps, sizes.angles))
    by_x = view(like, run.by_x, (batch, steps, sizes.width))
    width = sizes.width if run.by_x else 0
    weight = view(like, run.first, (sizes.layer, sizes.width + sizes.heard))
    by_seen = transpose(weight, width + sizes.heard)
    by_units = transpose(view(like, run.output, (sizes.angles, sizes.units)), sizes.units)
    given = view(table, run.ends, (batch,))
    ends = _find_ends(given, run.ends != 0, steps, first, lanes)
    scratch = zero_vectors(scratch_vectors(n), lanes, like)
    slopes = zero_vectors(columns, lanes, like)
    strings = zero_vectors(paulis.matrix.shape[1], lanes, like)
    pull = zero_vectors(sizes.readouts, lanes, like)
    seen = zero_vectors(width + sizes.heard, lanes, like)
    fed = seen[width * lanes :]
    angles = zero_vectors(sizes.angles, lanes, like)
    units = zero_vectors(sizes.units, lanes, like)
    layer = angles if sizes.kind == LINEAR else zero_vectors(sizes.layer, lanes, like)
    chunk = min(steps, CHUNK) if run.sums else 0
    of_angles = zero_vectors(0 if sizes.kind == LINEAR else chunk * sizes.angles, lanes, like)
    of_layer = zero_vectors(chunk * sizes.layer, lanes, like)
    numbers = count_weights(sizes)
    first_sums, bias_sums, output_sums, output_bias_sums = open_sums(
        like, run.sums + block * numbers * like.itemsize, sizes
    )
    if run.sums:
        view(like, run.sums, (block + 1, numbers))[block, :] = 0.0
    if run.states:
        last = view(like, run.states, (block + 1, size))[block]
        for k in range(2 << n):
            store(psi, k, load(last, k))
        lam[:] = 0.0
    for step in range(steps - 1, -1, -1):
        pull[:] = 0.0
        if run.by_values:
            gather_step(by_values, step, first, lanes, pull)
        if _any_ends(ends, step + 1):
            if run.by_vector:
                add_rows(by_vector, ends, step + 1, first, lam)
            if run.by_final:
                add_rows(by_final, ends, step + 1, first, pull)
        for k in range(sizes.heard):
            store(pull, k, load(pull, k) + load(fed, k))
        pull_observables(psi, lam, n, paulis, pull, strings)
        slopes[:] = 0.0
        unevolve(program, psi, lam, turns[step], slopes, scratch)
        if step % _NORM_STEPS == 0:
            normalize(psi, lam, 1 << n)
        scatter_slopes(program, slopes, angles)
        if sizes.kind == GIVEN:
            scatter_step(angles, step, first, lanes, by_theta)
            continue
        if sizes.kind != LINEAR:
            units[:] = 0.0
            add_product(by_units, angles, units)
            pull_hidden(slope, step * sizes.layer, sizes.units, sizes.layer, units, layer)
        seen[:] = 0.0
        add_product(by_seen, layer, seen)
        if run.by_x:
            scatter_step(seen[: width * lanes], step, first, lanes, by_x)
        if run.sums:
            put_step(layer, sizes.layer, ends.size, of_layer, step % CHUNK)
            if sizes.kind != LINEAR:
                put_step(angles, sizes.angles, ends.size, of_angles, step % CHUNK)
            if step % CHUNK == 0:
                count = min(CHUNK, steps - step)
                at = step * (sizes.width + sizes.heard)
                add_outer(of_layer, inputs, at, count, first_sums, bias_sums)
                if sizes.kind != LINEAR:
                    at = step * sizes.units
                    add_outer(of_angles, hidden, at, count, output_sums, output_bias_sums)
    ends[:] = steps
    if run.by_fed:
        scatter_rows(fed, ends, steps, first, view(like, run.by_fed, (batch, sizes.readouts)))
    if run.by_start:
        scatter_rows(lam, ends, steps, first, view(like, run.by_start, (batch, 2 << n)))

"""The backward pass of whole sequences in one compiled call.

States are undone step by step together with the adjoint state, the derivative of the loss with
respect to the amplitudes, so that no state of an earlier step is stored. The derivatives with
respect to the controller's weights are summed on the way.
"""

from __future__ import annotations

from typing import Any

from qrnn_qiskit.engines.contract import GIVEN, LINEAR, NORM_STEPS
from qrnn_qiskit.engines.cpu.angles import scatter_slopes
from qrnn_qiskit.engines.cpu.blocks import (
    add_rows,
    any_ends,
    find_ends,
    gather_step,
    scatter_rows,
    scatter_step,
    zero_vectors,
)
from qrnn_qiskit.engines.cpu.call_records import (
    find_block,
    open_backward,
    open_paulis,
    open_program,
    open_sizes,
    view,
)
from qrnn_qiskit.engines.cpu.diagonals import scratch_vectors
from qrnn_qiskit.engines.cpu.lane_vectors import VECTOR_BYTES, load, store
from qrnn_qiskit.engines.cpu.layers import add_product, pull_hidden, transpose
from qrnn_qiskit.engines.cpu.numba_compiler import entry_point, kernel
from qrnn_qiskit.engines.cpu.readouts import normalize, pull_observables
from qrnn_qiskit.engines.cpu.steps import unevolve
from qrnn_qiskit.engines.cpu.threads import share_blocks
from qrnn_qiskit.engines.cpu.weight_gradients import (
    CHUNK,
    add_blocks,
    add_outer,
    count_weights,
    open_sums,
    put_step,
)


@entry_point
def reverse_sequences(table: Any, doubles: Any, like: Any, sizes: Any, addresses: Any) -> None:
    """Undo all steps of all sequences and pull the derivative of the loss back through them.

    Args:
        table: As in :func:`.forward_kernel.run_sequences`.
        doubles: As in :func:`.forward_kernel.run_sequences`.
        like: As in :func:`.forward_kernel.run_sequences`.
        sizes: As in :func:`.forward_kernel.run_sequences`.
        addresses: A record of :class:`.call_records.Backward`.
    """
    sizes, run = open_sizes(sizes), open_backward(addresses)
    program, paulis = open_program(table, doubles, like), open_paulis(table, like)
    lanes = VECTOR_BYTES // like.itemsize
    blocks = (sizes.batch + lanes - 1) // lanes
    width = sizes.width if run.by_x else 0  # columns of x are left out where nobody needs them
    weight = view(like, run.first, (sizes.layer, sizes.width + sizes.heard))
    by_seen = transpose(weight, width + sizes.heard)
    by_units = transpose(view(like, run.output, (sizes.angles, sizes.units)), sizes.units)
    arguments = (program, paulis, table, like, sizes, run, width, by_seen, by_units)
    share_blocks(_reverse_block, blocks, sizes.threads, arguments)
    if run.sums:
        numbers = count_weights(sizes)
        sums = view(like, run.sums, (blocks, numbers))
        add_blocks(sums, view(like, run.by_weights, (numbers,)))


@kernel
def _reverse_block(block: int, arguments: Any) -> None:
    """Undo all steps of a block of sequences, and sum its derivatives with respect to the weights.

    It is long because it opens every array once and then holds the loop over the steps.
    """
    program, paulis, table, like, sizes, run, width, by_seen, by_units = arguments
    n = program.num_qubits
    lanes = VECTOR_BYTES // like.itemsize
    first = block * lanes
    size = lanes << (n + 1)
    batch, steps = sizes.batch, sizes.steps
    psi = find_block(like, run.back, block, (size,))
    lam = find_block(like, run.adjoint, block, (size,))
    columns = program.offset.size
    turns = find_block(like, run.turns, block, (steps, 2 * columns * lanes))
    all_lanes = steps * lanes
    inputs = find_block(like, run.inputs, block, (all_lanes * (sizes.width + sizes.heard),))
    hidden = find_block(like, run.hidden, block, (all_lanes * sizes.units,))
    slope = find_block(like, run.slope, block, (all_lanes * sizes.layer,))
    by_values = view(like, run.by_values, (batch, steps, sizes.readouts))
    by_final = view(like, run.by_final, (batch, sizes.readouts))
    by_vector = view(like, run.by_vector, (batch, 2 << n))
    by_theta = view(like, run.by_theta, (batch, steps, sizes.angles))
    by_x = view(like, run.by_x, (batch, steps, sizes.width))
    given = view(table, run.ends, (batch,))
    ends = find_ends(given, run.ends != 0, steps, first, lanes)
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
        find_block(like, run.sums, block, (numbers,))[:] = 0.0
    if run.states:
        last = find_block(like, run.states, block, (size,))
        for k in range(2 << n):
            store(psi, k, load(last, k))
        lam[:] = 0.0
    for step in range(steps - 1, -1, -1):
        pull[:] = 0.0
        if run.by_values:
            gather_step(by_values, step, first, lanes, pull)
        if any_ends(ends, step + 1):
            if run.by_vector:
                add_rows(by_vector, ends, step + 1, first, lam)
            if run.by_final:
                add_rows(by_final, ends, step + 1, first, pull)
        # What the controller of the following step, undone before, adds through its feedback.
        for k in range(sizes.heard):
            store(pull, k, load(pull, k) + load(fed, k))
        pull_observables(psi, lam, n, paulis, pull, strings)
        slopes[:] = 0.0
        unevolve(program, psi, lam, turns[step], slopes, scratch)
        if step % NORM_STEPS == 0:
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
    ends[:] = steps  # from here on, "ended with the last step" means every sequence
    if run.by_fed:
        scatter_rows(fed, ends, steps, first, view(like, run.by_fed, (batch, sizes.readouts)))
    if run.by_start:
        scatter_rows(lam, ends, steps, first, view(like, run.by_start, (batch, 2 << n)))

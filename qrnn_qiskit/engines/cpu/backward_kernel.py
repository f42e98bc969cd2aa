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
    find_register,
    open_backward,
    open_paulis,
    open_program,
    open_sizes,
    view,
)
from qrnn_qiskit.engines.cpu.diagonals import scratch_vectors
from qrnn_qiskit.engines.cpu.lane_vectors import VECTOR_BYTES, load, store
from qrnn_qiskit.engines.cpu.layers import add_product, pull_hidden, transpose_all
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
    registers = sizes.registers
    weight = view(like, run.first, (registers, sizes.layer, sizes.width + sizes.heard))
    by_seen = transpose_all(weight, width + sizes.heard)
    output = view(like, run.output, (registers, sizes.angles, sizes.units))
    by_units = transpose_all(output, sizes.units)
    arguments = (program, paulis, table, like, sizes, run, width, by_seen, by_units)
    share_blocks(_reverse_block, registers * blocks, sizes.threads, arguments)
    if run.sums:
        numbers = count_weights(sizes)
        for register in range(registers):
            sums = find_block(like, run.sums, register, (blocks, numbers))
            add_blocks(sums, find_block(like, run.by_weights, register, (numbers,)))


@kernel
def _reverse_block(block: int, arguments: Any) -> None:
    """Undo all steps of a block of sequences, and sum its derivatives with respect to the weights.

    It is long because it opens every array once and then holds the loop over the steps.
    """
    program, paulis, table, like, sizes, run, width, by_seen_all, by_units_all = arguments
    n = program.num_qubits
    lanes = VECTOR_BYTES // like.itemsize
    size = lanes << (n + 1)
    batch, steps, registers = sizes.batch, sizes.steps, sizes.registers
    of_register = (batch + lanes - 1) // lanes
    register = block // of_register
    first = (block - register * of_register) * lanes
    by_seen, by_units = by_seen_all[register], by_units_all[register]
    readouts, state = sizes.readouts, 2 << n  # numbers of one register
    psi = find_block(like, run.back, block, (size,))
    lam = find_block(like, run.adjoint, block, (size,))
    columns = program.offset.size
    turns = find_block(like, run.turns, block, (steps, 2 * columns * lanes))
    all_lanes = steps * lanes
    inputs = find_block(like, run.inputs, block, (all_lanes * (sizes.width + sizes.heard),))
    hidden = find_block(like, run.hidden, block, (all_lanes * sizes.units,))
    slope = find_block(like, run.slope, block, (all_lanes * sizes.layer,))
    shape = (batch, steps, registers * readouts)
    by_values = find_register(like, run.by_values, register, readouts, shape)
    by_final = find_register(like, run.by_final, register, readouts, (batch, registers * readouts))
    by_vector = find_register(like, run.by_vector, register, state, (batch, registers * state))
    shape = (batch, steps, registers * sizes.angles)
    by_theta = find_register(like, run.by_theta, register, sizes.angles, shape)
    by_x = find_block(like, run.by_x, register, (batch, steps, sizes.width))
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
    stop = view(table, run.stop, (1,))
    for step in range(steps - 1, -1, -1):
        if stop[0]:
            return
        pull[:] = 0.0
        if run.by_values:
            gather_step(by_values, step, first, lanes, pull)
        if any_ends(ends, step + 1):
            if run.by_vector:
                add_rows(by_vector, ends, step + 1, first, lanes, lam)
            if run.by_final:
                add_rows(by_final, ends, step + 1, first, lanes, pull)
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
        by_fed = find_register(like, run.by_fed, register, readouts, (batch, registers * readouts))
        scatter_rows(fed, ends, steps, first, lanes, by_fed)
    if run.by_start:
        by_start = find_register(like, run.by_start, register, state, (batch, registers * state))
        scatter_rows(lam, ends, steps, first, lanes, by_start)

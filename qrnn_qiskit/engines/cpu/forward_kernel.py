"""Whole sequences in one compiled call: controller, circuit and readouts, all steps forward.

Arrays of a batch are (B, T, width); inside a block they are lane vectors. A block belongs to one
register, whose weights all of its lanes share. A thread takes a block through all steps, so threads
wait for each other once per call and not once per step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrnn_qiskit.engines.contract import GIVEN, LINEAR, NORM_STEPS
from qrnn_qiskit.engines.cpu.angles import gather_turns
from qrnn_qiskit.engines.cpu.blocks import (
    any_ends,
    copy_vectors,
    find_ends,
    gather_rows,
    gather_step,
    scatter_rows,
    scatter_step,
    zero_vectors,
)
from qrnn_qiskit.engines.cpu.call_records import (
    CARRIED,
    GIVEN_VECTOR,
    find_block,
    find_register,
    open_forward,
    open_paulis,
    open_program,
    open_sizes,
    view,
)
from qrnn_qiskit.engines.cpu.diagonals import scratch_vectors
from qrnn_qiskit.engines.cpu.lane_vectors import VECTOR_BYTES, splat, square_root, store
from qrnn_qiskit.engines.cpu.layers import activate, apply_layer, drop
from qrnn_qiskit.engines.cpu.numba_compiler import entry_point, kernel
from qrnn_qiskit.engines.cpu.readouts import read_observables, scale_state
from qrnn_qiskit.engines.cpu.steps import evolve
from qrnn_qiskit.engines.cpu.threads import share_blocks


@kernel
def _open_residual(run: Any, doubles: Any, block: int, size: int) -> Any:
    """Return the residuals of a block: those of the caller, or zeros for a whole sequence."""
    if run.residual:
        return find_block(doubles, run.residual, block, (size,))
    return np.zeros(size)


@kernel
def _is_finite(numbers: Any) -> bool:
    """Return whether no number is NaN or infinite.

    0 times such a number is NaN, and so is every sum with it: one pass without a branch.
    """
    a = b = c = d = zero = numbers.dtype.type(0.0)
    i = 0
    while i + 4 <= numbers.size:  # four sums at a time to hide latency
        a += zero * numbers[i]
        b += zero * numbers[i + 1]
        c += zero * numbers[i + 2]
        d += zero * numbers[i + 3]
        i += 4
    while i < numbers.size:
        a += zero * numbers[i]
        i += 1
    return bool(a + b + c + d == 0.0)


@entry_point
def run_sequences(table: Any, doubles: Any, like: Any, sizes: Any, addresses: Any) -> bool:
    """Run all steps of all sequences, if all inputs are finite.

    Args:
        table: The circuit and the observables, see :func:`.call_records.list_addresses`.
        doubles: Any float64 array, for its type.
        like: Any array of the states' dtype, for its type.
        sizes: A record of :class:`.call_records.Sizes`.
        addresses: A record of :class:`.call_records.Forward`.

    Returns:
        False if an input is NaN or infinite; nothing has been written then.
    """
    sizes, run = open_sizes(sizes), open_forward(addresses)
    if run.x and not _is_finite(view(like, run.x, (sizes.batch * sizes.steps * sizes.width,))):
        return False
    program, paulis = open_program(table, doubles, like), open_paulis(table, like)
    lanes = VECTOR_BYTES // like.itemsize
    arguments = (program, paulis, table, doubles, like, sizes, run)
    blocks = sizes.registers * ((sizes.batch + lanes - 1) // lanes)
    share_blocks(_run_block, blocks, sizes.threads, arguments)
    return True


@kernel
def _run_block(block: int, arguments: Any) -> None:
    """Run all steps of the sequences of a block.

    It is long because it opens every array once and then holds the loop over the steps.
    """
    program, paulis, table, doubles, like, sizes, run = arguments
    n = program.num_qubits
    lanes = VECTOR_BYTES // like.itemsize
    size = lanes << (n + 1)
    batch, steps, registers = sizes.batch, sizes.steps, sizes.registers
    of_register = (batch + lanes - 1) // lanes
    register = block // of_register
    first = (block - register * of_register) * lanes
    psi = find_block(like, run.states, block, (size,))
    readouts, state = sizes.readouts, 2 << n  # numbers of one register
    shape = (batch, steps, registers * sizes.angles)
    theta = find_register(like, run.theta, register, sizes.angles, shape)
    x = view(like, run.x, (batch, steps, sizes.width))
    fed = find_register(like, run.fed, register, readouts, (sizes.rows, registers * readouts))
    shape = (batch, steps, registers * sizes.units)
    factors = find_register(like, run.factors, register, sizes.units, shape)
    all_lanes = steps * lanes
    inputs = find_block(like, run.inputs, block, (all_lanes * (sizes.width + sizes.heard),))
    hidden = find_block(like, run.hidden, block, (all_lanes * sizes.units,))
    slope = find_block(like, run.slope, block, (all_lanes * sizes.layer,))
    shape = (batch, steps, registers * readouts)
    values = find_register(like, run.values, register, readouts, shape)
    final = find_register(like, run.final, register, readouts, (batch, registers * readouts))
    vector = find_register(like, run.vector, register, state, (batch, registers * state))
    weight = find_block(like, run.first, register, (sizes.layer, sizes.width + sizes.heard))
    bias = find_block(like, run.first_bias, register, (sizes.layer,))
    output = find_block(like, run.output, register, (sizes.angles, sizes.units))
    output_bias = find_block(like, run.output_bias, register, (sizes.angles,))
    given = view(table, run.ends, (batch,))
    ends = find_ends(given, run.ends != 0, steps, first, lanes)
    columns = program.offset.size
    turns = zero_vectors(2 * columns, lanes, like)
    kept = find_block(like, run.turns, block, (steps, 2 * columns * lanes))
    scratch = zero_vectors(scratch_vectors(n), lanes, like)
    rest = _open_residual(run, doubles, block, columns * lanes)
    strings = zero_vectors(paulis.matrix.shape[1], lanes, like)
    angles = zero_vectors(sizes.angles, lanes, like)
    units, masks = zero_vectors(sizes.units, lanes, like), zero_vectors(sizes.units, lanes, like)
    layer = zero_vectors(sizes.layer, lanes, like)
    steep = zero_vectors(sizes.layer, lanes, like)
    # The controller reads [x ; readouts] as one vector. The readouts of a step are written to its
    # end, where the controller of the next step reads them, without a copy.
    seen = zero_vectors(sizes.width + sizes.readouts, lanes, like)
    new, read = seen[: sizes.width * lanes], seen[sizes.width * lanes :]
    known = seen[: (sizes.width + sizes.heard) * lanes]
    if sizes.origin != CARRIED:
        if sizes.origin == GIVEN_VECTOR:
            start = find_register(like, run.start, register, state, (batch, registers * state))
            gather_rows(start, first, lanes, psi)
        else:
            psi[:] = 0.0
            store(psi, 0, splat(psi, 1.0))
    if sizes.heard:
        gather_rows(fed, first, lanes, read)
    stop = view(table, run.stop, (1,))
    for step in range(steps):
        if stop[0]:
            return
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
            turns = kept[step]  # written where backward reads them, without a copy
        gather_turns(program, angles, turns, rest)
        evolve(program, psi, turns, scratch)
        total = read_observables(psi, n, paulis, strings, read)
        scatter_step(read, step, first, lanes, values)
        ended = any_ends(ends, step + 1)
        if ended or step % NORM_STEPS == 0 or step + 1 == steps:
            scale_state(psi, 2 << n, splat(psi, 1.0) / square_root(total))
        if ended and run.vector:
            scatter_rows(psi, ends, step + 1, first, lanes, vector)
        if ended and run.final:
            scatter_rows(read, ends, step + 1, first, lanes, final)

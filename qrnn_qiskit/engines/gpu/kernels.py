"""The two Triton kernels: all steps of all sequences in one launch, forward and backward.

A program runs one sequence from the first step to the last. Its states and what else it works on
are rows of its own in global memory, small enough to stay in the caches of its processor.
"""

from __future__ import annotations

import triton
import triton.language as tl

from qrnn_qiskit.engines.gpu.angles import gather_turns, scatter_slopes
from qrnn_qiskit.engines.gpu.layers import (
    LINEAR,
    activate,
    add_rows,
    apply_layer,
    copy_row,
    pull_hidden,
)
from qrnn_qiskit.engines.gpu.readouts import (
    normalize,
    pull_observables,
    read_observables,
    scale_state,
)
from qrnn_qiskit.engines.gpu.steps import evolve, unevolve


@triton.jit(do_not_specialize=["num_steps"])
def run_sequences(
    circuit: tl.tuple,
    observables: tl.tuple,
    network: tl.tuple,
    trace: tl.tuple,
    work: tl.tuple,
    states: tl.tensor,
    ends: tl.tensor,
    last: tl.tensor,
    num_steps: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
    KIND: tl.constexpr,
    DROPS: tl.constexpr,
    NORM_STEPS: tl.constexpr,
) -> None:
    """Run all steps of the sequence of this program.

    Args:
        circuit: A :class:`.arrays.Circuit`.
        observables: An :class:`.arrays.Observables`.
        network: A :class:`.arrays.Network`.
        trace: A :class:`.arrays.Trace`, written but for the inputs of the first step, x, and
            dropout factors.
        work: A :class:`.arrays.Work`.
        states: (B, 2 * 2^n) real and imaginary parts, moved on in place.
        ends: (B,) int32 last valid step of each sequence, counted from 1.
        last: (B, 2 * 2^n) states after each sequence's last valid step, written.
        num_steps: T.
        N: n.
        TILE: Amplitudes worked on at a time, a power of two.
        KIND: The controller's activation, as :mod:`qrnn_qiskit.engines.contract` numbers them.
        DROPS: Whether ``trace.hidden`` comes in as dropout factors.
        NORM_STEPS: After how many steps the norm is set to 1.
    """
    row = tl.program_id(0).to(tl.int64)
    psi = states + row * (2 << N)
    turns = work.turns + row * (2 * circuit.num_columns)
    residual = work.residual + row * circuit.num_columns
    sums = work.sums + row * work.num_sums
    strings = work.strings + row * observables.num_strings
    end = tl.load(ends + row)
    for step in range(num_steps):
        place = row * num_steps + step
        inputs = trace.inputs + place * network.num_inputs
        theta = trace.theta + place * network.num_angles
        if KIND == LINEAR:
            apply_layer(
                network.first, network.first_bias, inputs, theta, network.num_inputs, network.width
            )
        else:
            layer = trace.slope + place * network.width
            hidden = trace.hidden + place * network.num_units
            apply_layer(
                network.first, network.first_bias, inputs, layer, network.num_inputs, network.width
            )
            tl.debug_barrier()
            activate(layer, hidden, network.num_units, KIND, DROPS)
            tl.debug_barrier()
            apply_layer(
                network.output,
                network.output_bias,
                hidden,
                theta,
                network.num_units,
                network.num_angles,
            )
        tl.debug_barrier()
        gather_turns(circuit, theta, turns, residual)
        tl.debug_barrier()
        evolve(circuit, psi, turns, N, TILE)
        values = trace.readouts + place * observables.num_observables
        total = read_observables(psi, observables, values, strings, sums, N, TILE)
        tl.debug_barrier()
        if step + 1 < num_steps:
            heard = inputs + 2 * network.num_inputs - network.num_heard
            copy_row(values, heard, network.num_heard)
        is_end = step + 1 == end
        if is_end | (step % NORM_STEPS == 0) | (step + 1 == num_steps):
            scale_state(psi, 1.0 / tl.sqrt(total), N, TILE)
        tl.debug_barrier()
        if is_end:
            copy_row(psi, last + row * (2 << N), 2 << N)


@triton.jit(do_not_specialize=["num_steps"])
def reverse_sequences(
    circuit: tl.tuple,
    observables: tl.tuple,
    network: tl.tuple,
    trace: tl.tuple,
    work: tl.tuple,
    states: tl.tensor,
    adjoints: tl.tensor,
    ends: tl.tensor,
    weights: tl.tensor,
    by_last: tl.tensor,
    by_theta: tl.tensor,
    by_layer: tl.tensor,
    num_steps: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
    KIND: tl.constexpr,
    NORM_STEPS: tl.constexpr,
) -> None:
    """Undo all steps of a sequence and pull the derivative of the loss back through them.

    Args:
        circuit: As in :func:`run_sequences`.
        observables: Likewise.
        network: An :class:`.arrays.Network`, the way back.
        trace: As :func:`run_sequences` left it.
        work: As in :func:`run_sequences`; ``fed`` holds on return the derivative by the readouts
            that the first step was fed with.
        states: (B, 2 * 2^n) after the last step; those before the first on return.
        adjoints: (B, 2 * 2^n) zeros; the derivative by the states before the first step on return.
        ends: As in :func:`run_sequences`.
        weights: (B, T, K) derivative of the loss by the readouts.
        by_last: (B, 2 * 2^n) derivative by the states at ``ends``, or None.
        by_theta: (B, T, P) derivative by the angles, written.
        by_layer: (B, T, W) derivative by the first layer, written; None without a hidden layer.
        num_steps: T.
        N: n.
        TILE: As in :func:`run_sequences`.
        KIND: Likewise.
        NORM_STEPS: Likewise.
    """
    row = tl.program_id(0).to(tl.int64)
    psi, lam = states + row * (2 << N), adjoints + row * (2 << N)
    turns = work.turns + row * (2 * circuit.num_columns)
    residual = work.residual + row * circuit.num_columns
    slopes = work.slopes + row * circuit.num_columns
    sums = work.sums + row * work.num_sums
    strings = work.strings + row * observables.num_strings
    pull = work.pull + row * observables.num_observables
    fed = work.fed + row * observables.num_observables
    end = tl.load(ends + row)
    for back in range(num_steps):
        step = num_steps - 1 - back
        place = row * num_steps + step
        if by_last is not None:  # noqa: SIM102 -- decided while compiling, the other one in a run
            if step + 1 == end:
                add_rows(lam, by_last + row * (2 << N), lam, 2 << N)
        theta = trace.theta + place * network.num_angles
        given = weights + place * observables.num_observables
        add_rows(given, fed, pull, observables.num_observables)
        gather_turns(circuit, theta, turns, residual)
        tl.debug_barrier()
        pull_observables(psi, lam, observables, pull, strings, N, TILE)
        tl.debug_barrier()
        unevolve(circuit, psi, lam, turns, slopes, sums, N, TILE)
        if step % NORM_STEPS == 0:
            normalize(psi, lam, N, TILE)
        by_angles = by_theta + place * network.num_angles
        scatter_slopes(circuit, slopes, by_angles)
        tl.debug_barrier()
        if KIND == LINEAR:
            apply_layer(network.first, None, by_angles, fed, network.num_angles, network.num_heard)
        else:
            units = work.units + row * network.num_units
            apply_layer(
                network.output, None, by_angles, units, network.num_angles, network.num_units
            )
            tl.debug_barrier()
            slope = trace.slope + place * network.width
            layer = by_layer + place * network.width
            pull_hidden(slope, units, layer, network.width, network.num_units)
            tl.debug_barrier()
            apply_layer(network.first, None, layer, fed, network.width, network.num_heard)
        tl.debug_barrier()

"""The two Triton kernels: all steps of all sequences in one launch, forward and backward.

A program runs one sequence from the first step to the last. Its states and scratch memory are rows
of arrays in global memory, small enough to stay in the caches of its processor.

Threads of a program exchange numbers through these rows. ``tl.debug_barrier`` makes all of them
wait for each other; one stands wherever a number is read that another thread wrote, or overwritten
that another thread may still read.
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
        trace: A :class:`.arrays.Trace`, written, except for x, the inputs of the first step and
            dropout factors, which are given.
        work: A :class:`.arrays.Work`.
        states: States (B, 2 * 2^n), real and imaginary parts, moved on in place.
        ends: The last valid step of each sequence, counted from 1, (B,) int32.
        last: States (B, 2 * 2^n) after that step, written.
        num_steps: T.
        N: n.
        TILE: The number of amplitudes per pass of a loop, a power of two.
        KIND: The controller's activation, as numbered in :mod:`qrnn_qiskit.engines.contract`.
        DROPS: Whether ``trace.hidden`` holds dropout factors at first.
        NORM_STEPS: The number of steps after which states are scaled to norm 1.
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
            # The readouts are the last num_heard inputs of the next step, which is num_inputs on.
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
        observables: As in :func:`run_sequences`.
        network: An :class:`.arrays.Network` with the weights for backward.
        trace: As written by :func:`run_sequences`.
        work: As in :func:`run_sequences`; on return, ``fed`` holds the derivative with respect to
            the readouts that the first step was fed with.
        states: States (B, 2 * 2^n) after the last step; on return those before the first step.
        adjoints: Zeros (B, 2 * 2^n); on return the derivative with respect to the states before the
            first step.
        ends: As in :func:`run_sequences`.
        weights: Derivative (B, T, K) of the loss with respect to the readouts.
        by_last: Derivative (B, 2 * 2^n) with respect to the states at ``ends``, or None.
        by_theta: Derivative (B, T, P) with respect to the angles, written.
        by_layer: Derivative (B, T, W) with respect to the first layer, written; None without a
            hidden layer.
        num_steps: T.
        N: As in :func:`run_sequences`.
        TILE: As in :func:`run_sequences`.
        KIND: As in :func:`run_sequences`.
        NORM_STEPS: As in :func:`run_sequences`.
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
        if by_last is not None:  # noqa: SIM102 -- decided at compile time, the other at run time
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

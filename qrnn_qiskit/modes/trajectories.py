"""Measured mode by sampling: pure states, each with one sampled history of outcomes.

A trajectory takes 2^n amplitudes where the exact density matrix takes 2^m 4^n. Its derivative has
two parts: that of the computation at fixed outcomes (pathwise), and that of the probability of
these outcomes (score). Three measures keep the variance low: probabilities of the next outcome come
from the state instead of the draw, and the last measurement is summed over, except in the frame
"undone"; an outcome is credited only with what follows it (reward to go); and the mean of the other
trajectories of the same sequence is subtracted from that credit (leave-one-out baseline). The
estimate is unbiased.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor

from circuits.coupling import Measurement
from qrnn_qiskit.backward import Function, once_differentiable
from qrnn_qiskit.batch_random import Draws
from qrnn_qiskit.engines.cpu import Simulator, begin
from qrnn_qiskit.engines.reversible import advance, read_vector

__all__ = [
    "Samples",
    "average_samples",
    "damp_observables",
    "estimate_errors",
    "sample_trajectories",
]


class Samples(NamedTuple):
    """N trajectories of each of B sequences.

    Attributes:
        probabilities: (B, N, T, 2^m) probability of each register value, given the outcomes before.
        chosen: (B, N, T) int64, the values drawn.
        readouts: (B, N, K) readouts at each sequence's end, summed over its last outcome; in the
            frame "undone" after the last outcome.
        vectors: (B, N, 2^n) complex states after each sequence's last outcome, without gradient.
        registers: (B, N) int64, these last outcomes.
    """

    probabilities: Tensor
    chosen: Tensor
    readouts: Tensor
    vectors: Tensor
    registers: Tensor


def damp_observables(
    observables: Sequence[SparsePauliOp], measurement: Measurement
) -> list[SparsePauliOp]:
    """Return observables before a measurement with the values of ``observables`` after it.

    Summed over its outcomes, an ancilla multiplies by cos(g/2) the Pauli strings that do not
    commute with the Pauli that it reads, and leaves the others unchanged.
    """
    damped = []
    for observable in observables:
        factors = np.ones(len(observable))
        for qubit, letter in zip(measurement.qubits, measurement.bases, strict=True):
            x, z = observable.paulis.x[:, qubit], observable.paulis.z[:, qubit]
            anticommutes = (x & (letter in "ZY")) ^ (z & (letter in "XY"))
            factors[anticommutes] *= math.cos(measurement.strength / 2)
        damped.append(SparsePauliOp(observable.paulis, observable.coeffs * factors))
    return damped


def sample_trajectories(
    simulator: Simulator,
    measurement: Measurement,
    tables: Tensor,
    num_trajectories: int,
    start: tuple[Tensor, Tensor] | None,
    ends: Sequence[int],
    num_registers: int = 1,
    inverse: Simulator | None = None,
) -> Samples:
    """Sample trajectories with torch's random numbers; probabilities and readouts have gradients.

    Args:
        simulator: The compiled step, with observables of :func:`damp_observables`.
        measurement: The measurement at the end of each step.
        tables: (B, T, 2^m, P) angles in radians by the value of the register before the step.
        num_trajectories: N, at least 2.
        start: ``vectors`` and ``registers`` of an earlier call, or None for |0...0>.
        ends: The last valid step of each sequence, counted from 1.
        num_registers: R of the B are the registers of one sequence of a batch, for which random
            numbers are drawn together.
        inverse: The compiled inverse of the step with the observables themselves, which follows the
            measurement in the frame "undone".
    """
    batch, steps = tables.shape[:2]
    total = batch * num_trajectories
    kraus = [torch.from_numpy(pair).to(tables.dtype.to_complex()) for pair in measurement.kraus()]
    last = torch.tensor(ends).repeat_interleave(num_trajectories)
    vectors = None if start is None else start[0].flatten(0, 1)
    register = torch.zeros(total, dtype=torch.int64)
    if start is not None:
        register = start[1].flatten()
    everyone = torch.arange(total)
    sequence = everyone // num_trajectories
    draws = Draws()
    probabilities, chosen, by_step = [], [], []
    ended = torch.zeros(total, 1 << measurement.num_qubits, dtype=tables.dtype.to_complex())
    for t in range(steps):
        evolution, token = begin(simulator, vectors, total)
        angles = tables[sequence, t, register]
        token, readouts = advance(evolution, token, angles)
        before = read_vector(evolution, token, everyone.numpy())
        branches = _split(before, measurement, kraus)
        weights = branches.abs().square().sum(2)
        register = draws.choose(weights.detach(), batch // num_registers)
        drawn = weights[everyone, register]
        vectors = branches[everyone, register] / drawn.sqrt()[:, None]
        if inverse is not None:
            evolution, token = begin(inverse, vectors, total)
            token, readouts = advance(evolution, token, angles)
            vectors = read_vector(evolution, token, everyone.numpy())
        probabilities.append(weights)
        chosen.append(register)
        by_step.append(readouts)
        ended = torch.where((last == t + 1)[:, None], vectors.detach(), ended)
    drawn_values = torch.stack(chosen, 1)
    at_end = torch.stack(by_step, 1)[everyone, last - 1]

    def group(tensor: Tensor) -> Tensor:
        return tensor.reshape(batch, num_trajectories, *tensor.shape[1:])

    return Samples(
        group(torch.stack(probabilities, 1)),
        group(drawn_values),
        group(at_end),
        group(ended),
        group(drawn_values[everyone, last - 1]),
    )


def average_samples(
    samples: Samples, ends: Sequence[int], is_undone: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the means over trajectories of probabilities (B, T, 2^m) and readouts (B, K).

    The backward pass gives every trajectory the pathwise and the score part of the gradient.
    """
    # The outcomes that readouts depend on: they are summed over the last one, but not if undone.
    last = torch.as_tensor(ends) - int(not is_undone)
    probabilities, readouts = _Average.apply(
        samples.probabilities, samples.readouts, samples.chosen, last
    )
    return probabilities, readouts


class _Average(Function):
    @staticmethod
    def forward(
        ctx: Any, probabilities: Tensor, readouts: Tensor, chosen: Tensor, last: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(probabilities, readouts, chosen, last)
        return probabilities.mean(1), readouts.mean(1)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, by_probabilities: Tensor, by_readouts: Tensor
    ) -> tuple[Tensor, Tensor, None, None]:
        probabilities, readouts, chosen, last = ctx.saved_tensors
        count, steps = probabilities.shape[1:3]
        of_step = (by_probabilities[:, None] * probabilities).sum(3)
        after = of_step.flip(2).cumsum(2).flip(2) - of_step
        matters = torch.arange(steps) < last[:, None]
        of_readouts = (by_readouts[:, None] * readouts).sum(2)
        credit = after + of_readouts[:, :, None] * matters[:, None]
        score = (credit - credit.mean(1, keepdim=True)) / (count - 1)
        drawn = probabilities.gather(3, chosen[..., None])
        pathwise = (by_probabilities / count)[:, None].expand_as(probabilities)
        gradient = pathwise.scatter_add(3, chosen[..., None], score[..., None] / drawn)
        return gradient, (by_readouts / count)[:, None].expand_as(readouts), None, None


def _split(vectors: Tensor, measurement: Measurement, kraus: Sequence[Tensor]) -> Tensor:
    """Return the unnormalized states (R, 2^m, 2^n) of each register value of states (R, 2^n)."""
    branches = vectors[:, None]
    for qubit, pair in zip(measurement.qubits, kraus, strict=True):
        parts = branches.reshape(len(vectors), branches.shape[1], -1, 2, 1 << qubit)
        split = torch.einsum("kij,rchjl->rkchil", pair, parts)
        branches = split.reshape(len(vectors), 2 * branches.shape[1], vectors.shape[1])
    return branches


def estimate_errors(values: Tensor) -> Tensor:
    """Estimate the standard errors (B, ...) of the means over trajectories (B, N, ...)."""
    return values.detach().std(1) / math.sqrt(values.shape[1])

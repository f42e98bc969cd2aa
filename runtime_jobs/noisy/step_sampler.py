"""Readouts of prefix circuits drawn from trajectories that go on from step to step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.checks import check_fit
from runtime_jobs.estimation.standard_errors import estimate_mean
from runtime_jobs.noisy.trajectories import Jump, Trajectories

__all__ = ["ReadBasis", "SampledStep", "StepSampler"]

Values = NDArray[np.float64]


class ReadBasis(NamedTuple):
    """A basis of the final measurement.

    Attributes:
        change: The noisy gates that change the basis to Z.
        columns: The observables with terms in it.
        table: (observables, 2^n) the value of each bit string.
    """

    change: list[Jump]
    columns: list[int]
    table: Values


class SampledStep(NamedTuple):
    """One step of a recurrence.

    Attributes:
        trunk: The operations that all longer prefixes share.
        tail: The other operations of this prefix.
        bases: The bases in which its readouts are measured.
    """

    trunk: list[Jump]
    tail: list[Jump]
    bases: list[ReadBasis]


class StepSampler:
    """Samples the readouts of one step after the other.

    Every shot is a trajectory, measured once in each basis. It goes on to the next step from its
    state before the measurement: the readouts of a step are distributed as on the device, but those
    of later steps share its errors, which no observable of one step shows.

    Args:
        steps: The steps.
        assignments: For each qubit the readout error (2, 2), see :meth:`.Trajectories.read`.
        batch_size: Number of sequences B.
        shots: Number of trajectories of each sequence.
        num_observables: K.
        random: Source of the random numbers.

    Raises:
        ValueError: The states do not fit into the memory.
    """

    def __init__(
        self,
        steps: Sequence[SampledStep],
        assignments: Sequence[Values],
        batch_size: int,
        shots: int,
        num_observables: int,
        random: np.random.Generator,
    ) -> None:
        num_qubits = len(assignments)
        check_fit(
            batch_size * shots * 16 << num_qubits,
            f"noisy simulation of {num_qubits} qubits needs",
            f"for {shots} trajectories of each of {batch_size} sequence(s)",
            "Take fewer shots or a smaller batch.",
        )
        self._steps = iter(steps)
        self._assignments = assignments
        self._num_observables = num_observables
        self._rows = [Trajectories(shots, num_qubits, random) for _ in range(batch_size)]

    def advance(self, values: Values) -> tuple[Values, Values]:
        """Run the next step at the parameter values (B, P) so far.

        Returns:
            The readouts (B, K) and their standard errors.
        """
        step = next(self._steps)
        means = np.zeros((len(self._rows), self._num_observables))
        variances = np.zeros_like(means)
        for row, (trajectories, angles) in enumerate(zip(self._rows, values, strict=True)):
            trajectories.advance(step.trunk, angles)
            final = trajectories
            if step.tail:
                final = trajectories.copy()
                final.advance(step.tail, angles)
            for basis in step.bases:
                read = final.copy()
                read.advance(basis.change, angles)
                counts = read.read(self._assignments)
                mean, variance = estimate_mean(counts[None], basis.table)
                means[row, basis.columns] += mean[0]
                variances[row, basis.columns] += variance[0]
        return means, np.sqrt(variances)

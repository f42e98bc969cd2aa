"""Estimates of observables from the probabilities of bit strings, exact or with drawn shots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.executors import Estimates
from runtime_jobs.estimation.bases import Basis
from runtime_jobs.estimation.mitigation import Calibration
from runtime_jobs.estimation.standard_errors import draw_frequencies, estimate_mean

__all__ = ["Tally", "tabulate"]

Table = tuple[list[int], NDArray[np.float64], list[NDArray[np.float64]]]


class Tally:
    """Collects the estimates of K observables for a batch.

    Args:
        bases: Measurement bases of the observables.
        tables: For each basis the result of :func:`tabulate`.
        shape: (B, K).
        moves: Number of uncertain numbers of the calibration.
        shots: Shots of each basis; None for exact values.
        random: Source of the shots.
    """

    def __init__(
        self,
        bases: Sequence[Basis],
        tables: Sequence[Table],
        shape: tuple[int, int],
        moves: int,
        shots: int | None,
        random: np.random.Generator,
    ) -> None:
        self.bases = bases
        self._tables = tables
        self._shots = shots
        self._random = random
        self._values = np.zeros(shape)
        self._variances = np.zeros(shape)
        # The change of the values by each uncertain number of the calibration; factors share it.
        self._changes = np.zeros((moves, *shape))

    def add(
        self, weight: float, chunk: slice, probabilities: Sequence[NDArray[np.float64]]
    ) -> None:
        """Add ``weight`` times the values of some rows.

        Args:
            weight: Weight of the circuit in the extrapolation.
            chunk: The rows.
            probabilities: For each basis those of the bit strings (rows, 2^n).
        """
        for read, (columns, table, moved) in zip(probabilities, self._tables, strict=True):
            if self._shots is None:
                self._values[chunk, columns] += weight * (read @ table.T)
                continue
            counts = draw_frequencies(self._random, read, self._shots)
            mean, variance = estimate_mean(counts, table)
            self._values[chunk, columns] += weight * mean
            self._variances[chunk, columns] += weight**2 * variance
            for change, other in zip(self._changes, moved, strict=True):
                change[chunk, columns] += weight * (counts @ (other - table).T) / self._shots

    def close(self) -> Estimates:
        """Return values and standard errors."""
        errors = np.sqrt(self._variances + (self._changes**2).sum(0))
        return Estimates(self._values, None if self._shots is None else errors)


def tabulate(basis: Basis, num_qubits: int, calibration: Calibration | None) -> Table:
    """Tabulate the observables with terms in a basis.

    Returns:
        Indices of the observables, their table, and the tables after each move of the calibration.
    """
    if calibration is None:
        return *basis.tabulate(num_qubits), []
    moved = [calibration.move(number) for number in range(len(calibration.moves))]
    rows, table = basis.tabulate(num_qubits, calibration.worth)
    return rows, table, [basis.tabulate(num_qubits, worth)[1] for worth in moved]

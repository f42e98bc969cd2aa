"""A batch of dynamic circuits on an executor: one job forward, one job backward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.executors.gradient_methods import GradientMethod, require_gradient
from qrnn_qiskit.executors.protocol import AdjointExecutor, DynamicExecutor, Outcomes
from qrnn_qiskit.on_device.dynamic_function import DynamicCircuits, DynamicFunction, Shifts

__all__ = ["DynamicBatch"]


@dataclass(frozen=True)
class _Part:
    """The sequences with the same number of steps: one PUB."""

    rows: NDArray[np.int64]
    function: DynamicFunction
    tables: NDArray[np.float64]  # (rows, steps, 2^m, P)
    found: Outcomes


class DynamicBatch:
    """R sequences that run in one job when the batch is made.

    Args:
        circuits: The dynamic circuits.
        executor: Where they run.
        tables: (R, S, 2^m, P) radians, P being the angles of all registers of qubits; those of
            sequence r begin at column ``starts[r]``.
        starts: (R,) the first column of each sequence, where it is in |0...0>.
        stops: (R,) the column after its last step.
        steps: The number T of columns, the last ones, whose outcomes are returned.
        groups: (R,) which sequences are compared, see :class:`~qrnn_qiskit.executors.Pub`.

    Attributes:
        outcomes: (R, T, 2^m) float64 probabilities of the stored values, 0 past a sequence's end;
            those of several registers of qubits are side by side.
        values: (R, K) float64, the observables after the last step of each sequence.
        standard_errors: (R, K) of ``values``, or None where they are exact.
        shots: Executions per sequence, or None where the outcomes are exact.
        bit_errors: (R, T, bits) the standard errors of the bits where ``shots`` do not give them.
    """

    def __init__(
        self,
        circuits: DynamicCircuits,
        executor: DynamicExecutor,
        tables: NDArray[np.float64],
        starts: NDArray[np.int64],
        stops: NDArray[np.int64],
        steps: int,
        groups: NDArray[np.int64],
    ) -> None:
        self._executor = executor
        self._starts, self._stops = starts, stops
        self._shape = tables.shape
        self._first = tables.shape[1] - steps
        self._parts = self._run(circuits, tables, groups)
        self._width = circuits.num_registers * tables.shape[2]
        self.outcomes = np.zeros((len(tables), steps, self._width))
        self.values = np.zeros((len(tables), len(circuits.observables)))
        sampled = self._parts[0].found.standard_errors is not None
        self.standard_errors = np.zeros_like(self.values) if sampled else None
        self.shots = self._parts[0].found.shots
        for part in self._parts:
            self.values[part.rows] = part.found.values
            if self.standard_errors is not None and part.found.standard_errors is not None:
                self.standard_errors[part.rows] = part.found.standard_errors
            whole = np.zeros((len(part.rows), self._shape[1], self._width))
            self._place(part, part.found.outcomes, whole)
            self.outcomes[part.rows] = whole[:, self._first :]
        self.bit_errors = self._place_errors(steps)

    def pull(
        self,
        outcome_gradient: NDArray[np.float64],
        value_gradient: NDArray[np.float64],
        *,
        with_history: bool,
    ) -> NDArray[np.float64]:
        """Pull a gradient back from outcomes and readouts to the tables, in one job of shifts.

        Args:
            outcome_gradient: (R, T, 2^m), the gradient with respect to ``outcomes``.
            value_gradient: (R, K), the gradient with respect to ``values``.
            with_history: Whether the columns before the last T are differentiated too.

        Returns:
            The gradient (R, S, 2^m, P) with respect to the tables.

        Raises:
            GradientError: The executor samples and has no ``gradient``.
        """
        method = require_gradient(self._executor)
        whole = np.zeros((len(outcome_gradient), self._shape[1], self._width))
        whole[:, self._first :] = outcome_gradient
        if method.uses_adjoint:
            return self._pull_adjoint(whole, value_gradient)
        chosen = [self._choose(part, method, with_history) for part in self._parts]
        results = self._executor.run_dynamic(
            [
                part.function.shift_pub(part.tables, shifts)
                for part, shifts in zip(self._parts, chosen, strict=True)
            ]
        )
        gradient = np.zeros(self._shape)
        for part, shifts, found in zip(self._parts, chosen, results, strict=True):
            wanted = np.stack([whole[row][self._span(row)] for row in part.rows])
            pulled = part.function.pull(shifts, found, wanted, value_gradient[part.rows])
            target = gradient[part.rows]
            self._place(part, pulled, target)
            gradient[part.rows] = target
        return gradient

    def _pull_adjoint(
        self, outcome_gradient: NDArray[np.float64], value_gradient: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Pull a gradient (R, S, 2^m) and (R, K) back by the executor's adjoint."""
        assert isinstance(self._executor, AdjointExecutor)
        wanted = [
            Outcomes(
                np.stack([outcome_gradient[row][self._span(row)] for row in part.rows]),
                value_gradient[part.rows],
            )
            for part in self._parts
        ]
        pubs = [part.function.value_pub(part.tables) for part in self._parts]
        pulled = self._executor.pull_dynamic(pubs, wanted)
        gradient = np.zeros(self._shape)
        for part, found in zip(self._parts, pulled, strict=True):
            target = gradient[part.rows]
            self._place(part, part.function.pull_values(found), target)
            gradient[part.rows] = target
        return gradient

    def _run(
        self,
        circuits: DynamicCircuits,
        tables: NDArray[np.float64],
        groups: NDArray[np.int64],
    ) -> list[_Part]:
        lengths = self._stops - self._starts
        members = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
        functions = [circuits.function(int(lengths[rows[0]])) for rows in members]
        parts = [np.stack([tables[row][self._span(row)] for row in rows]) for rows in members]
        results = self._executor.run_dynamic(
            [
                function.value_pub(part, groups[rows])
                for function, part, rows in zip(functions, parts, members, strict=True)
            ]
        )
        return [_Part(*items) for items in zip(members, functions, parts, results, strict=True)]

    def _choose(self, part: _Part, method: GradientMethod, with_history: bool) -> Shifts:
        """Choose the shifted runs for the gradient of a part."""
        start = 0 if with_history else np.maximum(self._first - self._starts[part.rows], 0)
        wanted = part.function.steps[None] >= np.broadcast_to(start, len(part.rows))[:, None]
        wanted &= part.function.steps[None] >= 0
        # A branch is reached with the probability of the previous outcome that selects it.
        before = np.zeros_like(part.found.outcomes)
        before[:, 0, :: part.tables.shape[2]] = 1.0  # the value 0 of every register
        before[:, 1:] = part.found.outcomes[:, :-1].clip(0, 1)  # mitigated ones may lie outside
        if not part.function.has_branches:
            before[:] = 1.0
        reach = before[:, part.function.steps, part.function.outcomes]
        sequences, angles, factors = method.choose_shifts(wanted, reach)
        return part.function.list_shifts(sequences, angles, factors)

    def _place_errors(self, steps: int) -> NDArray[np.float64] | None:
        """Put the standard errors of the bits at their columns, 0 past a sequence's end."""
        found = [part.found.bit_errors for part in self._parts]
        if found[0] is None:
            return None
        placed = np.zeros((self._shape[0], steps, found[0].shape[2]))
        for part, errors in zip(self._parts, found, strict=True):
            assert errors is not None
            whole = np.zeros((len(part.rows), self._shape[1], errors.shape[2]))
            self._place(part, errors, whole)
            placed[part.rows] = whole[:, self._first :]
        return placed

    def _span(self, row: np.int64) -> slice:
        return slice(int(self._starts[row]), int(self._stops[row]))

    def _place(self, part: _Part, values: NDArray[np.float64], target: NDArray[np.float64]) -> None:
        """Put the steps (rows, steps, ...) of a part at their columns of ``target``."""
        for place, row in enumerate(part.rows):
            target[place, self._span(row)] = values[place]

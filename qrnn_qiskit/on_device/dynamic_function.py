"""Outcomes and readouts of a dynamic circuit as a function of its angles, with its derivatives."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

from circuits import Ansatz, DynamicCircuit, Measurement, build_dynamic, shift_parameters
from qrnn_qiskit.executors.protocol import DynamicPub, Outcomes

__all__ = ["DynamicCircuits", "DynamicFunction", "Shifts"]


class Shifts(NamedTuple):
    """R shifted runs of the sequences of a batch.

    Attributes:
        sequences: (R,) the sequence of each run.
        runs: (R,) the shift of the circuit in each run.
        factors: (R,) the factor of each run in the gradient, beside the weight of its shift rule.
    """

    sequences: NDArray[np.int64]
    runs: NDArray[np.int64]
    factors: NDArray[np.float64]


class DynamicFunction:
    """T measured steps as PUBs for an executor; it makes them but does not run them.

    One circuit serves the values and all shifts, so that it is transpiled once.

    Args:
        ansatz: Circuit of a step of one register, P angles.
        measurement: The measurement of a register that ends each step.
        num_steps: T.
        observables: K observables on all registers, read after the last step.
        num_registers: R, registers side by side. Tables are (B, T, 2^m, R P), and outcomes
            (B, T, R 2^m).

    Attributes:
        num_angles: The number of parameters G of the circuit: one for each angle of one gate in one
            branch, and those that are not differentiated.
        steps: (G,) the step of each angle; -1 for those that are not differentiated.
        has_branches: Whether the angles depend on the outcome of the step before.
        outcomes: (G,) the outcome of the step before that selects the branch of each angle: for
            register r and its value c the index r 2^m + c.
    """

    def __init__(
        self,
        ansatz: Ansatz,
        measurement: Measurement,
        num_steps: int,
        observables: Sequence[SparsePauliOp],
        num_registers: int = 1,
    ) -> None:
        dynamic = build_dynamic(ansatz, measurement, num_steps, num_registers)
        fixed = [angle for pair in dynamic.basis for angle in pair]
        if dynamic.strength is not None:
            fixed.append(dynamic.strength)
        self._tables = dynamic
        self.has_branches = measurement.bit_feedback
        self._shifted = shift_parameters(dynamic.circuit, fixed=fixed)
        self._observables = list(observables)
        self.num_angles = len(self._shifted.offsets)
        self.steps = np.full(self.num_angles, -1)
        self.outcomes = np.zeros(self.num_angles, np.int64)
        of_column = np.full((2, dynamic.num_parameters), -1)
        used = dynamic.table_columns >= 0
        steps, values, angles = np.nonzero(used)
        register = angles // ansatz.num_parameters
        of_column[0, dynamic.table_columns[used]] = steps
        of_column[1, dynamic.table_columns[used]] = register * dynamic.num_outcomes + values
        self.steps[self._shifted.rows] = of_column[0, self._shifted.columns]
        self.outcomes[self._shifted.rows] = of_column[1, self._shifted.columns]
        self._circuit = dataclasses.replace(
            dynamic, circuit=self._shifted.circuit, gate_columns=self._list_branches(num_registers)
        )
        self._first = np.searchsorted(self._shifted.angles, np.arange(self.num_angles))
        self._count = np.bincount(self._shifted.angles, minlength=self.num_angles)

    @property
    def circuit(self) -> DynamicCircuit:
        """The circuit of all PUBs, with a separate parameter for every angle of every branch."""
        return self._circuit

    def count_runs(self) -> NDArray[np.int64]:
        """The shifted runs that the rule of each differentiated angle takes."""
        return self._count[self.steps >= 0]

    def value_pub(
        self, tables: NDArray[np.float64], groups: NDArray[np.int64] | None = None
    ) -> DynamicPub:
        """The PUB at ``tables`` (B, T, 2^m, P) in radians."""
        values = self._shifted.spread(self._tables.bind_values(tables))
        return DynamicPub(self._circuit, values, self._observables, groups)

    def list_shifts(
        self,
        sequences: NDArray[np.int64],
        angles: NDArray[np.int64],
        factors: NDArray[np.float64],
    ) -> Shifts:
        """List all runs of the shift rules of A chosen angles.

        Args:
            sequences: (A,) the sequence of each angle.
            angles: (A,) which of the G angles.
            factors: (A,) the factor of each angle in the gradient.
        """
        count = self._count[angles]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        runs = np.repeat(self._first[angles], count) + within
        return Shifts(np.repeat(sequences, count), runs, np.repeat(factors, count))

    def shift_pub(self, tables: NDArray[np.float64], shifts: Shifts) -> DynamicPub:
        """The PUB of the ``shifts`` at ``tables`` (B, T, 2^m, P)."""
        values = self._tables.bind_values(tables)
        values = self._shifted.bind_runs(values, shifts.sequences, shifts.runs)
        groups = self._shifted.group_runs(shifts.sequences, shifts.runs)
        return DynamicPub(self._circuit, values, self._observables, groups)

    def pull(
        self,
        shifts: Shifts,
        found: Outcomes,
        outcome_gradient: NDArray[np.float64],
        value_gradient: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Pull a gradient back from outcomes and readouts to the tables.

        Args:
            shifts: The shifted runs.
            found: Their measured results.
            outcome_gradient: (B, T, R 2^m), the gradient with respect to the outcomes.
            value_gradient: (B, K), the gradient with respect to the observables.

        Returns:
            The gradient (B, T, 2^m, R P) with respect to the tables.
        """
        losses = np.einsum("rtc,rtc->r", found.outcomes, outcome_gradient[shifts.sequences])
        losses += np.einsum("rk,rk->r", found.values, value_gradient[shifts.sequences])
        by_parameter = self._shifted.pull(
            losses * shifts.factors, shifts.sequences, shifts.runs, len(outcome_gradient)
        )
        return self._find_tables(by_parameter)

    def pull_values(self, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """The gradient (B, T, 2^m, P) by the tables from that by the values of :meth:`value_pub`.

        ``gradient`` is (B, G).
        """
        return self._find_tables(self._shifted.pull_spread(gradient))

    def _list_branches(self, num_registers: int) -> NDArray[np.int64]:
        """List the angles of every branch, see :attr:`DynamicCircuit.branch_columns`."""
        shape = len(self._tables.tables), num_registers, self._tables.num_outcomes
        found = [
            np.flatnonzero((self.steps == t) & (self.outcomes == r * shape[2] + c))
            for t, r, c in np.ndindex(shape)
        ]
        columns = np.full((len(found), max(map(len, found))), -1)
        for row, angles in zip(columns, found, strict=True):
            row[: len(angles)] = angles
        return columns.reshape(*shape, -1)

    def _find_tables(self, by_parameter: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = self._tables.table_columns
        gradient: NDArray[np.float64] = by_parameter[:, columns] * (columns >= 0)
        return gradient


class DynamicCircuits:
    """The dynamic circuits of a model, built once for each number of steps.

    Args:
        ansatz: Circuit of a step of one register, P angles.
        measurement: The measurement of a register that ends each step.
        observables: K observables on all registers, read after the last step.
        num_registers: R, registers side by side.
    """

    def __init__(
        self,
        ansatz: Ansatz,
        measurement: Measurement,
        observables: Sequence[SparsePauliOp],
        num_registers: int = 1,
    ) -> None:
        self.ansatz = ansatz
        self.measurement = measurement
        self.observables = list(observables)
        self.num_registers = num_registers
        self._functions: dict[int, DynamicFunction] = {}

    def function(self, num_steps: int) -> DynamicFunction:
        """The circuit of ``num_steps`` steps."""
        if num_steps not in self._functions:
            self._functions[num_steps] = DynamicFunction(
                self.ansatz, self.measurement, num_steps, self.observables, self.num_registers
            )
        return self._functions[num_steps]

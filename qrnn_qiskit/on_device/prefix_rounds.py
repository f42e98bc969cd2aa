"""The rounds of a replay: prefix circuits, their jobs and their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor

from circuits import Ansatz, unroll
from circuits.readout import read_zero_state
from qrnn_qiskit.executors.gradient_methods import require_gradient
from qrnn_qiskit.executors.protocol import Executor
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.on_device.circuit_function import CircuitFunction
from qrnn_qiskit.on_device.history import check_history, close_history

__all__ = ["PrefixCircuits", "Rounds", "close_state"]


class PrefixCircuits:
    """The prefix circuits of an ansatz, built once for each number of steps.

    Args:
        ansatz: Circuit of a step, P angles.
        observables: The K observables read after each step.
    """

    def __init__(self, ansatz: Ansatz, observables: Sequence[SparsePauliOp]) -> None:
        self.ansatz = ansatz
        self.observables = list(observables)
        self._prefixes: dict[int, CircuitFunction] = {}

    def prefix(self, num_steps: int) -> CircuitFunction:
        """The readouts after ``num_steps`` steps as a function of num_steps * P angles."""
        if num_steps not in self._prefixes:
            circuit = unroll(self.ansatz, num_steps)
            self._prefixes[num_steps] = CircuitFunction(circuit, self.observables)
        return self._prefixes[num_steps]

    def read_zero(self) -> NDArray[np.float64]:
        """The readouts (K,) of the state |0...0>, which need no device."""
        return read_zero_state(self.observables)

    def open_state(self, state: HiddenState | None, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the steps so far (B,), angle history (B, S, P) and readouts (B, K) at the start.

        Raises:
            TypeError, ValueError: The state does not fit; see
                :func:`~qrnn_qiskit.on_device.history.check_history`.
        """
        num_angles = self.ansatz.num_parameters
        if state is None:
            zero = torch.from_numpy(self.read_zero()).to(x.dtype)
            before = torch.zeros(len(x), dtype=torch.int64)
            return before, x.new_zeros(len(x), 0, num_angles), zero.repeat(len(x), 1)
        check_history(state, len(x), len(self.observables), (num_angles,), x.dtype)
        assert state.angles is not None
        assert state.num_steps is not None
        return state.num_steps, state.angles, state.readouts


def close_state(
    output: Tensor, errors: Tensor | None, angles: Tensor, before: Tensor, last: Tensor
) -> HiddenState:
    """Return the state after each sequence's last valid step, its angle history right-aligned.

    Args:
        output: (B, T, K) readouts of the steps of this call.
        errors: Their standard errors; None where they are exact.
        angles: (B, S, P) the angles of all steps, those of this call last.
        before: (B,) steps of each sequence before this call.
        last: (B,) valid steps of each sequence in this call.
    """
    row = torch.arange(len(last))
    return HiddenState(
        output[row, last - 1],
        standard_errors=None if errors is None else errors[row, last - 1],
        output_standard_errors=errors,
        angles=close_history(angles, before, last, output.shape[1]),
        num_steps=before + last,
    )


@dataclass(frozen=True)
class _Part:
    """The sequences of a round that have run equally many steps: one PUB."""

    rows: NDArray[np.int64]
    prefix: CircuitFunction
    values: NDArray[np.float64]


class Rounds:
    """The rounds of one pass through R sequences, with their results.

    Args:
        circuits: The prefix circuits.
        executor: Where they run.
        before: (R,) steps of each sequence before the first round.
        ends: (R,) valid steps of each sequence, at least 1; a sequence does not run past its end.
        groups: (R,) which sequences are compared, see :class:`~qrnn_qiskit.executors.Pub`.

    Attributes:
        values: (R, T, K) float64 readouts, 0 past the end of a sequence.
        errors: (R, T, K) standard errors of ``values``, or None where they are exact.
    """

    def __init__(
        self,
        circuits: PrefixCircuits,
        executor: Executor,
        before: NDArray[np.int64],
        ends: NDArray[np.int64],
        groups: NDArray[np.int64],
    ) -> None:
        self.executor = executor
        self._groups = groups
        self._circuits = circuits
        self._before = before
        self._ends = ends
        self.values = np.zeros((len(ends), int(ends.max()), len(circuits.observables)))
        self.errors = None if executor.shots is None else np.zeros_like(self.values)
        self._parts: list[list[_Part]] = [[] for _ in range(self.values.shape[1])]

    def run(self, steps: Sequence[int], angles: NDArray[np.float64]) -> None:
        """Run some rounds in one job.

        Args:
            steps: The rounds, counted from 0, in order.
            angles: (R, S, P) radians; the last column belongs to the last of ``steps``.
        """
        for step in steps:
            width = angles.shape[1] - (steps[-1] - step)
            self._parts[step] = self._divide(step, angles[:, :width])
        parts = [(step, part) for step in steps for part in self._parts[step]]
        estimates = self.executor.run(
            [part.prefix.value_pub(part.values, self._groups[part.rows]) for _, part in parts]
        )
        for (step, part), estimate in zip(parts, estimates, strict=True):
            self.values[part.rows, step] = estimate.values
            if self.errors is not None:
                self.errors[part.rows, step] = estimate.standard_errors

    def read(self, step: int, dtype: torch.dtype) -> Tensor:
        """The readouts (R, K) of a round."""
        return torch.from_numpy(self.values[:, step].copy()).to(dtype)

    def pull(self, step: int, gradient: NDArray[np.float64], width: int) -> NDArray[np.float64]:
        """Pull a gradient back from the readouts of a round to all angles so far.

        With parameter shift the first call runs the shifts of all rounds in one job.

        Args:
            step: The round, counted from 0.
            gradient: (R, K), the gradient with respect to the readouts.
            width: The number of angle columns S.

        Returns:
            The gradient (R, S, P) with respect to the angles.

        Raises:
            GradientError: The executor samples and has no ``gradient``.
        """
        angles = np.zeros((len(gradient), width, self._circuits.ansatz.num_parameters))
        for number, part in enumerate(self._parts[step]):
            if require_gradient(self.executor).uses_simulator:
                pulled = part.prefix.pull_noiseless(part.values, gradient[part.rows])
            else:
                derivative = self._derivatives[step][number]
                pulled = np.einsum("bk,bkp->bp", gradient[part.rows], derivative)
            pulled = pulled.reshape(len(part.rows), -1, angles.shape[2])
            angles[part.rows, width - pulled.shape[1] :] = pulled
        return angles

    def _divide(self, step: int, angles: NDArray[np.float64]) -> list[_Part]:
        """Divide the sequences that still run by their number of steps."""
        rows = np.flatnonzero(self._ends > step)
        lengths = self._before[rows] + step + 1
        parts = []
        for length in np.unique(lengths):
            chosen = rows[lengths == length]
            values = angles[chosen, angles.shape[1] - length :].reshape(len(chosen), -1)
            parts.append(_Part(chosen, self._circuits.prefix(int(length)), values))
        return parts

    @cached_property
    def _derivatives(self) -> list[list[NDArray[np.float64]]]:
        """Of every part of every round (B, K, angles of its prefix), from one job of all shifts."""
        parts = [part for parts in self._parts for part in parts]
        estimates = iter(self.executor.run([p.prefix.shift_pub(p.values) for p in parts]))
        return [[p.prefix.differentiate(next(estimates)) for p in parts] for parts in self._parts]

"""Random functions of the bits of several registers, whose weights do not multiply.

No gate joins two registers, and the branches of each hear its own bits only. So what is measured on
a register is independent of the functions drawn for the bits of the others, whose weights have the
mean 1. Without them the mean of an estimate stays the same, and its variance does not grow with the
number of registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from circuits.separation import find_owners, find_parts, find_support
from qrnn_qiskit.executors import DynamicPub
from runtime_jobs.estimation.feed_forward import (
    Draws,
    Mean,
    draw_functions,
    find_heard,
    weigh_functions,
)

__all__ = ["RegisterDraws"]

Values = NDArray[np.float64]
Columns = NDArray[np.int64]


class _Group(NamedTuple):
    """Registers that share their draws.

    Attributes:
        registers: Their numbers.
        observables: The indices of the observables on them.
        draws: The functions of their bits.
    """

    registers: Columns
    observables: Columns
    draws: Draws


class RegisterDraws:
    """Functions of the bits of R registers, drawn for each register separately.

    Registers that an observable joins share their draws, and the weights of their bits multiply.

    Args:
        pub: B sets of values of a circuit of T steps.
        errors: (T - 1, R, m, 2), see :func:`.weigh_functions`.
        rows: Rows of each set, at least 4.
        random: Source of the draws.

    Attributes:
        rows: Rows of each set.
    """

    def __init__(
        self, pub: DynamicPub, errors: Values, rows: int, random: np.random.Generator
    ) -> None:
        self.rows = rows
        circuit, batch = pub.circuit, len(np.asarray(pub.values))
        size = circuit.measurement.num_qubits
        acted = [[q // size for q in find_support(each)] for each in pub.observables]
        parts = find_parts(circuit.num_registers, [each for each in acted if each])
        owners = np.array(find_owners(acted, parts), np.int64)
        self._groups = [
            _Group(
                np.array(registers),
                np.flatnonzero(owners == number),
                draw_functions(random, errors[:, registers], circuit.num_steps, batch, rows),
            )
            for number, registers in enumerate(parts)
        ]

    def find_heard(self) -> NDArray[np.int64]:
        """Return what each branch hears (B * rows, T - 1, R, 2^m), see :func:`.find_heard`."""
        heard = [find_heard(group.draws) for group in self._groups]
        order = np.argsort(np.concatenate([group.registers for group in self._groups]))
        return np.concatenate(heard, 2)[:, :, order]

    def weigh(self, drawn: Values, errors: Values) -> list[Values]:
        """Return for each group of registers the weights of its rows, see :meth:`.Draws.weigh`.

        Args:
            drawn: The errors (T - 1, R, m, 2) that the functions were drawn with.
            errors: Those to undo.
        """
        weights = weigh_functions(errors, drawn)
        return [group.draws.weigh(weights[:, group.registers]) for group in self._groups]

    def average_observables(
        self, weights: Sequence[Values], results: Values, largest: Values
    ) -> Mean:
        """Return the means (B, K) of observables (B * rows, K), see :meth:`.Draws.average`."""
        columns = [group.observables for group in self._groups]
        return self._average([each[:, :, -1:] for each in weights], results, columns, largest)

    def average_steps(self, weights: Sequence[Values], results: Values, largest: float) -> Mean:
        """Return the means (B, T, R N) of N numbers of each register in each step of all rows."""
        size = results.shape[-1] // sum(len(group.registers) for group in self._groups)
        columns = [
            (group.registers[:, None] * size + np.arange(size)).ravel() for group in self._groups
        ]
        most = np.full(results.shape[-1], largest)
        return self._average([each[..., None] for each in weights], results, columns, most)

    def _average(
        self,
        weights: Sequence[Values],
        results: Values,
        columns: Sequence[Columns],
        largest: Values,
    ) -> Mean:
        """Average the columns of the last dimension that belong to each group."""
        split = results.reshape(-1, self.rows, *results.shape[1:])
        means = [
            group.draws.average(weight, split[..., chosen], largest[chosen])
            for group, weight, chosen in zip(self._groups, weights, columns, strict=True)
        ]
        order = np.argsort(np.concatenate(columns))
        values, variances = (np.concatenate(each, -1) for each in zip(*means, strict=True))
        return Mean(values[..., order], variances[..., order])

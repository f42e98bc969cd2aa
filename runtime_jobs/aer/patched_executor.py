"""Sequences side by side on several patches of a device, each patch simulated by itself.

Copies on disjoint qubits do not interact, so each runs with the noise of its own patch alone; what
crosstalk between them would do is not simulated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import QuantumCircuit

from qrnn_qiskit.executors import (
    Counts,
    DynamicExecutor,
    DynamicPub,
    Estimates,
    Outcomes,
    Pub,
    check_values,
)
from runtime_jobs.aer.executor import AerExecutor
from runtime_jobs.hardware.row_packing import deal_rows

__all__ = ["PatchedExecutor"]

_Pub = TypeVar("_Pub", Pub, DynamicPub)
Rows = list[NDArray[np.int64]]  # of a PUB on each patch that it needs


class PatchedExecutor(DynamicExecutor):
    """An executor whose rows of values are dealt over patches.

    Args:
        patches: the executor of each patch, with the same options but other qubits and seeds.
        name: of the device, for tables.

    Attributes:
        counts: what a device would run, where one execution runs all patches.
    """

    def __init__(self, patches: Sequence[AerExecutor], name: str) -> None:
        self._patches = patches
        self.name = name
        self.shots = patches[0].shots
        self.gradient = patches[0].gradient
        self.counts = Counts()

    def run(self, pubs: Sequence[Pub]) -> list[Estimates]:
        """Run one job; see :meth:`runtime_jobs.aer.executor.AerExecutor.run`."""
        dealt = [self._deal(pub, pub.circuit) for pub in pubs]
        found: list[list[Estimates]] = [[] for _ in pubs]
        for patch, members in self._share(dealt):
            parts = patch.run([_take(pubs[n], rows) for n, rows in members])
            for (number, _), part in zip(members, parts, strict=True):
                found[number].append(part)
        self._count()
        return [
            Estimates(_join(rows, [part.values for part in parts]), _join_errors(rows, parts))
            for rows, parts in zip(dealt, found, strict=True)
        ]

    def run_dynamic(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one job of dynamic circuits.

        See :class:`~runtime_jobs.aer.dynamic_runner.DynamicRunner`.
        """
        dealt = [self._deal(pub, pub.circuit.circuit) for pub in pubs]
        found: list[list[Outcomes]] = [[] for _ in pubs]
        for patch, members in self._share(dealt):
            parts = patch.run_dynamic([_take(pubs[n], rows) for n, rows in members])
            for (number, _), part in zip(members, parts, strict=True):
                found[number].append(part)
        self._count()
        return [
            Outcomes(
                _join(rows, [part.outcomes for part in parts]),
                _join(rows, [part.values for part in parts]),
                _join_errors(rows, parts),
                parts[0].shots,
            )
            for rows, parts in zip(dealt, found, strict=True)
        ]

    def sample(
        self, circuit: QuantumCircuit, values: ArrayLike, shots: int
    ) -> list[dict[str, int]]:
        """Measure all qubits; see :class:`~qrnn_qiskit.executors.Executor` and :meth:`run`."""
        values = check_values(circuit, values)
        dealt = self._deal(Pub(circuit, values, []), circuit)
        found: dict[int, dict[str, int]] = {}
        for patch, rows in zip(self._patches, dealt, strict=False):
            found |= zip(rows.tolist(), patch.sample(circuit, values[rows], shots), strict=True)
        self._count()
        return [found[row] for row in range(len(values))]

    def reseed(self, *numbers: int) -> None:
        """Draw shots from now on as the seeds and these numbers say."""
        for patch in self._patches:
            patch.reseed(*numbers)

    def describe(self) -> list[str]:
        """The layouts in use so far, a line for each patch and shape of circuit."""
        return [line for patch in self._patches for line in patch.describe()]

    def layouts(self) -> list[dict[str, Any]]:
        """Physical qubits in use so far, with the seconds of the longest circuit on them."""
        return [layout for patch in self._patches for layout in patch.layouts()]

    def _deal(self, pub: Pub | DynamicPub, circuit: QuantumCircuit) -> Rows:
        """The rows of a PUB on each patch that it needs."""
        values = check_values(circuit, pub.values)
        groups = np.arange(len(values)) if pub.groups is None else pub.groups
        deal = deal_rows(groups, len(self._patches))
        return [deal.find_rows(patch) for patch in range(deal.patches)]

    def _share(
        self, dealt: Sequence[Rows]
    ) -> Iterator[tuple[AerExecutor, list[tuple[int, NDArray[np.int64]]]]]:
        """For each patch in use the numbers of its PUBs with their rows."""
        for number, patch in enumerate(self._patches):
            members = [(n, rows[number]) for n, rows in enumerate(dealt) if number < len(rows)]
            if members:
                yield patch, members

    def _count(self) -> None:
        """The first patch has a row wherever another one has: its executions are those of all."""
        bindings = sum(patch.counts.bindings for patch in self._patches)
        for name, value in vars(replace(self._patches[0].counts, bindings=bindings)).items():
            setattr(self.counts, name, value)


def _take(pub: _Pub, rows: NDArray[np.int64]) -> _Pub:
    return pub._replace(values=np.asarray(pub.values)[rows], groups=None)


def _join(rows: Rows, parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """What was found on each patch, in the order of the rows."""
    joined = np.concatenate(parts)
    joined[np.concatenate(rows)] = joined.copy()
    return joined


def _join_errors(
    rows: Rows, parts: Sequence[Estimates] | Sequence[Outcomes]
) -> NDArray[np.float64] | None:
    errors = [part.standard_errors for part in parts if part.standard_errors is not None]
    return _join(rows, errors) if errors else None

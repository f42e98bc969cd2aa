"""Sequences side by side on several patches of a device, each patch simulated separately.

Copies on disjoint qubits do not interact, so each runs with the noise of its own patch only;
crosstalk between patches is not simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
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
_Result = TypeVar("_Result", Estimates, Outcomes)
Rows = list[NDArray[np.int64]]  # of a PUB on each patch that it needs


class PatchedExecutor(DynamicExecutor):
    """An executor that distributes the rows of values over patches.

    Args:
        patches: Executor of each patch; they differ only in qubits and seeds.
        name: Name of the device, for tables.

    Attributes:
        counts: Counts of the device, where one execution runs all patches.
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
        found = self._run_patches(pubs, dealt, lambda patch, part: patch.run(part))
        return [
            Estimates(_join(rows, [part.values for part in parts]), _join_errors(rows, parts))
            for rows, parts in zip(dealt, found, strict=True)
        ]

    def run_dynamic(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one job of dynamic circuits.

        See :meth:`runtime_jobs.aer.dynamic_runner.DynamicRunner.run`.
        """
        dealt = [self._deal(pub, pub.circuit.circuit) for pub in pubs]
        found = self._run_patches(pubs, dealt, lambda patch, part: patch.run_dynamic(part))
        return [
            Outcomes(
                _join(rows, [part.outcomes for part in parts]),
                _join(rows, [part.values for part in parts]),
                _join_errors(rows, parts),
                parts[0].shots,
                None
                if parts[0].bit_errors is None
                else _join(rows, [p.bit_errors for p in parts if p.bit_errors is not None]),
                records=_join_records(rows, parts),
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
        self._update_counts()
        return [found[row] for row in range(len(values))]

    def reseed(self, *numbers: int) -> None:
        """Restart the shots of all patches; see :meth:`AerExecutor.reseed`."""
        for patch in self._patches:
            patch.reseed(*numbers)

    def describe(self) -> list[str]:
        """The layouts in use so far, one line for each patch and shape of circuit."""
        return [line for patch in self._patches for line in patch.describe()]

    def layouts(self) -> list[dict[str, Any]]:
        """Physical qubits in use so far, with the seconds of the longest circuit on them."""
        return [layout for patch in self._patches for layout in patch.layouts()]

    def _deal(self, pub: Pub | DynamicPub, circuit: QuantumCircuit) -> Rows:
        """Choose the rows of a PUB on each patch that it needs."""
        values = check_values(circuit, pub.values)
        groups = np.arange(len(values)) if pub.groups is None else pub.groups
        deal = deal_rows(groups, len(self._patches))
        return [deal.find_rows(patch) for patch in range(deal.patches)]

    def _run_patches(
        self,
        pubs: Sequence[_Pub],
        dealt: Sequence[Rows],
        run: Callable[[AerExecutor, Sequence[_Pub]], list[_Result]],
    ) -> list[list[_Result]]:
        """Run each PUB on its patches; for each PUB the results of its patches."""
        found: list[list[_Result]] = [[] for _ in pubs]
        for number, patch in enumerate(self._patches):
            members = [n for n, rows in enumerate(dealt) if number < len(rows)]
            if not members:
                break  # PUBs take the first patches
            for n, part in zip(
                members,
                run(patch, [_take(pubs[n], dealt[n][number]) for n in members]),
                strict=True,
            ):
                found[n].append(part)
        self._update_counts()
        return found

    def _update_counts(self) -> None:
        # The first patch has a row wherever another one has: its executions are those of all.
        first = self._patches[0].counts
        for field in fields(Counts):
            setattr(self.counts, field.name, getattr(first, field.name))
        self.counts.bindings = sum(patch.counts.bindings for patch in self._patches)


def _take(pub: _Pub, rows: NDArray[np.int64]) -> _Pub:
    return pub._replace(values=np.asarray(pub.values)[rows], groups=None)


def _join(rows: Rows, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Join the results of all patches in the order of the rows."""
    joined: NDArray[Any] = np.concatenate(parts)
    joined[np.concatenate(rows)] = joined.copy()
    return joined


def _join_errors(
    rows: Rows, parts: Sequence[Estimates] | Sequence[Outcomes]
) -> NDArray[np.float64] | None:
    errors = [part.standard_errors for part in parts if part.standard_errors is not None]
    return _join(rows, errors) if errors else None


def _join_records(rows: Rows, parts: Sequence[Outcomes]) -> NDArray[np.unsignedinteger[Any]] | None:
    records = [part.records for part in parts if part.records is not None]
    return _join(rows, records) if records else None

"""Layouts of circuits that consist of parts without a gate between them, such as registers.

Each part lies on its own connected qubits. Parts of the same shape take each other's place, so that
they are selected together, as disjoint groups of least total error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from qiskit.transpiler import Target

from circuits.separation import find_parts
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.layout import find_layouts
from runtime_jobs.hardware.set_packing import Candidates, count_most, select
from runtime_jobs.hardware.targets import DEAD_ERROR

__all__ = ["Parts"]

# Limits on the qubits of good parts; where too few parts are good, all that work are considered.
_WORST_COUPLER = 0.01
_WORST_READOUT = 0.03
_BEAM = 5000  # partial layouts that are kept


@dataclass(frozen=True)
class _Shape:
    """A part with its qubits counted from 0.

    Attributes:
        size: Number of qubits.
        interactions: Pairs (low, high) of qubits that need a coupler.
        measured: Qubits that are measured mid-circuit.
    """

    size: int
    interactions: frozenset[tuple[int, int]]
    measured: frozenset[int]


class Parts:
    """The parts of a circuit without a gate between them.

    Args:
        num_qubits: Number of qubits of the circuit.
        interactions: Pairs of qubits of the circuit that two-qubit gates act on.
        measured: Qubits of the circuit that are measured mid-circuit.
    """

    def __init__(
        self, num_qubits: int, interactions: Iterable[tuple[int, int]], measured: Collection[int]
    ) -> None:
        pairs = list(interactions)
        self.num_qubits = num_qubits
        self.members = find_parts(num_qubits, pairs)
        self._shapes: dict[_Shape, list[tuple[int, ...]]] = {}
        for members in self.members:
            place = {qubit: k for k, qubit in enumerate(members)}
            shape = _Shape(
                len(members),
                frozenset((place[a], place[b]) for a, b in pairs if a in place),
                frozenset(place[qubit] for qubit in measured if qubit in place),
            )
            self._shapes.setdefault(shape, []).append(members)

    @property
    def are_several(self) -> bool:
        """Whether at least two parts have gates between their qubits."""
        return sum(len(members) > 1 for members in self.members) > 1

    def place(
        self, target: Target, name: str, copies: int, spacing: int
    ) -> tuple[tuple[int, ...], ...]:
        """Choose disjoint qubits for copies of the circuit, those of least error first.

        Args:
            target: The device.
            name: Name of the device, for messages.
            copies: Number of copies of the circuit.
            spacing: The qubits of two parts are more than this number of couplers apart.

        Returns:
            For each copy the physical qubit of each qubit of the circuit.

        Raises:
            DeviceError: The device has fewer; the message gives the number that would fit.
        """
        counts = [copies * len(parts) for parts in self._shapes.values()]
        for is_good in (True, False):
            candidates = self._list_candidates(target, is_good)
            # The integer program would search long for more parts than there are qubits.
            fits = copies * self.num_qubits <= target.num_qubits
            chosen = select(target, candidates, counts, spacing) if fits else None
            if chosen is not None:
                return self._assemble(chosen, copies)
        self._refuse(target, name, candidates, copies, spacing)
        raise AssertionError

    def place_most(self, target: Target, name: str, spacing: int) -> tuple[tuple[int, ...], ...]:
        """Choose qubits for as many copies of the circuit as good qubits allow, at least one."""
        candidates = self._list_candidates(target, is_good=True)
        sizes = [len(parts) for parts in self._shapes.values()]
        most = target.num_qubits // self.num_qubits
        for kind, size in enumerate(sizes):
            most = min(most, count_most(target, candidates, kind, spacing) // size)
        for copies in range(most, 1, -1):
            chosen = select(target, candidates, [copies * size for size in sizes], spacing)
            if chosen is not None:
                return self._assemble(chosen, copies)
        return self.place(target, name, 1, spacing)

    def _list_candidates(self, target: Target, is_good: bool) -> Candidates:
        layouts: list[tuple[int, ...]] = []
        costs: list[float] = []
        kinds: list[int] = []
        for kind, shape in enumerate(self._shapes):
            best: dict[frozenset[int], tuple[float, tuple[int, ...]]] = {}
            for cost, layout in find_layouts(
                target,
                shape.size,
                sorted(shape.interactions),
                shape.measured,
                worst_coupler=_WORST_COUPLER if is_good else DEAD_ERROR,
                worst_readout=_WORST_READOUT if is_good else DEAD_ERROR,
                most=_BEAM,
                routes=False,
            ):
                best.setdefault(frozenset(layout), (cost, layout))
            for cost, layout in best.values():
                layouts.append(layout)
                costs.append(cost)
                kinds.append(kind)
        return Candidates(layouts, np.array(costs), np.array(kinds, np.int64))

    def _assemble(
        self, chosen: Sequence[Sequence[tuple[int, ...]]], copies: int
    ) -> tuple[tuple[int, ...], ...]:
        """Put the qubits of all parts of each copy at the places of the circuit's qubits."""
        placed = np.zeros((copies, self.num_qubits), int)
        for parts, layouts in zip(self._shapes.values(), chosen, strict=True):
            for number, layout in enumerate(layouts):
                copy, part = divmod(number, len(parts))
                placed[copy, list(parts[part])] = layout
        return tuple(tuple(map(int, row)) for row in placed)

    def _refuse(
        self, target: Target, name: str, candidates: Candidates, copies: int, spacing: int
    ) -> None:
        """Raise DeviceError with the number of parts, or of copies, that would fit."""
        sizes = [shape.size for shape in self._shapes]
        kind = sizes.index(max(sizes))
        needed = len(list(self._shapes.values())[kind])
        most = count_most(target, candidates, kind, spacing)
        if copies > 1:
            raise DeviceError(
                f"{copies} patches of {needed} registers of {sizes[kind]} qubits each with a "
                f"spacing of {spacing} were requested, but device {name!r} has room for {most} "
                f"registers; use --patches {max(1, most // needed)}"
                + (" or a smaller --spacing" if spacing else "")
            )
        raise DeviceError(
            f"the circuit has {needed} registers of {sizes[kind]} connected qubits each, ancillas "
            f"included, but device {name!r} has room for {most}; use "
            + (f"a model with at most num_registers={most}" if most else "smaller registers")
            + ", or a larger device"
            + (", or a smaller --spacing" if spacing else "")
        )

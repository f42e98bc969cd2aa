"""The duration of a dynamic circuit on a device, and the waits of its qubits.

Every qubit waits while one of them is measured or reset and while a bit travels to the control
electronics that choose a branch. What happens in a wait is written into the circuit: relaxation in
Aer, which has no notion of time, or pairs of gates that refocus the qubit on a device.

The passes of ``qiskit_ibm_runtime`` that pad with delays are not used: they put every gate of a
branch into a separate block (seen in 0.51), so a branch of one rotation per qubit takes nine times
too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from qiskit.circuit import (
    CircuitInstruction,
    Clbit,
    IfElseOp,
    Measure,
    QuantumCircuit,
    Qubit,
)
from qiskit.transpiler import Target

from circuits.profile import FEED_FORWARD_SECONDS, find_tested
from runtime_jobs.hardware.targets import duration_of

__all__ = ["Idle", "Timing", "insert_idling"]

Idle = Callable[[QuantumCircuit, Qubit, int, float], None]
_Branches = dict[frozenset[Clbit], list[CircuitInstruction]]  # by the bits that they test


@dataclass(frozen=True)
class Timing:
    """Durations of a circuit in seconds.

    Attributes:
        total: Time from the first gate to the end of the last measurement.
        measurement: Duration of the longest measurement.
        reset: Duration of the longest reset; 0 without resets.
        feed_forward: Sum of all waits for branches.
    """

    total: float
    measurement: float
    reset: float
    feed_forward: float

    def __str__(self) -> str:
        parts = [f"measurement {self.measurement * 1e6:.2f} us"]
        if self.reset:
            parts.append(f"reset {self.reset * 1e6:.2f} us")
        parts.append(f"feed-forward {self.feed_forward * 1e6:.2f} us in all")
        return f"circuit {self.total * 1e6:.2f} us ({', '.join(parts)})"


def insert_idling(
    circuit: QuantumCircuit, target: Target, idle: Idle
) -> tuple[QuantumCircuit, Timing]:
    """Insert the waits of every qubit; gates are scheduled as late as possible.

    Branches on disjoint qubits run at the same time (see :mod:`circuits.profile`).

    Args:
        circuit: ISA circuit for ``target`` with ``if_test`` and without nested branches.
        target: Target with the durations of instructions; those without one take no time.
        idle: Function called with the circuit under construction, a qubit of it, the number of this
            qubit in ``target``, and the seconds that it waits.

    Returns:
        The circuit with its waits, and its durations.
    """
    scheduler = _Scheduler(circuit, target, idle)
    return scheduler.run(), scheduler.timing


class _Scheduler:
    """One pass over a circuit."""

    def __init__(self, circuit: QuantumCircuit, target: Target, idle: Idle) -> None:
        self._circuit = circuit
        self._target = target
        self._idle = idle
        self._seconds = 0.0
        self._waited = 0.0
        self._tested: set[frozenset[Clbit]] = set()

    @property
    def timing(self) -> Timing:
        longest = {"measure": 0.0, "reset": 0.0}
        for item in self._circuit.data:
            name = item.operation.name
            if name in longest:
                longest[name] = max(longest[name], self._find_duration(item))
        return Timing(self._seconds, longest["measure"], longest["reset"], self._waited)

    def run(self) -> QuantumCircuit:
        built = self._circuit.copy_empty_like()
        for segment, branches in _divide(self._circuit):
            wait = 0.0 if branches.keys() <= self._tested else FEED_FORWARD_SECONDS
            self._waited += wait
            self._tested |= branches.keys()
            self._seconds += self._place(segment, built, range(built.num_qubits), wait=wait)
            if branches:
                self._seconds += self._place_branches(branches, built)
        return built

    def _place_branches(self, branches: _Branches, built: QuantumCircuit) -> float:
        """Append branches that run at the same time; return the seconds of the longest body.

        Every body fills these seconds on the qubits of all branches of its bits, of which one
        runs; the other qubits wait outside.
        """
        items = [item for group in branches.values() for item in group]
        longest = max(
            self._measure(self._list_inner(item, body))
            for item in items
            for body in item.operation.blocks
        )
        others = set(range(built.num_qubits))
        for group in branches.values():
            own = {qubit for item in group for qubit in self._find_qubits(item)}
            others -= own
            places = [self._circuit.qubits[qubit] for qubit in sorted(own)]
            for item in group:
                clbits = list(item.clbits)
                bodies = []
                for body in item.operation.blocks:
                    whole = QuantumCircuit(places, clbits)
                    inner = self._list_inner(item, body)
                    self._place(inner, whole, own, least=longest)
                    bodies.append(whole)
                operation = IfElseOp(item.operation.condition, *bodies)
                built.append(operation, places, clbits)
        self._place([], built, others, least=longest)
        return longest

    def _measure(self, items: Sequence[CircuitInstruction]) -> float:
        """Return the seconds of the longest path through ``items``."""
        ends = dict.fromkeys(range(self._circuit.num_qubits), 0.0)
        for item in items:
            qubits = self._find_qubits(item)
            end = max(ends[qubit] for qubit in qubits) + self._find_duration(item)
            ends |= dict.fromkeys(qubits, end)
        return max(ends.values())

    def _place(
        self,
        items: Sequence[CircuitInstruction],
        built: QuantumCircuit,
        idle: Iterable[int],
        *,
        wait: float = 0.0,
        least: float = 0.0,
    ) -> float:
        """Append ``items`` to ``built``, as late as possible, and return their seconds.

        Args:
            items: Instructions without branches.
            built: Circuit under construction.
            idle: Qubits that wait until the first instruction begins.
            wait: Seconds between the end of a measurement and the end of all: its bits travel.
            least: Least seconds to fill.
        """
        busy = dict.fromkeys(range(self._circuit.num_qubits), 0.0)  # seconds before the end
        appends: list[Callable[[], object]] = []  # what is appended to ``built``, backwards

        def wait_until(end: float, qubits: Iterable[int]) -> None:
            for qubit in qubits:
                if end - busy[qubit] > 1e-12:
                    place, seconds = self._circuit.qubits[qubit], end - busy[qubit]
                    appends.append(partial(self._idle, built, place, qubit, seconds))

        for item in reversed(items):
            qubits = self._find_qubits(item)
            after = wait if isinstance(item.operation, Measure) else 0.0
            end = max(after, *(busy[qubit] for qubit in qubits))
            wait_until(end, qubits)
            appends.append(partial(built.append, item))
            busy |= dict.fromkeys(qubits, end + self._find_duration(item))
        start = max(wait, least, *busy.values())
        wait_until(start, idle)
        for append in reversed(appends):
            append()
        return start

    def _list_inner(
        self, item: CircuitInstruction, body: QuantumCircuit
    ) -> list[CircuitInstruction]:
        """List the instructions of a body on the qubits of the circuit."""
        return [
            inner.replace(qubits=[item.qubits[body.find_bit(q).index] for q in inner.qubits])
            for inner in body.data
        ]

    def _find_qubits(self, item: CircuitInstruction) -> list[int]:
        return [self._circuit.find_bit(qubit).index for qubit in item.qubits]

    def _find_duration(self, item: CircuitInstruction) -> float:
        return duration_of(self._target, item.operation.name, tuple(self._find_qubits(item)))


def _divide(circuit: QuantumCircuit) -> Iterator[tuple[list[CircuitInstruction], _Branches]]:
    """Divide a circuit into segments without branches, each before branches that run together.

    The order of a compiled circuit need not be that of time: it may have all steps of a register of
    qubits before those of the next one. Branches are placed as early, other instructions as late as
    their qubits and bits allow. The last segment comes with no branches.
    """
    rounds = _number_rounds(circuit)
    last = max(rounds.values(), default=-1) + 1
    latest: dict[Qubit | Clbit, int] = {}
    segments: list[list[CircuitInstruction]] = [[] for _ in range(last + 1)]
    branches: list[_Branches] = [{} for _ in range(last + 1)]
    for place, item in reversed(list(enumerate(circuit.data))):
        if place in rounds:
            tested = find_tested(item)
            branches[rounds[place]].setdefault(tested, []).insert(0, item)
            for bit in [*item.qubits, *tested]:
                latest[bit] = min(rounds[place], latest.get(bit, last))
        else:
            bits = [*item.qubits, *item.clbits]
            segment = min((latest.get(bit, last) for bit in bits), default=last)
            segments[segment].append(item)
            latest |= dict.fromkeys(bits, segment)
    for segment_items, together in zip(segments, branches, strict=True):
        yield segment_items[::-1], together


def _number_rounds(circuit: QuantumCircuit) -> dict[int, int]:
    """Number the rounds of branches from 0, by the place of each branch in the circuit.

    Branches of one round test other bits and are on other qubits, or test the same bits.
    """
    rounds: dict[int, int] = {}
    first: dict[Qubit | Clbit, int] = {}  # the round that a branch on a bit may join
    joined: dict[Qubit | Clbit, frozenset[Clbit]] = {}  # bits that the last branch on it tested
    for place, item in enumerate(circuit.data):
        if isinstance(item.operation, IfElseOp):
            tested = find_tested(item)
            rounds[place] = max(
                *(first.get(bit, 0) for bit in tested),
                *(first.get(qubit, 0) - (joined.get(qubit) == tested) for qubit in item.qubits),
            )
            first |= dict.fromkeys(item.qubits, rounds[place] + 1)
            joined |= dict.fromkeys(item.qubits, tested)
        else:
            bits = [*item.qubits, *item.clbits]
            first |= dict.fromkeys(bits, max((first.get(bit, 0) for bit in bits), default=0))
            joined |= dict.fromkeys(bits, frozenset[Clbit]())
    return rounds

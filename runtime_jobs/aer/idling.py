"""The duration of a dynamic circuit on a device, and the decoherence of its idle qubits.

Every qubit waits while one of them is measured or reset and while a bit travels to the control
electronics that choose a branch. Aer has no notion of time, so relaxation (T1) and dephasing (T2)
of each qubit are written into the circuit for as long as the qubit waits.

The passes of ``qiskit_ibm_runtime`` that pad with delays are not used: they put every gate of a
branch into a separate block (seen in 0.51), so a branch of one rotation per qubit takes nine times
too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from qiskit.circuit import CircuitInstruction, Clbit, IfElseOp, Instruction, Measure, QuantumCircuit
from qiskit.circuit.controlflow import condition_resources
from qiskit.transpiler import Target
from qiskit_aer.noise import thermal_relaxation_error

from circuits.profile import FEED_FORWARD_SECONDS
from runtime_jobs.aer.noise import to_kraus
from runtime_jobs.hardware.targets import duration_of

__all__ = ["Timing", "idle_channels", "insert_idling"]

Idle = Callable[[QuantumCircuit, int, float], None]


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


def idle_channels(target: Target) -> Idle:
    """Make a function that appends thermal relaxation by T1 and T2 of ``target`` for a wait.

    Qubits without T1 or T2 in the target wait without relaxation.
    """
    properties = target.qubit_properties or []

    @cache
    def relax(qubit: int, seconds: float) -> Instruction | None:
        t1, t2 = properties[qubit].t1, properties[qubit].t2
        if not (t1 and t2):
            return None
        return to_kraus(thermal_relaxation_error(t1, min(t2, 2 * t1), seconds)).to_instruction()

    def idle(circuit: QuantumCircuit, qubit: int, seconds: float) -> None:
        channel = relax(qubit, round(seconds, 12))
        if channel is not None:
            circuit.append(channel, [qubit])

    return idle


def insert_idling(
    circuit: QuantumCircuit, target: Target, idle: Idle, patches: int = 1
) -> tuple[QuantumCircuit, Timing]:
    """Insert the waits of every qubit; gates are scheduled as late as possible.

    Args:
        circuit: ISA circuit for ``target`` with ``if_test`` and without nested branches.
        target: Target with the durations of instructions; those without one take no time.
        idle: Function called with the circuit under construction, a qubit and the seconds that it
            waits.
        patches: Copies of the circuit side by side; each waits for the bits and branches of all,
            one after another (see :mod:`circuits.profile`).

    Returns:
        The circuit with its waits, and its durations.
    """
    scheduler = _Scheduler(circuit, target, idle, patches)
    return scheduler.run(), scheduler.timing


class _Scheduler:
    """One pass over a circuit."""

    def __init__(self, circuit: QuantumCircuit, target: Target, idle: Idle, patches: int) -> None:
        self._circuit = circuit
        self._target = target
        self._idle = idle
        self._patches = patches
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
        segment: list[CircuitInstruction] = []
        branch = 0.0  # seconds of consecutive if_tests of a register, of which one body runs
        last: frozenset[Clbit] = frozenset()
        for item in self._circuit.data:
            if not isinstance(item.operation, IfElseOp):
                segment.append(item)
                continue
            bits = frozenset(condition_resources(item.operation.condition).clbits)
            known = bits in self._tested  # each bit is measured once
            if segment or bits != last:
                self._seconds += branch + self._wait_for_others(branch, built)
                branch = 0.0
                wait = 0.0 if known else self._patches * FEED_FORWARD_SECONDS
                self._seconds += self._place(segment, built, wait)
                self._waited += wait
                segment = []
            self._tested.add(bits)
            last = bits
            branch = max(branch, self._place_branches(item, built))
        self._seconds += branch + self._wait_for_others(branch, built)
        self._seconds += self._place(segment, built, 0.0)
        return built

    def _wait_for_others(self, branch: float, built: QuantumCircuit) -> float:
        """Idle while the other patches take branches as long as this one's; return the seconds."""
        wait = (self._patches - 1) * branch
        if wait:
            self._place([], built, wait)
        self._waited += wait
        return wait

    def _place_branches(self, item: CircuitInstruction, built: QuantumCircuit) -> float:
        """Append an if_test with bodies on all qubits; return the seconds of the longer body."""
        clbits = list(item.clbits)
        bodies, longest = [], 0.0
        for body in item.operation.blocks:
            whole = QuantumCircuit(list(self._circuit.qubits), clbits)
            items = [
                inner.replace(qubits=[item.qubits[body.find_bit(q).index] for q in inner.qubits])
                for inner in body.data
            ]
            longest = max(longest, self._place(items, whole, 0.0))
            bodies.append(whole)
        operation = IfElseOp(item.operation.condition, *bodies)
        built.append(operation, list(self._circuit.qubits), clbits)
        return longest

    def _place(
        self, items: Sequence[CircuitInstruction], built: QuantumCircuit, wait: float
    ) -> float:
        """Append ``items`` to ``built``, as late as possible, and return their seconds.

        Measurements end at least ``wait`` seconds before the end: their bits travel.
        """
        busy = dict.fromkeys(range(self._circuit.num_qubits), 0.0)  # seconds before the end
        appends: list[Callable[[], object]] = []  # what is appended to ``built``, backwards

        def wait_until(end: float, qubits: Iterable[int]) -> None:
            for qubit in qubits:
                if end - busy[qubit] > 1e-12:
                    appends.append(partial(self._idle, built, qubit, end - busy[qubit]))

        for item in reversed(items):
            qubits = self._find_qubits(item)
            least = wait if isinstance(item.operation, Measure) else 0.0
            end = max(least, *(busy[qubit] for qubit in qubits))
            wait_until(end, qubits)
            appends.append(partial(built.append, item))
            busy |= dict.fromkeys(qubits, end + self._find_duration(item))
        start = max(wait, *busy.values())
        wait_until(start, busy)
        for append in reversed(appends):
            append()
        return start

    def _find_qubits(self, item: CircuitInstruction) -> list[int]:
        return [self._circuit.find_bit(qubit).index for qubit in item.qubits]

    def _find_duration(self, item: CircuitInstruction) -> float:
        return duration_of(self._target, item.operation.name, tuple(self._find_qubits(item)))

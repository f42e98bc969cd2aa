"""The cost of a compiled circuit on a QPU: time, gates, control instructions, broadcasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qiskit.circuit import CircuitInstruction, Clbit, ControlFlowOp, QuantumCircuit, Qubit
from qiskit.circuit.controlflow import condition_resources
from qiskit.transpiler import Target

__all__ = ["FEED_FORWARD_SECONDS", "CircuitProfile", "find_tested", "profile_circuit"]

# From the end of a measurement to a branch that depends on it; assumed, since targets omit it.
FEED_FORWARD_SECONDS = 0.6e-6

# Control instructions of one gate, as the service counts them (its page on job limits).
_WEIGHTS = {"rz": 1, "delay": 1, "sx": 2, "x": 2, "cx": 5, "cz": 5, "ecr": 5, "measure": 10}
_WEIGHTS |= {"measure_2": 10, "reset": 17, "reset_2": 17}
_START = 50  # of initializing a qubit

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}

Weigh = Callable[[CircuitInstruction, tuple[int, ...]], float]


@dataclass(frozen=True)
class CircuitProfile:
    """The cost of running one circuit once.

    Attributes:
        seconds: Time from the first gate to the end of the last measurement, on the longest path,
            if branches on disjoint qubits run at the same time.
        two_qubit_gates: Two-qubit gates of all branches together.
        two_qubit_depth: Two-qubit gates on the longest path.
        instructions: Control instructions of the busiest qubit.
        broadcasts: Feed-forward broadcasts in units of one-bit broadcasts; a register that is
            tested again before it changes does not count again.
        serial_seconds: The same time if all branches run one after another; None in a profile that
            was recorded before there was a difference, whose ``seconds`` have it.
    """

    seconds: float
    two_qubit_gates: int
    two_qubit_depth: int
    instructions: int
    broadcasts: float
    serial_seconds: float | None = None

    def find_duration(self, *, serial_branches: bool) -> float:
        """Return the duration in seconds, with branches at the same time or one after another."""
        is_serial = serial_branches and self.serial_seconds is not None
        return self.serial_seconds if is_serial else self.seconds  # type: ignore[return-value]


def profile_circuit(circuit: QuantumCircuit, target: Target) -> CircuitProfile:
    """Profile a compiled circuit; ``target`` has the durations of its gates on its qubits."""

    def last(item: CircuitInstruction, qubits: tuple[int, ...]) -> float:
        name = item.operation.name
        if name == "delay":
            length, unit = item.operation.duration, item.operation.unit
            return float(length * (target.dt or 0.0) if unit == "dt" else _SECONDS[unit] * length)
        found = target[name].get(qubits) if name in target.operation_names else None
        return 0.0 if found is None or found.duration is None else float(found.duration)

    def entangle(item: CircuitInstruction, qubits: tuple[int, ...]) -> float:
        return float(len(qubits) == 2)

    gates = list(_list_gates(circuit))
    instructions = Counter[int]()
    for item, qubits in gates:
        for qubit in qubits:
            instructions[qubit] += _WEIGHTS.get(item.operation.name, 2)
    return CircuitProfile(
        seconds=_find_longest(circuit, last, FEED_FORWARD_SECONDS),
        serial_seconds=_find_longest(circuit, last, FEED_FORWARD_SECONDS, is_serial=True),
        two_qubit_gates=sum(len(qubits) == 2 for _, qubits in gates),
        two_qubit_depth=round(_find_longest(circuit, entangle, 0.0)),
        instructions=_START + max(instructions.values(), default=0),
        broadcasts=sum(_weigh_broadcast(len(bits)) for bits in _list_broadcasts(circuit)),
    )


def _list_gates(
    circuit: QuantumCircuit, qubits: Sequence[int] | None = None
) -> list[tuple[CircuitInstruction, tuple[int, ...]]]:
    """List all instructions except control flow, including those of branches, with their qubits."""
    names = range(circuit.num_qubits) if qubits is None else qubits
    found = []
    for item in circuit.data:
        where = tuple(names[circuit.find_bit(qubit).index] for qubit in item.qubits)
        if isinstance(item.operation, ControlFlowOp):
            for block in item.operation.blocks:
                found.extend(_list_gates(block, where))
        elif item.operation.name != "barrier":
            found.append((item, where))
    return found


def _find_longest(
    circuit: QuantumCircuit, weigh: Weigh, wait: float, *, is_serial: bool = False
) -> float:
    """Return the length of the longest path.

    A branch takes as long as its longest body, after a wait for its bits. Branches on disjoint
    qubits run at the same time, as IBM's control electronics do since the update that began in
    June 2025; with ``is_serial`` they run one after another, as before it.
    """
    ready: dict[Qubit | Clbit, float] = {}
    sent: dict[frozenset[Clbit], float] = {}  # when the bits are where branches test them
    free = 0.0  # when the branch before has ended
    for item in circuit.data:
        if isinstance(item.operation, ControlFlowOp):
            bits: list[Qubit | Clbit] = list(item.qubits)  # any number of branches read a bit
            tested = find_tested(item)
            if tested not in sent:
                measured = max((ready.get(bit, 0.0) for bit in tested), default=0.0)
                sent[tested] = wait + max(free, measured)
            start = max(free, sent[tested], *(ready.get(bit, 0.0) for bit in bits))
            names = [circuit.find_bit(qubit).index for qubit in item.qubits]
            length = max(_measure_body(body, names, weigh) for body in item.operation.blocks)
            free = start + length if is_serial else 0.0
        else:
            bits = [*item.qubits, *item.clbits]
            start = max((ready.get(bit, 0.0) for bit in bits), default=0.0)
            length = weigh(item, tuple(circuit.find_bit(qubit).index for qubit in item.qubits))
            sent = {tested: end for tested, end in sent.items() if not tested & set(item.clbits)}
        ready |= dict.fromkeys(bits, start + length)
    return max(ready.values(), default=0.0)


def _measure_body(body: QuantumCircuit, names: Sequence[int], weigh: Weigh) -> float:
    def weigh_outside(item: CircuitInstruction, qubits: tuple[int, ...]) -> float:
        return weigh(item, tuple(names[qubit] for qubit in qubits))

    return _find_longest(body, weigh_outside, 0.0)


def _list_broadcasts(circuit: QuantumCircuit) -> list[frozenset[Clbit]]:
    """List the bits that are sent to the branches, once for each time they have changed."""
    sent: list[frozenset[Clbit]] = []
    known: set[frozenset[Clbit]] = set()
    for item in circuit.data:
        if isinstance(item.operation, ControlFlowOp):
            tested = find_tested(item)
            if tested not in known:
                known.add(tested)
                sent.append(tested)
        else:
            known = {tested for tested in known if not tested & set(item.clbits)}
    return sent


def find_tested(item: CircuitInstruction) -> frozenset[Clbit]:
    """Return the bits that the condition of a branch tests."""
    return frozenset(condition_resources(item.operation.condition).clbits)


def _weigh_broadcast(num_bits: int) -> float:
    """Interpolate: a job holds about 2,400 broadcasts of one bit, or about 300 of 60 bits."""
    return 1.0 + (2400 / 300 - 1.0) * (num_bits - 1) / 59

"""Layouts: the physical qubits of a circuit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from qiskit.circuit import ControlFlowOp, Measure, QuantumCircuit
from qiskit.transpiler import Target

from circuits.profile import FEED_FORWARD_SECONDS
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.targets import (
    DEAD_ERROR,
    coherence_of,
    coupler_errors,
    decay_rate,
    duration_of,
    error_of,
)

__all__ = [
    "MEASUREMENTS",
    "choose_layout",
    "count_measurements",
    "find_interactions",
    "find_layouts",
    "find_measured",
]

# Weights of errors: how often a gate acts before the average readout of 8 steps with 2 layers.
_USES_OF_A_COUPLER = 8
_USES_OF_A_QUBIT = 16
MEASUREMENTS = 8  # of a dynamic circuit of 8 steps, during which the other qubits idle
_BEAM = 500  # partial layouts that are kept by default

Pairs = frozenset[tuple[int, int]]


def find_interactions(circuit: QuantumCircuit) -> Pairs:
    """Find the pairs (low, high) of qubits that two-qubit gates act on, branches included."""
    pairs: set[tuple[int, int]] = set()
    for instruction in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if isinstance(instruction.operation, ControlFlowOp):
            for body in instruction.operation.blocks:
                inner = [(qubits[a], qubits[b]) for a, b in find_interactions(body)]
                pairs.update((min(pair), max(pair)) for pair in inner)
        elif len(qubits) == 2:
            pairs.add((min(qubits), max(qubits)))
    return frozenset(pairs)


def find_measured(circuit: QuantumCircuit) -> frozenset[int]:
    """Find the qubits of mid-circuit measurements: those measured before a branch."""
    found: set[int] = set()
    measured: set[int] = set()
    for instruction in circuit.data:
        qubits = {circuit.find_bit(qubit).index for qubit in instruction.qubits}
        if isinstance(instruction.operation, ControlFlowOp):
            found |= measured
        elif isinstance(instruction.operation, Measure):
            measured |= qubits
    return frozenset(found)


def count_measurements(circuit: QuantumCircuit) -> int:
    """Return the most measurements of a qubit that is measured mid-circuit; 0 if there is none."""
    counts = Counter(
        circuit.find_bit(instruction.qubits[0]).index
        for instruction in circuit.data
        if isinstance(instruction.operation, Measure)
    )
    return max((counts[qubit] for qubit in find_measured(circuit)), default=0)


def choose_layout(
    target: Target,
    num_qubits: int,
    interactions: Iterable[tuple[int, int]],
    name: str,
    measured: Collection[int] = (),
) -> tuple[int, ...]:
    """Choose the physical qubits with the least total error of gates and readout.

    The first choice is qubits with all couplers that the circuit needs, so that no SWAP is needed;
    where there are none (a ring of four on a heavy hexagon), a line; without a line, any connected
    qubits. Dead couplers and qubits are avoided. The result is deterministic.

    Args:
        target: The device.
        num_qubits: Number of qubits n of the circuit.
        interactions: Pairs of qubits of the circuit that two-qubit gates act on.
        name: Name of the device, for messages.
        measured: Qubits of the circuit that are measured mid-circuit again and again while the
            others wait.

    Returns:
        The physical qubit of each qubit of the circuit.

    Raises:
        DeviceError: The device has fewer than n qubits, or too few connected good ones.
    """
    if num_qubits > target.num_qubits:
        raise DeviceError(
            f"device {name!r} has {target.num_qubits} qubits, but the circuit needs {num_qubits}; "
            "use a larger device or fewer qubits"
        )
    found = find_layouts(target, num_qubits, interactions, measured)
    if not found:
        raise DeviceError(
            f"device {name!r} has no {num_qubits} connected qubits whose gates and readout work; "
            "use another device or fewer qubits"
        )
    return found[0][1]


def find_layouts(
    target: Target,
    num_qubits: int,
    interactions: Iterable[tuple[int, int]],
    measured: Collection[int] = (),
    *,
    worst_coupler: float = DEAD_ERROR,
    worst_readout: float = DEAD_ERROR,
    shortest_coherence: float = 0.0,
    most: int = _BEAM,
    routes: bool = True,
) -> list[tuple[float, tuple[int, ...]]]:
    """Find layouts by the rules of :func:`choose_layout`, the best first.

    Args:
        target: The device.
        num_qubits: Number of qubits n of the circuit.
        interactions: Pairs of qubits of the circuit that two-qubit gates act on.
        measured: Qubits of the circuit that are measured mid-circuit.
        worst_coupler: Couplers with this error or more are not used.
        worst_readout: Qubits with this readout error or more are not used.
        shortest_coherence: Qubits are not used whose T1 or T2 is shorter, in units of a measurement
            with its feed-forward.
        most: Number of best partial layouts that are kept during the search.
        routes: Whether layouts without all couplers are found where there are no others.

    Returns:
        Pairs of cost and layout; the cost is -log of the probability that no error occurs. Empty
        where no layout exists.
    """
    line = [(q, q + 1) for q in range(num_qubits - 1)]
    couplers = {p: error for p, error in coupler_errors(target).items() if error < worst_coupler}
    readouts = [MEASUREMENTS if q in measured else 1 for q in range(num_qubits)]
    idles = [MEASUREMENTS if measured and q not in measured else 0 for q in range(num_qubits)]
    costs = [
        _weigh_qubits(target, *uses, worst_readout, shortest_coherence)
        for uses in zip(readouts, idles, strict=True)
    ]
    found = _search(num_qubits, interactions, couplers, costs, most)
    if found or not routes:
        return found
    return _search(num_qubits, line, couplers, costs, most) or _search(
        num_qubits, None, couplers, costs, most
    )


def _weigh_qubits(
    target: Target, readouts: int, idles: int, worst_readout: float, shortest_coherence: float
) -> dict[int, float]:
    """Cost of each physical qubit: -log of the probability that none of its operations errs.

    These are its single-qubit gates, its readouts and its waits; a wait lasts as long as a
    measurement and its feed-forward.
    """
    costs = {}
    singles = [n for n in ("sx", "rx", "x") if n in target.operation_names]
    for qubit in range(target.num_qubits):
        readout = error_of(target, "measure", (qubit,))
        gate = max((error_of(target, name, (qubit,)) for name in singles), default=0.0)
        if readout < worst_readout and gate < DEAD_ERROR:
            wait = duration_of(target, "measure", (qubit,)) + FEED_FORWARD_SECONDS
            if coherence_of(target, qubit) < shortest_coherence * wait:
                continue
            costs[qubit] = (
                -readouts * math.log1p(-readout)
                - _USES_OF_A_QUBIT * math.log1p(-gate)
                + idles * wait * decay_rate(target, qubit)
            )
    return costs


def _search(
    num_qubits: int,
    interactions: Iterable[tuple[int, int]] | None,
    couplers: dict[tuple[int, int], float],
    costs: Sequence[dict[int, float]],
    most: int,
) -> list[tuple[float, tuple[int, ...]]]:
    """Find the best layouts by a beam search that places one qubit after another.

    Args:
        num_qubits: Number of qubits n of the circuit.
        interactions: Pairs of qubits that need a coupler; None allows any connected qubits.
        couplers: Error of each usable coupler.
        costs: For each qubit of the circuit its cost on each physical qubit.
        most: Number of partial layouts that are kept.

    Returns:
        Pairs of cost and layout, the best first.
    """
    partners: dict[int, set[int]] = {q: set() for q in range(num_qubits)}
    for a, b in interactions or ():
        partners[a].add(b)
        partners[b].add(a)
    neighbours: dict[int, set[int]] = {q: set() for q in costs[0]}
    for a, b in couplers:
        if a in costs[0] and b in costs[0]:
            neighbours[a].add(b)
            neighbours[b].add(a)
    order = _order_by_partners(partners)
    beam: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    for step, qubit in enumerate(order):
        placed = [k for k in range(step) if order[k] in partners[qubit]]
        grown = []
        for cost, places in beam:
            if interactions is None and step:
                candidates = set().union(*(neighbours[p] for p in places))
            else:
                sets = [neighbours[places[k]] for k in placed]
                candidates = set.intersection(*sets) if sets else set(costs[0])
            for place in candidates - set(places):
                added = costs[qubit][place]
                for k in placed:
                    pair = (min(place, places[k]), max(place, places[k]))
                    added -= _USES_OF_A_COUPLER * math.log1p(-couplers[pair])
                grown.append((cost + added, (*places, place)))
        beam = sorted(grown)[:most]
    ranks = sorted(range(num_qubits), key=order.__getitem__)
    return [(cost, tuple(places[rank] for rank in ranks)) for cost, places in beam]


def _order_by_partners(partners: dict[int, set[int]]) -> list[int]:
    """Order the qubits breadth-first from an end, so that each follows one of its partners."""
    order: list[int] = []
    for start in sorted(partners, key=lambda q: (len(partners[q]), q)):
        queue = [start]
        while queue:
            qubit = queue.pop(0)
            if qubit not in order:
                order.append(qubit)
                queue.extend(sorted(partners[qubit]))
    return order

"""Which physical qubits a circuit sits on."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

from qiskit.circuit import ControlFlowOp, Measure, QuantumCircuit
from qiskit.transpiler import Target

from circuits.profile import FEED_FORWARD_SECONDS
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.targets import (
    DEAD_ERROR,
    coupler_errors,
    decay_rate,
    duration_of,
    error_of,
)

__all__ = ["choose_layout", "find_interactions", "find_layouts", "find_measured"]

# How often a gate acts before the average readout of 8 steps with 2 layers: what an error weighs.
_USES_OF_A_COUPLER = 8
_USES_OF_A_QUBIT = 16
_MEASUREMENTS = 8  # of a dynamic circuit of 8 steps, during which the other qubits idle
_BEAM = 500  # partial layouts that are kept unless told

Pairs = frozenset[tuple[int, int]]


def find_interactions(circuit: QuantumCircuit) -> Pairs:
    """The pairs (low, high) of qubits on which gates of two qubits act, also in branches."""
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
    """The qubits that are measured although operations follow: those of mid-circuit readout."""
    found: set[int] = set()
    measured: set[int] = set()
    for instruction in circuit.data:
        qubits = {circuit.find_bit(qubit).index for qubit in instruction.qubits}
        if isinstance(instruction.operation, ControlFlowOp):
            found |= measured
        elif isinstance(instruction.operation, Measure):
            measured |= qubits
    return frozenset(found)


def choose_layout(
    target: Target,
    num_qubits: int,
    interactions: Iterable[tuple[int, int]],
    name: str,
    measured: Collection[int] = (),
) -> tuple[int, ...]:
    """Choose good physical qubits: the errors of gates and readout together are least.

    First qubits are sought whose couplers are those that the circuit needs, so that no SWAP is;
    where there are none (a ring of four on a heavy hexagon), a line; where there is none, any
    connected qubits. Dead couplers and qubits are avoided. The same device and interactions give
    the same layout.

    Args:
        target: the device.
        num_qubits: n, qubits of the circuit.
        interactions: pairs of qubits of the circuit that gates act on.
        name: of the device, for errors.
        measured: qubits of the circuit that are read in its middle, again and again, while the
            others wait; none in a circuit without mid-circuit readout.

    Returns:
        The physical qubit of each qubit of the circuit.

    Raises:
        DeviceError: the device has fewer qubits, or too few good ones in one piece.
    """
    if num_qubits > target.num_qubits:
        raise DeviceError(
            f"device {name!r} has {target.num_qubits} qubits, but the circuit needs {num_qubits}; "
            "take a larger device or fewer qubits"
        )
    found = find_layouts(target, num_qubits, interactions, measured)
    if not found:
        raise DeviceError(
            f"device {name!r} has no {num_qubits} connected qubits whose gates and readout work; "
            "take another device or fewer qubits"
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
    most: int = _BEAM,
) -> list[tuple[float, tuple[int, ...]]]:
    """Layouts as :func:`choose_layout` looks for them, the best first; none where there are none.

    Args:
        target, num_qubits, interactions, measured: see :func:`choose_layout`.
        worst_coupler: couplers with this error or more are not used.
        worst_readout: the same for the readout of a qubit.
        most: partial layouts that are kept while searching, the best ones.

    Returns:
        Each layout after its cost, which is -log of the probability that nothing errs.
    """
    line = [(q, q + 1) for q in range(num_qubits - 1)]
    couplers = {p: error for p, error in coupler_errors(target).items() if error < worst_coupler}
    readouts = [_MEASUREMENTS if q in measured else 1 for q in range(num_qubits)]
    idles = [_MEASUREMENTS if measured and q not in measured else 0 for q in range(num_qubits)]
    costs = [
        _weigh_qubits(target, *uses, worst_readout) for uses in zip(readouts, idles, strict=True)
    ]
    return (
        _search(num_qubits, interactions, couplers, costs, most)
        or _search(num_qubits, line, couplers, costs, most)
        or _search(num_qubits, None, couplers, costs, most)
    )


def _weigh_qubits(
    target: Target, readouts: int, idles: int, worst_readout: float
) -> dict[int, float]:
    """-log of the probability that a qubit's own gates, its readouts and its waits are right.

    A wait lasts as long as a measurement and its feed-forward.
    """
    costs = {}
    singles = [n for n in ("sx", "rx", "x") if n in target.operation_names]
    for qubit in range(target.num_qubits):
        readout = error_of(target, "measure", (qubit,))
        gate = max((error_of(target, name, (qubit,)) for name in singles), default=0.0)
        if readout < worst_readout and gate < DEAD_ERROR:
            wait = duration_of(target, "measure", (qubit,)) + FEED_FORWARD_SECONDS
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
    """The best layouts found by placing one qubit after another, the best first.

    ``costs`` are those of each qubit of the circuit at each place; without ``interactions`` any
    connected places do.
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
    """Every qubit after a partner of its own, where it has one: in breadth from an end."""
    order: list[int] = []
    for start in sorted(partners, key=lambda q: (len(partners[q]), q)):
        queue = [start]
        while queue:
            qubit = queue.pop(0)
            if qubit not in order:
                order.append(qubit)
                queue.extend(sorted(partners[qubit]))
    return order

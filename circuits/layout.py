"""Transpiled circuits back on their virtual qubits, with the permutation of the routing undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qiskit import QuantumCircuit

from circuits.errors import InvalidValueError

__all__ = ["restore_virtual_qubits"]


def restore_virtual_qubits(
    circuit: QuantumCircuit, *, num_qubits: int, name: str
) -> QuantumCircuit:
    """Return the circuit on its virtual qubits, those of the circuit before ``transpile``.

    ``circuit.layout`` gives the physical qubit of each virtual one at the beginning, and where the
    routing has moved it at the end. A step is repeated and read out by virtual qubits, so that SWAP
    gates at its end return each qubit to its first place. Idle qubits that the layout has added
    beyond ``num_qubits`` are left out.

    Args:
        circuit: The circuit; without a layout it is returned unchanged.
        num_qubits: The requested number n of memory qubits.
        name: Name of the circuit in messages.

    Raises:
        ValueError: The layout has another number of qubits than the circuit, or the routing uses
            added qubits, so that the circuit needs more than ``num_qubits``.
    """
    layout = circuit.layout
    if layout is None:
        return circuit
    physical = layout.initial_index_layout()
    moved = layout.routing_permutation()
    if not sorted(physical) == sorted(moved) == list(range(circuit.num_qubits)):
        raise InvalidValueError(
            f"the ansatz circuit {name!r} has {circuit.num_qubits} qubits, but its layout has "
            f"{len(physical)}; pass the circuit from before transpile"
        )
    virtual = {place: qubit for qubit, place in enumerate(physical)}
    restored = QuantumCircuit(circuit.num_qubits, circuit.num_clbits, name=circuit.name)
    restored.global_phase = circuit.global_phase
    for item in circuit.data:
        qubits = [virtual[circuit.find_bit(qubit).index] for qubit in item.qubits]
        clbits = [circuit.find_bit(bit).index for bit in item.clbits]
        restored.append(item.operation, qubits, clbits, copy=False)
    for pair in _list_swaps([virtual[moved[place]] for place in physical]):
        restored.swap(*pair)
    if circuit.num_qubits > num_qubits:
        return _leave_out_idle(restored, num_qubits, name)
    return restored


def _list_swaps(ends: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield swaps after which each qubit q, which is now at ``ends[q]``, is back at q."""
    places = list(ends)
    for qubit in range(len(places)):
        place = places[qubit]
        if place != qubit:
            yield qubit, place
            places[places.index(qubit)], places[qubit] = place, qubit


def _leave_out_idle(circuit: QuantumCircuit, num_qubits: int, name: str) -> QuantumCircuit:
    kept = QuantumCircuit(num_qubits, circuit.num_clbits, name=circuit.name)
    kept.global_phase = circuit.global_phase
    for item in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        if item.operation.name == "barrier":
            qubits = [qubit for qubit in qubits if qubit < num_qubits]
            if qubits:
                kept.barrier(qubits)
            continue
        if max(qubits, default=0) >= num_qubits:
            raise InvalidValueError(
                f"the ansatz circuit {name!r} was transpiled to {circuit.num_qubits} physical "
                f"qubits and uses more of them than num_qubits={num_qubits}; pass "
                f"num_qubits={circuit.num_qubits}, or the circuit from before transpile"
            )
        clbits = [circuit.find_bit(bit).index for bit in item.clbits]
        kept.append(item.operation, qubits, clbits, copy=False)
    return kept

"""Errors of a noise model that no gate of a circuit triggers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qiskit.circuit import ControlFlowOp, QuantumCircuit
from qiskit_aer.noise import NoiseModel

from circuits.errors import InvalidValueError
from runtime_jobs.aer.readout import list_basis_changes
from runtime_jobs.aer.stage import Stage

__all__ = ["check_triggered"]

Gate = tuple[str, tuple[int, ...]]


def check_triggered(circuit: QuantumCircuit, stage: Stage, *, flips: bool = False) -> None:
    """Refuse a custom noise model with an error that would silently change nothing.

    Aer applies an error only to the gate of its name on its qubits in their order, after the
    circuit has been translated to the basis gates of the model.

    Args:
        circuit: The compiled circuit.
        stage: The stage that it was compiled for.
        flips: Whether all qubits are also prepared in 1, as readout mitigation does.

    Raises:
        ValueError: No gate of the circuit or of its final measurement in the bases X, Y and Z
            triggers an error; the message names gate and qubits.
    """
    if stage.noise is None or not stage.is_custom:
        return
    used = set(_list_gates(circuit, range(circuit.num_qubits)))
    for change in list_basis_changes(circuit.num_qubits, flips=flips):
        used.update(_list_gates(stage.pass_manager.run(change), range(circuit.num_qubits)))
    unused = list(_find_unused(stage.noise, used))
    if unused:
        names = ", ".join(sorted({name for name, _ in used}))
        raise InvalidValueError(
            f"the noise model has errors that no gate of circuit {circuit.name!r} triggers: "
            f"{', '.join(unused)}. Translated to the basis gates of the model, the circuit has the "
            f"gates {names}. Put the errors on these gates, with the qubits in the order of the "
            "gate, or take them out of the model"
        )


def _find_unused(noise: NoiseModel, used: set[Gate]) -> Iterator[str]:
    names = {name for name, _ in used}
    for name in noise._default_quantum_errors:
        if name not in names:
            yield repr(name)
    for name, errors in noise._local_quantum_errors.items():
        for qubits in errors:
            other = qubits[::-1]
            # A calibrated pair has its error in both orders, of which a circuit uses one.
            if (name, qubits) not in used and not (other in errors and (name, other) in used):
                yield f"{name!r} on {qubits if len(qubits) > 1 else qubits[0]}"


def _list_gates(circuit: QuantumCircuit, qubits: Iterable[int]) -> Iterator[Gate]:
    places = list(qubits)
    for item in circuit.data:
        where = [places[circuit.find_bit(qubit).index] for qubit in item.qubits]
        if isinstance(item.operation, ControlFlowOp):
            for body in item.operation.blocks:
                yield from _list_gates(body, where)
        else:
            yield item.operation.name, tuple(where)

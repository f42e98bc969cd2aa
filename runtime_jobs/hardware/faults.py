"""Check whether a device still runs a compiled circuit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qiskit.circuit import ControlFlowOp, QuantumCircuit
from qiskit.transpiler import Target

from circuits.errors import OperationError
from runtime_jobs.hardware.targets import DEAD_ERROR, error_of

__all__ = ["FaultyQubitsError", "check_working"]


class FaultyQubitsError(OperationError):
    """A qubit or coupler of a run no longer works; nothing was sent."""


def check_working(name: str, circuit: QuantumCircuit, target: Target) -> None:
    """Check that every instruction of a circuit works on its qubits.

    Args:
        name: Name of the device, for the message.
        circuit: ISA circuit on the physical qubits of the device.
        target: The device with its present calibration.

    Raises:
        FaultyQubitsError: An instruction is not offered on its qubits, or its error is 50 % or
            more.
    """
    faults = sorted(set(_list_faults(circuit, target, range(circuit.num_qubits))))
    if faults:
        raise FaultyQubitsError(
            f"qubits of this run on {name} no longer work: {', '.join(faults)}. Nothing was sent. "
            "Wait for the next calibration, or choose other qubits with 'qrnn submit --relayout', "
            "which computes everything again under a new plan and price"
        )


def _list_faults(circuit: QuantumCircuit, target: Target, names: Sequence[int]) -> Iterator[str]:
    for item in circuit.data:
        qubits = tuple(names[circuit.find_bit(qubit).index] for qubit in item.qubits)
        if isinstance(item.operation, ControlFlowOp):
            for block in item.operation.blocks:
                yield from _list_faults(block, target, qubits)
            continue
        gate = item.operation.name
        if gate in ("barrier", "delay"):
            continue
        place = "-".join(map(str, qubits))
        error = error_of(target, gate, qubits)
        if error >= DEAD_ERROR:
            yield f"{gate} on {place} (error {error:.0%})"

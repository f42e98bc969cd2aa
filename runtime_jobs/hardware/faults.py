"""Whether a device still does what a compiled circuit asks of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qiskit.circuit import ControlFlowOp, QuantumCircuit
from qiskit.transpiler import Target

from circuits.errors import OperationError
from runtime_jobs.hardware.targets import DEAD_ERROR, error_of

__all__ = ["FaultyQubitsError", "check_working"]


class FaultyQubitsError(OperationError):
    """A qubit or coupler of a run does not work any more; nothing was sent."""


def check_working(name: str, circuit: QuantumCircuit, target: Target) -> None:
    """FaultyQubitsError if an instruction of a circuit does not work where it stands.

    Args:
        name: of the device, for the message.
        circuit: compiled, on the physical qubits of the device.
        target: the device as it is now.
    """
    faults = sorted(set(_list_faults(circuit, target, range(circuit.num_qubits))))
    if faults:
        raise FaultyQubitsError(
            f"the qubits of this run on {name} do not work any more: {', '.join(faults)}. Nothing "
            "was sent. Wait for another calibration, or let 'qrnn submit' with --relayout choose "
            "other qubits, which computes everything again and is planned and priced anew"
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

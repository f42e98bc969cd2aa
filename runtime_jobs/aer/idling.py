"""The decoherence of idle qubits: Aer has no notion of time, so it is written into the circuit."""

from __future__ import annotations

from functools import cache

from qiskit.circuit import Instruction, QuantumCircuit, Qubit
from qiskit.transpiler import Target
from qiskit_aer.noise import thermal_relaxation_error

from runtime_jobs.aer.noise import to_kraus
from runtime_jobs.hardware.scheduling import Idle

__all__ = ["idle_channels"]


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

    def idle(circuit: QuantumCircuit, place: Qubit, qubit: int, seconds: float) -> None:
        channel = relax(qubit, round(seconds, 12))
        if channel is not None:
            circuit.append(channel, [place])

    return idle

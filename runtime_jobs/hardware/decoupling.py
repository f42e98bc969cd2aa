"""Pairs of X in the long waits of a dynamic circuit, which refocus slow changes of a frequency.

The service's own dynamical decoupling refuses control flow, so the pairs are written into the
circuit with explicit delays. They help against dephasing that is the same in both halves of a wait;
the noise models of this package have no memory, so that they show only the errors of the pairs.
"""

from __future__ import annotations

from qiskit.circuit import CircuitInstruction, Delay, Measure, QuantumCircuit, Qubit, Reset
from qiskit.circuit.library import XGate
from qiskit.transpiler import Target

from circuits.errors import InvalidValueError
from circuits.profile import FEED_FORWARD_SECONDS
from circuits.validation import require_name
from runtime_jobs.hardware.scheduling import insert_idling
from runtime_jobs.hardware.targets import duration_of

__all__ = ["SEQUENCES", "decouple_waits"]

SEQUENCES = ("xx",)

_LEAST_GATES = 8.0  # the shortest wait that takes a pair, in durations of X
_SHARE = 0.8  # of the pair and its delays in a wait, rounded up


def decouple_waits(circuit: QuantumCircuit, target: Target, sequence: str) -> QuantumCircuit:
    """Put a pair of X into every long wait of a qubit that holds a state.

    They come after a quarter and three quarters of the wait. The last quarter is no explicit delay,
    and the time that a bit travels is left out, whose length is only assumed: the circuit takes no
    longer than without the pairs. Qubits that wait in a known state, before their first gate or
    after a measurement or reset, take none.

    Args:
        circuit: ISA circuit for ``target``.
        target: Target with the durations of instructions, dt and an X on each qubit.
        sequence: One of ``SEQUENCES``.

    Raises:
        ValueError: Another sequence, or a target without dt or X.
    """
    require_name("--decouple (in Python decouple)", sequence, SEQUENCES)
    step = target.dt
    if step is None or "x" not in target.operation_names:
        raise InvalidValueError(
            "--decouple xx needs a device with an X gate and a time step dt, and this one has "
            f"{', '.join(sorted(target.operation_names))} and dt {step}; leave it out"
        )
    grain = max(target.granularity, target.pulse_alignment, 1)

    def pair(built: QuantumCircuit, place: Qubit, qubit: int, seconds: float) -> None:
        gate = duration_of(target, "x", (qubit,))
        span = min(seconds, (seconds - FEED_FORWARD_SECONDS) / _SHARE)
        if span < _LEAST_GATES * gate or not _holds_state(built, place):
            return
        for wait in (span / 4 - gate / 2, span / 2 - gate):
            length = int(wait / step) // grain * grain
            built.append(CircuitInstruction(Delay(length, "dt"), [place]))
            built.append(CircuitInstruction(XGate(), [place]))

    return insert_idling(circuit, target, pair)[0]


def _holds_state(circuit: QuantumCircuit, qubit: Qubit) -> bool:
    """Return whether the last instruction on a qubit is neither a measurement nor a reset."""
    for item in reversed(circuit.data):
        if qubit in item.qubits and item.operation.name != "barrier":
            return not isinstance(item.operation, Measure | Reset)
    return False

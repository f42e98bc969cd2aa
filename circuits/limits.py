"""The limits of one job on IBM Quantum, and of the duration of a circuit."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["JobLimits"]


@dataclass(frozen=True)
class JobLimits:
    """Limits of one job; the defaults are those of IBM Quantum in November 2026.

    Attributes:
        executions: Circuits times shots.
        instructions: Control instructions of a qubit, over all circuits of the job.
        broadcasts: Feed-forward broadcasts of one bit, over all circuits of the job. Whether each
            set of parameters counts again is not documented, so each is counted; ``math.inf``
            sets no limit.
        seconds: QPU time in seconds, margin included.
        two_qubit_gates: Two-qubit gates of one circuit.
        condition_bits: Bits that one condition reads.
        warned_coherence: Duration of a circuit, divided by the shorter of T1 and T2 of its worst
            qubit, above which there is a warning.
        coherence: The same ratio above which the circuit is refused; 3 leaves 5 % of the coherence.
    """

    executions: float = 10_000_000
    instructions: float = 26_800_000
    broadcasts: float = 2400
    seconds: float = 3 * 3600
    two_qubit_gates: int = 5_000_000
    condition_bits: int = 32
    warned_coherence: float = 0.5
    coherence: float = 3.0

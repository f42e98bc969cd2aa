"""What one job on IBM Quantum may hold, and how long a circuit may be."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["JobLimits"]


@dataclass(frozen=True)
class JobLimits:
    """What one job may hold; defaults are those of IBM Quantum in November 2026.

    Attributes:
        executions: circuits times shots.
        instructions: control instructions of a qubit, over all circuits of the job.
        broadcasts: of one bit, over all circuits of the job; whether each set of parameters counts
            again is not documented, so each is counted; ``math.inf`` counts none.
        seconds: of QPU time, margin included.
        two_qubit_gates: of one circuit.
        condition_bits: that one condition reads.
        warned_coherence: duration of a circuit over the shorter of T1 and T2 of its worst qubit,
            from which on there is a warning.
        coherence: the same from which on it is refused; 3 leaves 5 % of the coherence.
    """

    executions: float = 10_000_000
    instructions: float = 26_800_000
    broadcasts: float = 2400
    seconds: float = 3 * 3600
    two_qubit_gates: int = 5_000_000
    condition_bits: int = 32
    warned_coherence: float = 0.5
    coherence: float = 3.0

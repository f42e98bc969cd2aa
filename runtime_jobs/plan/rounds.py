"""The rounds of a replay: which PUBs go into one job, and which jobs wait for which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from circuits import unroll
from circuits.profile import CircuitProfile, profile_circuit
from circuits.shifts import shift_parameters
from qrnn_qiskit.gradients import GradientMethod
from qrnn_qiskit.model import QRNN
from runtime_jobs.aer.bases import group_terms
from runtime_jobs.compilation import Chip, measure_in_bases
from runtime_jobs.plan.limits import Load

__all__ = ["Round", "list_rounds"]


@dataclass(frozen=True)
class Round:
    """What can be sent at the same time: it needs nothing but the results of the round before."""

    name: str
    loads: tuple[Load, ...]


def list_rounds(
    qrnn: QRNN,
    chip: Chip,
    ends: NDArray[np.int64],
    gradient: GradientMethod | None = None,
) -> list[Round]:
    """The rounds of one pass through sequences, as :mod:`qrnn_qiskit.replay` runs them.

    Args:
        qrnn: in expectation mode, or without feedback.
        chip: where the circuits are compiled for.
        ends: (B,) valid steps of each sequence.
        gradient: of a training step; None for inference.
    """
    planner = _Planner(qrnn, chip)
    draws = gradient.draws if gradient is not None and gradient.name == "spsa" else 0
    steps = range(1, int(ends.max()) + 1)
    forward = [planner.read(t, (1 + 2 * draws) * int((ends >= t).sum())) for t in steps]
    if qrnn.readout_mode == "expectation":
        rounds = [Round(f"step {t}", (load,)) for t, load in zip(steps, forward, strict=True)]
    else:
        rounds = [Round("all steps", tuple(forward))]
    if gradient is not None and gradient.name == "parameter-shift":
        shifts = [planner.shift(t, int((ends >= t).sum())) for t in steps]
        rounds.append(Round("shifts", tuple(shifts)))
    return rounds


class _Planner:
    """Counts the PUBs of prefixes; every circuit is compiled once."""

    def __init__(self, qrnn: QRNN, chip: Chip) -> None:
        self._ansatz = qrnn.ansatz
        self._chip = chip
        observables = qrnn.readout.observables
        self._bases = len(group_terms(observables, range(qrnn.num_qubits)))
        self._profiles: dict[int, CircuitProfile] = {}

    def read(self, num_steps: int, rows: int) -> Load:
        """The readouts of ``rows`` sequences after ``num_steps`` steps."""
        circuit = unroll(self._ansatz, num_steps)
        return self._load(f"the prefix of {num_steps} steps", num_steps, circuit, rows)

    def shift(self, num_steps: int, rows: int) -> Load:
        """All parameter shifts of these readouts; a shift is bound, the gates stay the same."""
        shifted = shift_parameters(unroll(self._ansatz, num_steps))
        rows *= len(shifted.shifts)
        return self._load(f"the shifts of {num_steps} steps", num_steps, shifted.circuit, rows)

    def _load(self, label: str, num_steps: int, circuit: QuantumCircuit, rows: int) -> Load:
        if num_steps not in self._profiles:
            compiled = self._chip.compile(measure_in_bases(circuit).circuit)
            self._profiles[num_steps] = profile_circuit(compiled, self._chip.cut)
        return Load(label, self._profiles[num_steps], rows * self._bases)

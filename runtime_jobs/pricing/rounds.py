"""The rounds of a run: the PUBs that can be sent together, in the order of their dependence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from circuits import unroll
from circuits.coupling import Measurement
from circuits.profile import CircuitProfile
from circuits.shifts import shift_parameters
from qrnn_qiskit.executors.gradient_methods import GradientMethod
from qrnn_qiskit.model import QRNN
from qrnn_qiskit.on_device.dynamic_function import DynamicCircuits, DynamicFunction
from qrnn_qiskit.on_device.gradients import group_copies
from runtime_jobs.estimation.bases import group_terms
from runtime_jobs.estimation.feed_forward import split_shots
from runtime_jobs.estimation.mitigation import (
    CALIBRATION_SHOTS,
    FLIPS,
    Mitigation,
    build_calibration,
)
from runtime_jobs.hardware.chip import measure_in_bases
from runtime_jobs.hardware.job_limits import Load
from runtime_jobs.hardware.packing import Packing
from runtime_jobs.hardware.row_packing import deal_rows

__all__ = ["Round", "list_rounds", "longest_circuit"]


@dataclass(frozen=True)
class Round:
    """PUBs that can be sent together, since they need only the results of the round before.

    Attributes:
        name: The purpose of the round.
        loads: The PUBs.
        shots: Shots of each set of values, where they are not those of the run.
    """

    name: str
    loads: tuple[Load, ...]
    shots: int | None = None


def list_rounds(
    qrnn: QRNN,
    packing: Packing,
    ends: NDArray[np.int64],
    gradient: GradientMethod | None = None,
    *,
    mitigation: Mitigation | None = None,
    shots: int = 1,
) -> list[Round]:
    """List the rounds of one pass of the model through sequences.

    Measured mode takes one round for the forward pass and one for the backward pass. Other modes
    are replayed, see :mod:`qrnn_qiskit.on_device.replay`. Random coordinates are counted as if
    every draw used the longest shift rule.

    Args:
        qrnn: The model.
        packing: The qubits that the circuits are compiled for.
        ends: (B,) number of valid steps of each sequence.
        gradient: Gradient method of a training step; None for inference.
        mitigation: Error mitigation of dynamic circuits.
        shots: Shots of the run, which feed-forward flips divide over rows of values.
    """
    if qrnn.measurement is not None:
        chosen = mitigation or Mitigation()
        return _list_dynamic(qrnn, qrnn.measurement, packing, ends, gradient, chosen, shots)
    planner = _Planner(qrnn, packing)
    draws = 0 if gradient is None else gradient.num_directions
    steps = range(1, int(ends.max()) + 1)
    forward = [planner.read(t, group_copies(int((ends >= t).sum()), draws)) for t in steps]
    if qrnn.mode.waits_between_steps:
        rounds = [Round(f"step {t}", (load,)) for t, load in zip(steps, forward, strict=True)]
    else:
        rounds = [Round("all steps", tuple(forward))]
    if gradient is not None and gradient.in_expectation_mode and gradient.needs_backward_job:
        shifts = [planner.shift(t, int((ends >= t).sum())) for t in steps]
        rounds.append(Round("shifts", tuple(shifts)))
    return rounds


def longest_circuit(qrnn: QRNN, num_steps: int) -> QuantumCircuit:
    """Return the circuit of ``num_steps`` steps, for which the qubits are chosen."""
    if qrnn.measurement is None:
        return unroll(qrnn.ansatz, num_steps)
    return _dynamic_circuit(_list_functions(qrnn, qrnn.measurement).function(num_steps))


def _list_functions(qrnn: QRNN, measurement: Measurement) -> DynamicCircuits:
    mode = qrnn.mode
    return DynamicCircuits(mode.register, measurement, mode.readout.observables, mode.num_registers)


def _dynamic_circuit(function: DynamicFunction) -> QuantumCircuit:
    return function.circuit.circuit


def _list_dynamic(
    qrnn: QRNN,
    measurement: Measurement,
    packing: Packing,
    ends: NDArray[np.int64],
    gradient: GradientMethod | None,
    mitigation: Mitigation,
    shots: int,
) -> list[Round]:
    circuits = _list_functions(qrnn, measurement)
    rows, each = 1, None
    if mitigation.feed_forward and measurement.bit_feedback:
        rows, each = split_shots(shots)
    bases = len(group_terms(qrnn.readout.observables, range(qrnn.ansatz.num_qubits))) or 1
    loader = _Loader(packing, bases * rows)
    draws = 0 if gradient is None else gradient.num_directions
    forward, backward = [], []
    for length in np.unique(ends):
        function = circuits.function(int(length))
        circuit, sequences = _dynamic_circuit(function), int((ends == length).sum())
        label = f"the dynamic circuit of {length} steps"
        copies = group_copies(sequences, draws)
        forward += [loader.load(label, circuit, copies, factor) for factor in mitigation.factors]
        if gradient is not None and gradient.needs_backward_job:
            runs = gradient.count_shifts(function.count_runs(), sequences)
            groups = np.repeat(np.arange(len(runs)), runs)
            backward += [loader.load(label, circuit, groups, f) for f in mitigation.factors]
    rounds = [Round("all steps", tuple(forward), each)]
    if backward:
        rounds.append(Round("shifts", tuple(backward), each))
    if mitigation.calibrates:
        circuit = build_calibration(len(packing.patches[0]))
        load = _Loader(packing, 1).load("readout", circuit, np.arange(len(FLIPS)))
        rounds.insert(0, Round("calibration of the readouts", (load,), CALIBRATION_SHOTS))
    return rounds


class _Loader:
    """Counts circuits distributed over patches; compiles each circuit once."""

    def __init__(self, packing: Packing, bases: int) -> None:
        self._packing = packing
        self._bases = bases
        self._profiles: dict[tuple[str, int, int], CircuitProfile] = {}

    def load(
        self, label: str, circuit: QuantumCircuit, groups: NDArray[np.int64], factor: int = 1
    ) -> Load:
        """Return the load of a circuit with rows of ``groups``; equal labels mean equal gates."""
        deal = deal_rows(np.repeat(groups, self._bases), len(self._packing.patches))
        key = (label, deal.patches, factor)
        if key not in self._profiles:
            self._profiles[key] = self._packing.profile(circuit, deal.patches, factor)
        return Load(label, self._profiles[key], len(deal.rows))


class _Planner:
    """Counts the PUBs of a replay by prefixes."""

    def __init__(self, qrnn: QRNN, packing: Packing) -> None:
        self._ansatz = qrnn.ansatz
        bases = len(group_terms(qrnn.readout.observables, range(qrnn.ansatz.num_qubits)))
        self._loader = _Loader(packing, bases)

    def read(self, num_steps: int, groups: NDArray[np.int64]) -> Load:
        """Return the load of reading sequences after ``num_steps`` steps."""
        return self._load(num_steps, unroll(self._ansatz, num_steps), groups)

    def shift(self, num_steps: int, sequences: int) -> Load:
        """Return the load of all parameter shifts of these readouts, which share their gates."""
        shifted = shift_parameters(unroll(self._ansatz, num_steps))
        groups = shifted.group_runs(*shifted.list_runs(sequences))
        return self._load(num_steps, shifted.circuit, groups)

    def _load(self, num_steps: int, circuit: QuantumCircuit, groups: NDArray[np.int64]) -> Load:
        measured = measure_in_bases(circuit).circuit
        return self._loader.load(f"the prefix of {num_steps} steps", measured, groups)

"""What the mitigation of dynamic circuits costs in standard errors, before anything is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from circuits import Measurement
from circuits.separation import find_support
from qrnn_qiskit.model import QRNN
from runtime_jobs.estimation.feed_forward import find_overhead, split_shots
from runtime_jobs.estimation.mitigation import CALIBRATION_SHOTS, Mitigation
from runtime_jobs.estimation.standard_errors import find_probability_error
from runtime_jobs.hardware.packing import Packing
from runtime_jobs.hardware.targets import error_of

__all__ = ["Overhead", "estimate_overhead"]


@dataclass(frozen=True)
class Overhead:
    """The factor of a mitigation on standard errors, at the same shots of each circuit.

    Attributes:
        mitigation: Name of the mitigation.
        readout: The final readout with the largest factor, such as "Z0Z1"; empty where the factor
            is the same for all.
        factor: Its factor, from the readout errors of the calibration.
        error: Standard error of the factor after a calibration of the readouts with the shots of
            this package.
        circuits: How many times as many circuits run.
    """

    mitigation: str
    readout: str
    factor: float
    error: float
    circuits: int


def estimate_overhead(
    qrnn: QRNN, packing: Packing, mitigation: Mitigation, num_steps: int, shots: int
) -> Overhead:
    """Estimate the overhead of the longest sequences of a model, of T steps, at ``shots``.

    It is that of the readout after the last step for which it is largest. The inversion divides
    the value of each of its qubits by 1 - 2 r for an equal error r of both bits; the flips of the
    bits of its register multiply the factor, see :func:`.find_overhead`.
    """
    measurement, mode = qrnn.measurement, qrnn.mode
    assert measurement is not None
    stretch = float(np.linalg.norm(mitigation.weights))
    count = len(mitigation.factors)
    if not mitigation.calibrates:
        return Overhead(mitigation.name, "", stretch, 0.0, count)
    (patch,) = packing.patches
    errors = np.array([error_of(packing.target, "measure", (qubit,)) for qubit in patch])
    spreads = np.array([find_probability_error(error, CALIBRATION_SHOTS) for error in errors])
    spreads /= 1 - 2 * errors  # of the contrast 1 - 2 r, as a share of it and of one probability
    bits = _find_bits(measurement, mode.num_registers)
    flips = mitigation.feed_forward and measurement.bit_feedback
    found = []
    for label, observable in zip(mode.readout.labels, mode.readout.observables, strict=True):
        fed = bits[sorted({qubit // measurement.num_qubits for qubit in find_support(observable)})]
        redirected, changes = 1.0, np.zeros(len(errors))
        if flips:
            both = np.repeat(errors[fed][:, :, None], 2, 2)
            redirected = find_overhead(both, num_steps, split_shots(shots).rows)
            changes[fed] += 2 * (num_steps - 1)  # the larger of two equal errors counts twice
        for pauli in observable.paulis:
            qubits = np.flatnonzero(pauli.x | pauli.z)
            factor = stretch * redirected / (1 - 2 * errors[qubits]).prod()
            moved = changes.copy()
            moved[qubits] += math.sqrt(2)  # the errors of 0 and 1 are calibrated separately
            found.append((float(factor), float(np.linalg.norm(moved * spreads)), label))
    factor, relative, label = max(found)
    return Overhead(mitigation.name, label, factor, factor * relative, count)


def _find_bits(measurement: Measurement, num_registers: int) -> NDArray[np.int64]:
    """Return the qubits (R, m) of a circuit that store the bits of each register."""
    size, registers = measurement.num_qubits, np.arange(num_registers)[:, None]
    if measurement.has_ancillas:
        count = measurement.num_ancillas
        return num_registers * size + registers * count + np.arange(count)
    read: NDArray[np.int64] = registers * size + np.array(measurement.qubits)
    return read

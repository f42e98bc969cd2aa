"""What the mitigation of dynamic circuits costs in standard errors, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
        factor: The factor, from the readout errors of the calibration.
        error: Standard error of the factor after a calibration of the readouts with the shots of
            this package.
        circuits: How many times as many circuits run.
    """

    mitigation: str
    factor: float
    error: float
    circuits: int


def estimate_overhead(
    qrnn: QRNN, packing: Packing, mitigation: Mitigation, num_steps: int, shots: int
) -> Overhead:
    """Estimate the overhead of the longest sequences of a model, of T steps, at ``shots``."""
    measurement, registers = qrnn.measurement, qrnn.mode.num_registers
    assert measurement is not None
    stretch = float(np.linalg.norm(mitigation.weights))
    count = len(mitigation.factors)
    if not mitigation.feed_forward or not measurement.bit_feedback:
        return Overhead(mitigation.name, stretch, 0.0, count)
    bits, size = measurement.num_ancillas, measurement.num_qubits
    if measurement.has_ancillas:
        places = registers * size + np.arange(registers * bits)
    else:
        places = (np.arange(registers)[:, None] * size + np.array(measurement.qubits)).ravel()
    (patch,) = packing.patches
    found = np.array([error_of(packing.target, "measure", (patch[place],)) for place in places])
    errors = np.repeat(found.reshape(registers, bits, 1), 2, 2)
    factor = find_overhead(errors, num_steps, split_shots(shots).rows)
    # The factor is a product over bits, whose errors are equal for 0 and 1 here.
    relative = [
        2 * find_probability_error(error, CALIBRATION_SHOTS) / (1 - 2 * error) for error in found
    ]
    spread = factor * (num_steps - 1) * float(np.linalg.norm(relative))
    return Overhead(mitigation.name, stretch * factor, stretch * spread, count)

"""Deviations of a device from exact values, and the drift of the angles by feedback.

A readout on a device differs from the noiseless trajectory for two reasons that must be kept
apart: its own error, the difference from the exact value at the angles that were run, and the
drift, the difference due to these angles, which the feedback of earlier errors amplifies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qrnn_qiskit.engines.cpu import Simulator, begin
from qrnn_qiskit.engines.reversible import advance
from qrnn_qiskit.model import QRNN

__all__ = ["Deviations", "measure_deviations", "read_exactly"]


@dataclass(frozen=True)
class Deviations:
    """Root mean squares over sequences and readouts, one for each of the T steps.

    Attributes:
        residuals: Readouts minus exact values at the angles that were run.
        standard_errors: Standard errors reported by the device; None where it reports exact values.
        drift: Exact values at the angles that were run minus those of the noiseless trajectory.
        spread: Standard deviation of residual / standard error over all readouts, 1 where shot
            noise is the only error; None where the device reports exact values.
        readouts: Number of residuals.
    """

    residuals: list[float]
    standard_errors: list[float] | None
    drift: list[float]
    spread: float | None
    readouts: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return dict(vars(self))


@torch.no_grad()
def read_exactly(qrnn: QRNN, angles: Tensor) -> Tensor:
    """Compute exact readouts (B, T, K) float64 after each step, at angles (B, T, P) in radians."""
    mode = qrnn.mode
    rows = len(angles) * mode.num_registers  # a register of a sequence is run as a sequence
    observables = mode.register_readout.observables
    simulator = Simulator(mode.register.circuit, observables, torch.float64)
    evolution, token = begin(simulator, None, rows)
    outputs = []
    for theta in angles.double().unbind(1):
        token, readouts = advance(evolution, token, theta.reshape(rows, -1))
        outputs.append(readouts.reshape(len(angles), -1))
    return torch.stack(outputs, 1)


def measure_deviations(
    output: Tensor, exact: Tensor, noiseless: Tensor, errors: Tensor | None, lengths: Tensor | None
) -> Deviations:
    """Compare readouts (N, T, K) of a device with exact ones.

    Args:
        output: Readouts of the device.
        exact: Exact values at the angles that were run.
        noiseless: Readouts of the simulator for the same sequences.
        errors: Standard errors of ``output``; None where the device reports exact values.
        lengths: (N,) valid steps of each sequence; all unless given.
    """
    steps = torch.arange(output.shape[1])
    valid = torch.ones(output.shape[:2], dtype=torch.bool)
    if lengths is not None:
        valid = steps < lengths[:, None]
    residuals, drift = output.double() - exact.double(), exact.double() - noiseless.double()
    spread = None
    if errors is not None:
        standardized = residuals[valid] / errors.double()[valid]
        spread = float(standardized.std()) if standardized.numel() > 1 else None
    return Deviations(
        residuals=_average(residuals, valid),
        standard_errors=None if errors is None else _average(errors.double(), valid),
        drift=_average(drift, valid),
        spread=spread,
        readouts=int(valid.sum()) * output.shape[2],
    )


def _average(values: Tensor, valid: Tensor) -> list[float]:
    """Compute the root mean square of each step over its valid sequences and all readouts."""
    squares = (values.square().mean(2) * valid).sum(0) / valid.sum(0).clamp(min=1)
    return [float(value) for value in squares.sqrt()]

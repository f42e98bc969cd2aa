"""How far a device is from exact values, and how far the feedback has carried the angles off.

A readout on a device differs from the noiseless trajectory for two reasons that must not be mixed:
its own error, which is the difference from the exact value at the very angles that were run, and
the drift, the difference that these angles make, which the feedback of earlier errors amplifies.
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
        standard_errors: What the device claims for them; None where it claims to be exact.
        drift: Exact values at the angles that were run minus those of the noiseless trajectory.
        spread: Standard deviation of residual / standard error over all readouts, 1 where shots
            are all that the device adds; None where it claims to be exact.
        readouts: How many residuals there are.
    """

    residuals: list[float]
    standard_errors: list[float] | None
    drift: list[float]
    spread: float | None
    readouts: int

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return dict(vars(self))


@torch.no_grad()
def read_exactly(qrnn: QRNN, angles: Tensor) -> Tensor:
    """The exact readouts (B, T, K) float64 after each step, at angles (B, T, P) in radians."""
    simulator = Simulator(qrnn.ansatz.circuit, qrnn.readout.observables, torch.float64)
    evolution, token = begin(simulator, None, len(angles))
    outputs = []
    for theta in angles.double().unbind(1):
        token, readouts = advance(evolution, token, theta)
        outputs.append(readouts)
    return torch.stack(outputs, 1)


def measure_deviations(
    output: Tensor, exact: Tensor, noiseless: Tensor, errors: Tensor | None, lengths: Tensor | None
) -> Deviations:
    """Compare readouts (N, T, K) of a device with exact ones.

    Args:
        output: What the device gave.
        exact: Exact values at the angles that were run.
        noiseless: What the simulator gives for the same sequences.
        errors: Standard errors of ``output``; None where the device claims to be exact.
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
    """Root mean square of each step over its valid sequences and all readouts."""
    squares = (values.square().mean(2) * valid).sum(0) / valid.sum(0).clamp(min=1)
    return [float(value) for value in squares.sqrt()]

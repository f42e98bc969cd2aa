"""Training that has left the finite numbers."""

from __future__ import annotations

import math

from circuits.errors import UserError
from qrnn_qiskit.training.position import Position
from qrnn_qiskit.training.schema import Config

__all__ = ["TrainingDiverged", "require_finite"]


class TrainingDiverged(UserError, ArithmeticError):
    """The loss, a gradient or a validation metric is NaN or infinite."""


def require_finite(what: str, value: float, position: Position, config: Config) -> None:
    """TrainingDiverged where ``value`` is not finite; says where training stands, what to lower."""
    if math.isfinite(value):
        return
    clip = config.train.clip_norm
    raise TrainingDiverged(
        f"training diverged in epoch {position.epoch + 1} at step {position.step + 1}: {what} is "
        f"{value}; a finite number is required. Lower train.learning_rate (now "
        f"{config.train.learning_rate:g}), train.clip_norm (now "
        f"{'none' if clip is None else f'{clip:g}'}) or model.feedback_gain (now "
        f"{config.model.feedback_gain:g}) and train in a new folder"
    )

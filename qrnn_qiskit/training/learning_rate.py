"""The learning rate of a step, a pure function of the position of the training."""

from __future__ import annotations

import math

from qrnn_qiskit.training.schema import TrainConfig

__all__ = ["scheduled_rate"]


def scheduled_rate(train: TrainConfig, step: int, progress: float) -> float:
    """Return the learning rate of ``step`` (from 0) when a share ``progress`` of training is done.

    It rises linearly over ``warmup_steps``, multiplied by a factor that is constant, or falls to 0
    as half a cosine or linearly. Without internal state, an interruption loses nothing.
    """
    warmup = min(1.0, (step + 1) / train.warmup_steps) if train.warmup_steps else 1.0
    decay = {
        "constant": 1.0,
        "cosine": (1.0 + math.cos(math.pi * progress)) / 2.0,
        "linear": 1.0 - progress,
    }[train.schedule]
    return train.learning_rate * warmup * decay

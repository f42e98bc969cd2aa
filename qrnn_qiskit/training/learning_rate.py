"""The learning rate of a step, as a pure function of where training stands."""

from __future__ import annotations

import math

from qrnn_qiskit.training.schema import TrainConfig

__all__ = ["scheduled_rate"]


def scheduled_rate(train: TrainConfig, step: int, progress: float) -> float:
    """The learning rate of ``step`` (from 0) when the share ``progress`` of all epochs is done.

    It rises in a line over ``warmup_steps``, and from the start stays constant, falls to 0 as
    half a cosine, or falls to 0 in a line. Without a state of its own nothing of it is lost
    when a run is interrupted.
    """
    warmup = min(1.0, (step + 1) / train.warmup_steps) if train.warmup_steps else 1.0
    decay = {
        "constant": 1.0,
        "cosine": (1.0 + math.cos(math.pi * progress)) / 2.0,
        "linear": 1.0 - progress,
    }[train.schedule]
    return train.learning_rate * warmup * decay

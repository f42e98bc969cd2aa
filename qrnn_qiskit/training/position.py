"""Where a training stands in its data, and the sums of the epoch so far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from qrnn_qiskit.training.schema import TrainConfig

__all__ = ["Position"]


@dataclass
class Position:
    """Where training stands. Epochs, batches and steps are those done; sums are of the epoch.

    ``carried`` has the fields of the state that the next batch carries on from, where the
    sequences are continued; while training, those of this process's share.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    sequences: int = 0
    norm_sum: float = 0.0
    norm_max: float = 0.0
    square_sum: float = 0.0
    seconds: float = 0.0
    best_epoch: int = 0
    best_score: tuple[float, float] | None = None
    metrics_bytes: int = 0
    carried: dict[str, Any] | None = None

    def is_finished(self, config: TrainConfig) -> bool:
        """Whether the last epoch is done, or patience has ended."""
        waited = self.epoch - self.best_epoch
        impatient = config.patience is not None and waited >= config.patience
        return impatient or self.epoch >= config.epochs

    def begin_epoch(self) -> None:
        """Count the epoch that is done, and start the sums anew."""
        self.epoch += 1
        self.carried = None
        self.batch = self.sequences = 0
        self.loss_sum = self.square_sum = 0.0
        self.norm_sum = self.norm_max = self.seconds = 0.0

    def add_step(self, loss: float, norm: float, sequences: int, seconds: float) -> None:
        """Count a step: mean loss and size of its batch, gradient norm and wall-clock time."""
        self.batch += 1
        self.step += 1
        self.loss_sum += loss * sequences
        self.sequences += sequences
        self.norm_sum += norm
        self.norm_max = max(self.norm_max, norm)
        self.seconds += seconds

    def estimate_loss(self, sampled: bool) -> dict[str, float]:
        """Mean training loss of the epoch, with its standard error where circuits are sampled.

        The error is that of the mean over sequences, each with shots of its own: it holds both
        the shots and the spread of the data.
        """
        mean = self.loss_sum / self.sequences
        if not sampled or self.sequences < 2:
            return {"train_loss": mean}
        variance = max(0.0, self.square_sum / self.sequences - mean**2)
        error = math.sqrt(variance / (self.sequences - 1))
        return {"train_loss": mean, "train_loss_standard_error": error}

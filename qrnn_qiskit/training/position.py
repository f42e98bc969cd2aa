"""The position of a training in its data, and the sums of the epoch so far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from qrnn_qiskit.training.schema import TrainConfig

__all__ = ["Position"]


@dataclass
class Position:
    """The position of a training. Epochs, batches and steps count those done.

    Attributes:
        epoch, batch, step: Epochs, batches of the current epoch, and steps of all epochs.
        loss_sum: Sum of the losses of the sequences of the epoch.
        sequences: Number of sequences of the epoch so far.
        norm_sum, norm_max: Sum and maximum of the gradient norms of the epoch.
        square_sum: Sum of the squared losses of the sequences of the epoch.
        seconds: Wall-clock time of the epoch in seconds.
        best_epoch: Epoch with the best validation, counted from 1; 0 before the first.
        best_score: Its headline metric, larger is better, and its negative loss.
        metrics_bytes: Size of metrics.jsonl in bytes.
        carried: Fields of the state from which the next batch continues, where the sequences are
            continued; during training those of this process's share.
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
        """Return whether the last epoch is done, or patience has ended."""
        waited = self.epoch - self.best_epoch
        impatient = config.patience is not None and waited >= config.patience
        return impatient or self.epoch >= config.epochs

    def begin_epoch(self) -> None:
        """Count the finished epoch and reset the sums."""
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
        """Return the mean training loss of the epoch, with a standard error if it is sampled.

        The error is that of the mean over sequences, each with separate shots: it includes both the
        shot noise and the spread of the data.
        """
        mean = self.loss_sum / self.sequences
        if not sampled or self.sequences < 2:
            return {"train_loss": mean}
        variance = max(0.0, self.square_sum / self.sequences - mean**2)
        error = math.sqrt(variance / (self.sequences - 1))
        return {"train_loss": mean, "train_loss_standard_error": error}

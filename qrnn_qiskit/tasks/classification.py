"""The common base of tasks with one class for each sequence."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from qrnn_qiskit import metrics
from qrnn_qiskit.tasks.base import Sequences, Task, number_rows

__all__ = ["ClassificationTask"]


class ClassificationTask(Task):
    """A task with one class for each sequence: loss is the cross-entropy, headline the accuracy."""

    headline = "accuracy"
    higher_is_better = True
    ranges: ClassVar[dict[str, tuple[float, float]]] = {
        "cross_entropy": metrics.NON_NEGATIVE,
        "accuracy": metrics.SHARE,
        "majority_accuracy": metrics.SHARE,
    }
    proportions = ("accuracy", "majority_accuracy")

    @property
    @abstractmethod
    def classes(self) -> list[str]:
        """Names of the classes in the order of the logits."""

    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Compute the mean cross-entropy in nats of logits (B, C)."""
        return metrics.cross_entropy(prediction, batch.targets).mean()

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute the cross-entropy in nats, and the accuracy as 0 or 1, of each sequence."""
        return {
            "cross_entropy": metrics.cross_entropy(prediction, batch.targets),
            "accuracy": metrics.accuracy(prediction, batch.targets),
        }

    def measure_floors(
        self, train: Sequences, sequences: Sequences
    ) -> dict[str, metrics.MeanAndError]:
        """Compute the accuracy of always predicting the most frequent class of the training."""
        majority = torch.bincount(train.targets).argmax()
        return {"majority_accuracy": metrics.estimate_mean(sequences.targets == majority)}

    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Tabulate row, predicted class, its probability, and the actual class where known."""
        probabilities, predicted = prediction.softmax(dim=-1).max(dim=-1)
        header = ["row", "predicted", "probability"]
        rows: list[list[str | float | int]] = [
            [row, self.classes[label], probability]
            for row, label, probability in zip(
                number_rows(batch), predicted.tolist(), probabilities.tolist(), strict=True
            )
        ]
        if batch.has_targets:
            header.append("actual")
            for row, target in zip(rows, batch.targets.tolist(), strict=True):
                row.append(self.classes[target])
        return header, rows

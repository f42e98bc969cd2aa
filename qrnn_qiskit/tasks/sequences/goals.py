"""What is predicted for a sequence, or for each of its steps: its class, or values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qrnn_qiskit import metrics
from qrnn_qiskit.tasks.base import Sequences
from qrnn_qiskit.tasks.data.targets import PADDING, Targets

__all__ = ["ClassGoal", "Goal", "ValueGoal", "make_goal", "restore_goal"]

Cell = str | float | int


class Goal(ABC):
    """Loss, metrics and tables of one kind of targets.

    Attributes:
        kind: "classes" or "values".
        headline: See :class:`qrnn_qiskit.tasks.base.Task`.
        higher_is_better: Whether larger values of the headline metric are better.
        is_stepwise: Whether each step has a target.
        proportions: The metrics that are 0 or 1 for each sequence.
    """

    kind: ClassVar[str]
    headline: ClassVar[str]
    higher_is_better: ClassVar[bool]

    is_stepwise: bool
    proportions: tuple[str, ...] = ()

    @property
    @abstractmethod
    def size(self) -> int:
        """Width of a prediction."""

    @abstractmethod
    def encode(self, targets: Targets, rows: NDArray[np.int64]) -> Tensor:
        """Return the targets of these sequences as the loss takes them."""

    @abstractmethod
    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute each metric by name, (N,); the first one is the loss of each sequence."""

    @abstractmethod
    def measure_floors(
        self, train: Sequences, sequences: Sequences
    ) -> dict[str, metrics.MeanAndError]:
        """Compute the metrics of a prediction that does not look at the inputs."""

    @abstractmethod
    def present(self, prediction: Tensor) -> NDArray[Any]:
        """Return predictions in the form and the units of the targets as given."""

    @abstractmethod
    def tabulate(self, prediction: Tensor, targets: Tensor | None) -> tuple[list[str], list[Any]]:
        """Make the header and, for each prediction, the cells of a table."""

    @abstractmethod
    def remember(self) -> dict[str, Any]:
        """Return all attributes as plain values, for :func:`restore_goal`."""


class ClassGoal(Goal):
    """The class of a sequence, or of each step.

    Args:
        labels: (C,) integers or texts, the classes as they were given.
        classes: Their names.
        is_stepwise: Whether each step has a class.
    """

    kind = "classes"
    headline = "accuracy"
    higher_is_better = True

    def __init__(self, labels: NDArray[Any], classes: Sequence[str], is_stepwise: bool) -> None:
        self.labels, self.classes, self.is_stepwise = labels, list(classes), is_stepwise
        self.proportions = () if is_stepwise else ("accuracy", "majority_accuracy")

    @property
    def size(self) -> int:
        """C, the number of classes."""
        return len(self.classes)

    def encode(self, targets: Targets, rows: NDArray[np.int64]) -> Tensor:
        """Return the classes, (N,) or (N, T) int64."""
        return torch.from_numpy(targets.numbers[rows])

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute the cross-entropy in nats and the share of right classes, averaged over steps."""
        return {
            "cross_entropy": metrics.cross_entropy(prediction, batch.targets, PADDING),
            "accuracy": metrics.accuracy(prediction, batch.targets, PADDING),
        }

    def measure_floors(
        self, train: Sequences, sequences: Sequences
    ) -> dict[str, metrics.MeanAndError]:
        """Compute the accuracy of always predicting the most frequent class of the training."""
        majority = torch.bincount(train.targets[train.targets != PADDING]).argmax()
        logits = torch.zeros(*sequences.targets.shape, self.size)
        logits[..., majority] = 1.0
        right = metrics.accuracy(logits, sequences.targets, PADDING)
        return {"majority_accuracy": metrics.estimate_mean(right)}

    def present(self, prediction: Tensor) -> NDArray[Any]:
        """Return the most likely class as it was given, (N,) or (N, T)."""
        chosen: NDArray[Any] = self.labels[prediction.argmax(dim=-1).numpy()]
        return chosen

    def tabulate(self, prediction: Tensor, targets: Tensor | None) -> tuple[list[str], list[Any]]:
        """Tabulate the predicted class, its probability, and the actual class where known."""
        probabilities, predicted = prediction.softmax(dim=-1).max(dim=-1)
        header = ["predicted", "probability"]
        cells: list[list[Cell]] = [
            [self.classes[label], probability]
            for label, probability in zip(predicted.tolist(), probabilities.tolist(), strict=True)
        ]
        if targets is not None:
            header.append("actual")
            for row, target in zip(cells, targets.tolist(), strict=True):
                row.append(self.classes[target])
        return header, cells

    def remember(self) -> dict[str, Any]:
        """Return labels and names."""
        return {
            "kind": self.kind,
            "labels": self.labels.tolist(),
            "classes": self.classes,
            "is_stepwise": self.is_stepwise,
        }


class ValueGoal(Goal):
    """Values of a sequence, or of each step; the loss is their normalized mean squared error.

    Args:
        mean, deviation: Mean and standard deviation of each value in the training split, (k,).
        is_stepwise: Whether each step has values.
        is_flat: Whether they were given without the axis k.
    """

    kind = "values"
    headline = "nmse"
    higher_is_better = False

    def __init__(
        self,
        mean: NDArray[np.float64],
        deviation: NDArray[np.float64],
        is_stepwise: bool,
        is_flat: bool,
    ) -> None:
        self.mean, self.deviation = mean, deviation
        self.is_stepwise, self.is_flat = is_stepwise, is_flat

    @property
    def size(self) -> int:
        """k, the number of values."""
        return len(self.mean)

    def encode(self, targets: Targets, rows: NDArray[np.int64]) -> Tensor:
        """Return the values in standard deviations of the training, (N, k) or (N, T, k)."""
        return torch.from_numpy((targets.numbers[rows] - self.mean) / self.deviation)

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute the squared error in training variances, averaged over values and valid steps.

        A single value has its absolute error as well, in its own unit.
        """
        difference = prediction - batch.targets.to(prediction.dtype)
        values = {"nmse": _average(difference.square(), batch.lengths)}
        if self.size == 1:
            unit = float(self.deviation[0])
            values["absolute_error"] = _average(difference.abs(), batch.lengths) * unit
        return values

    def measure_floors(
        self, train: Sequences, sequences: Sequences
    ) -> dict[str, metrics.MeanAndError]:
        """Compute the error of always predicting the mean of the training."""
        floor = _average(sequences.targets.square(), sequences.lengths)
        return {"mean_nmse": metrics.estimate_mean(floor)}

    def present(self, prediction: Tensor) -> NDArray[Any]:
        """Return values in the units of the targets, (N, k) or (N, T, k) float64, or flat (N,)."""
        values: NDArray[Any] = prediction.double().numpy() * self.deviation + self.mean
        return values[..., 0] if self.is_flat else values

    def tabulate(self, prediction: Tensor, targets: Tensor | None) -> tuple[list[str], list[Any]]:
        """Tabulate the predicted values, and the actual ones where known, in their units."""
        numbers = [""] if self.size == 1 else [f" {number}" for number in range(self.size)]
        header = [f"predicted{number}" for number in numbers]
        parts = [prediction]
        if targets is not None:
            header += [f"actual{number}" for number in numbers]
            parts.append(targets)
        scaled = [part.double().numpy() * self.deviation + self.mean for part in parts]
        return header, np.concatenate(scaled, axis=-1).tolist()

    def remember(self) -> dict[str, Any]:
        """Return the scale of the values."""
        return {
            "kind": self.kind,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
            "is_stepwise": self.is_stepwise,
            "is_flat": self.is_flat,
        }


def make_goal(targets: Targets, mean: NDArray[Any], deviation: NDArray[Any]) -> Goal:
    """Make the goal of targets; ``mean`` and ``deviation`` are those of values in the training."""
    if targets.goal == "classes":
        return ClassGoal(targets.labels, targets.classes, targets.is_stepwise)
    return ValueGoal(mean, deviation, targets.is_stepwise, targets.is_flat)


def restore_goal(state: dict[str, Any]) -> Goal:
    """Restore a goal from ``Goal.remember()``."""
    if state["kind"] == "classes":
        return ClassGoal(np.array(state["labels"]), state["classes"], state["is_stepwise"])
    scale = np.array(state["mean"]), np.array(state["deviation"])
    return ValueGoal(*scale, state["is_stepwise"], state["is_flat"])


def _average(errors: Tensor, lengths: Tensor | None) -> Tensor:
    """Average (N, k), or (N, T, k) over the valid steps, to (N,)."""
    errors = errors.mean(dim=-1)
    if errors.ndim == 1:
        return errors
    steps = errors.shape[1]
    if lengths is None:
        return errors.mean(dim=1)
    valid = torch.arange(steps, device=errors.device) < lengths[:, None]
    return (errors * valid).sum(dim=1) / lengths

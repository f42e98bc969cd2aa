"""The result of a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qrnn_qiskit.training.position import Position
from qrnn_qiskit.training.run_folder import RunFolder

__all__ = ["TrainingResult"]


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training.

    Attributes:
        path: Folder of the run.
        epochs: Number of epochs trained.
        best_epoch: The epoch with the best validation, counted from 1.
        stopped_early: Whether patience ended the training before the last epoch.
        validation: Validation metrics of the best epoch.
    """

    path: Path
    epochs: int
    best_epoch: int
    stopped_early: bool
    validation: dict[str, float]

    @classmethod
    def of(cls, run: RunFolder, position: Position, rows: list[dict[str, Any]]) -> TrainingResult:
        """Make the result at the position of the last epoch, whose metrics end the ``rows``."""
        prefix = "validation_"
        best = rows[position.best_epoch - 1]
        return cls(
            path=run.path,
            epochs=position.epoch,
            best_epoch=position.best_epoch,
            stopped_early=position.epoch < run.config.train.epochs,
            validation={k.removeprefix(prefix): v for k, v in best.items() if prefix in k},
        )

"""The copying memory task of Arjovsky, Shah and Bengio, arXiv:1511.06464, section 5.1.

Ten symbols are shown, then blanks; after a marker the ten symbols must be given again. The
output before that is blank. A model without memory can do no better than guess the ten symbols,
a cross-entropy of 10 ln 8 / (delay + 20) per step.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from qrnn_qiskit import metrics
from qrnn_qiskit.heads import StepHead
from qrnn_qiskit.metrics import MeanAndError
from qrnn_qiskit.tasks.base import DataSettings, Sequences, Splits, Task, TaskModel, number_rows
from qrnn_qiskit.tasks.data.files import DataError, read_table
from qrnn_qiskit.tasks.registry import register

if TYPE_CHECKING:
    from qrnn_qiskit.model import QRNN

__all__ = ["CopyingMemory", "CopyingMemorySettings"]

NUM_SYMBOLS = 8
NUM_COPIED = 10
BLANK = NUM_SYMBOLS
MARKER = NUM_SYMBOLS + 1
ALPHABET = NUM_SYMBOLS + 2
SOLVED_RATIO = 0.1
# Streams of random numbers that never meet: training data of an epoch, validation, test.
TRAINING, VALIDATION, TEST = range(3)


class CopyingMemorySettings(DataSettings):
    """Sequences have delay + 20 steps. ``split_seed`` draws all of them."""

    delay: int = Field(default=100, ge=1, description="steps between the symbols and their copy")
    curriculum: int = Field(
        default=120, ge=0, description="epochs in which the training delay grows; 0: always full"
    )
    train_size: int = Field(default=3200, ge=1, description="new training sequences per epoch")
    validation_size: int = Field(default=500, ge=1, description="validation sequences")
    test_size: int = Field(default=1000, ge=1, description="test sequences")


class OneHot(nn.Module):
    """Tokens (B, T) int64 as unit vectors (B, T, size)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, tokens: Tensor) -> Tensor:
        return functional.one_hot(tokens, self.size)


@register
class CopyingMemory(Task):
    """Tokens 0 to 7 are symbols, 8 the blank, 9 the marker; the targets are symbols or blank."""

    name = "copying-memory"
    summary = "repeat 10 symbols after a delay (Arjovsky et al., arXiv:1511.06464)"
    source = "generated: 8 symbols, delay + 20 steps, new training sequences every epoch"
    Settings = CopyingMemorySettings
    settings: CopyingMemorySettings
    # Measured at a delay of 100: two layers hold fewer symbols, and a learning rate that is still
    # high when the delay gets long lets the feedback loop turn chaotic, which does not heal.
    defaults: ClassVar[dict[str, Any]] = {
        "model.num_qubits": 8,
        "model.num_layers": 3,
        "model.controller_hidden": 64,
        "train.epochs": 300,
        "train.batch_size": 32,
        "train.learning_rate": 0.003,
        "train.schedule": "cosine",
        "train.clip_norm": 1.0,
    }
    headline = "cross_entropy"
    higher_is_better = False
    ranges: ClassVar[dict[str, tuple[float, float]]] = {
        "cross_entropy": metrics.NON_NEGATIVE,
        "accuracy": metrics.SHARE,
        "baseline_ratio": metrics.NON_NEGATIVE,
        "solved_delay": metrics.NON_NEGATIVE,
    }

    def load(self) -> Splits:
        """Validation and test at the full delay; ``fresh`` follows the curriculum."""
        settings = self.settings
        return Splits(
            train=self.generate_epoch(0),
            validation=self._generate(settings.validation_size, settings.delay, VALIDATION),
            test=self._generate(settings.test_size, settings.delay, TEST),
            fresh=self.generate_epoch,
        )

    def generate_epoch(self, epoch: int) -> Sequences:
        """The training sequences of an epoch, counted from 0, all with the delay of that epoch."""
        delay = self.delay_at(epoch)
        return self._generate(self.settings.train_size, delay, TRAINING, epoch)

    def delay_at(self, epoch: int) -> int:
        """The training delay of an epoch: 1 for a third of the curriculum, then it grows.

        Holding ten symbols at all is the hard part, and short sequences teach it cheaply. From
        there the delay grows by the same factor every epoch; it is full from epoch ``curriculum``.
        """
        curriculum = self.settings.curriculum
        progress = min(1.0, epoch / curriculum) if curriculum else 1.0
        return round(math.pow(self.settings.delay, max(0.0, 1.5 * progress - 0.5)))

    def build(self, qrnn_factory: Callable[[int], QRNN]) -> TaskModel:
        """A head on each step: 8 symbols and the blank."""
        qrnn = qrnn_factory(ALPHABET)
        return TaskModel(qrnn, StepHead(qrnn, NUM_SYMBOLS + 1), OneHot(ALPHABET))

    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Mean cross-entropy over all steps in nats."""
        return metrics.cross_entropy(prediction, batch.targets).mean()

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Cross-entropy per step, accuracy of the ten copied symbols, and the ratio to guessing."""
        cross_entropy = metrics.cross_entropy(prediction, batch.targets)
        copied = slice(-NUM_COPIED, None)
        baseline = NUM_COPIED * math.log(NUM_SYMBOLS) / batch.targets.shape[1]
        return {
            "cross_entropy": cross_entropy,
            "accuracy": metrics.accuracy(prediction[:, copied], batch.targets[:, copied]),
            "baseline_ratio": cross_entropy / baseline,
        }

    def summarize(self, values: Mapping[str, Tensor]) -> dict[str, MeanAndError]:
        """The means, and the delay as ``solved_delay`` where it is solved, else 0.

        Solved is a cross-entropy under a tenth of the memoryless baseline.
        """
        means = super().summarize(values)
        is_solved = means["baseline_ratio"].value < SOLVED_RATIO
        return means | {"solved_delay": MeanAndError(self.settings.delay * float(is_solved), None)}

    def read(self, path: Path) -> Sequences:
        """A sequence of tokens 0 to 9 in each row of a CSV file without a header.

        All rows have the same number of tokens, at least the 10 that are copied.
        """
        table = read_table(path, header=False)
        if len(table.columns) < NUM_COPIED:
            raise DataError(
                f"{path} has {len(table.columns)} tokens per row; at least {NUM_COPIED} are "
                "required"
            )
        tokens = table.read_numbers(table.columns)
        valid = (tokens >= 0) & (tokens < ALPHABET) & (tokens == np.floor(tokens))
        for index, column in np.argwhere(~valid):
            raise DataError(
                f"{table.locate(table.rows[index])}, column {column + 1}: token "
                f"{tokens[index, column]:g}; whole numbers from 0 to 9 are required "
                "(0 to 7 symbols, 8 blank, 9 marker)"
            )
        return Sequences(
            torch.from_numpy(tokens.astype(np.int64)),
            targets=torch.empty(len(tokens), 0),
            rows=torch.arange(1, len(tokens) + 1),
        )

    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Row and the tokens predicted for the last ten steps, beside the actual ones if known."""
        header = ["row", "predicted"]
        rows: list[list[str | float | int]] = [
            [row, " ".join(map(str, tokens[-NUM_COPIED:]))]
            for row, tokens in zip(
                number_rows(batch), prediction.argmax(dim=-1).tolist(), strict=True
            )
        ]
        if batch.has_targets:
            header.append("actual")
            for row, tokens in zip(rows, batch.targets.tolist(), strict=True):
                row.append(" ".join(map(str, tokens[-NUM_COPIED:])))
        return header, rows

    def fingerprint(self) -> str:
        """SHA-256 of the settings, which determine the generated data."""
        return hashlib.sha256(self.settings.model_dump_json().encode()).hexdigest()

    def _generate(self, count: int, delay: int, *stream: int) -> Sequences:
        random = np.random.default_rng([self.settings.split_seed, *stream])
        symbols = random.integers(NUM_SYMBOLS, size=(count, NUM_COPIED), dtype=np.int64)
        inputs = np.full((count, delay + 2 * NUM_COPIED), BLANK, dtype=np.int64)
        targets = inputs.copy()
        inputs[:, :NUM_COPIED] = symbols
        inputs[:, NUM_COPIED + delay - 1] = MARKER
        targets[:, -NUM_COPIED:] = symbols
        return Sequences(torch.from_numpy(inputs), torch.from_numpy(targets))

"""The copying memory task of Arjovsky, Shah and Bengio, arXiv:1511.06464, section 5.1.

Ten symbols are shown, then blanks; after a marker the ten symbols must be repeated. The output
before that is blank. A model without memory can only guess the ten symbols, which gives a
cross-entropy of 10 ln 8 / (delay + 20) per step.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from circuits.limits import MOST_DATA
from qrnn_qiskit import metrics
from qrnn_qiskit.heads import StepHead
from qrnn_qiskit.metrics import MeanAndError
from qrnn_qiskit.tasks.base import (
    DataSettings,
    Sequences,
    Splits,
    Task,
    TaskModel,
    choose_oscillators,
    number_rows,
)
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.sizes import check_sizes
from qrnn_qiskit.tasks.data.tables import read_table
from qrnn_qiskit.tasks.registry import register

if TYPE_CHECKING:
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["CopyingMemory", "CopyingMemorySettings"]

NUM_SYMBOLS = 8
NUM_COPIED = 10
BLANK = NUM_SYMBOLS
MARKER = NUM_SYMBOLS + 1
ALPHABET = NUM_SYMBOLS + 2
SOLVED_RATIO = 0.1
# Separate streams of random numbers: training data of an epoch, validation, test.
TRAINING, VALIDATION, TEST = range(3)


class CopyingMemorySettings(DataSettings):
    """Settings of sequences with delay + 20 steps; ``split_seed`` seeds all of them."""

    delay: int = Field(
        default=100, ge=1, le=MOST_DATA, description="steps between the symbols and their copy"
    )
    curriculum: int = Field(
        default=120, ge=0, description="epochs over which the training delay grows; 0: always full"
    )
    centred: bool = Field(
        default=False, description="blank as the zero vector, so that nothing drives the model then"
    )
    train_size: int = Field(
        default=3200, ge=1, le=MOST_DATA, description="new training sequences per epoch"
    )
    validation_size: int = Field(
        default=500, ge=1, le=MOST_DATA, description="validation sequences"
    )
    test_size: int = Field(default=1000, ge=1, le=MOST_DATA, description="test sequences")

    @model_validator(mode="after")
    def _fit_memory(self) -> CopyingMemorySettings:
        check_sizes(self, self.delay + 2 * NUM_COPIED, "delay")
        return self


class OneHot(nn.Module):
    """Encode tokens (B, T) int64 as unit vectors (B, T, size).

    Where there is a token ``zero`` it is the zero vector instead, and the width is ``size`` - 1.
    """

    def __init__(self, size: int, zero: int | None = None) -> None:
        super().__init__()
        self.size = size
        self.zero = zero

    def forward(self, tokens: Tensor) -> Tensor:
        encoded = functional.one_hot(tokens, self.size)
        if self.zero is None:
            return encoded
        return torch.cat((encoded[..., : self.zero], encoded[..., self.zero + 1 :]), dim=-1)


@register
class CopyingMemory(Task):
    """The copying memory task.

    Tokens 0 to 7 are symbols, 8 is the blank, 9 the marker; the targets are symbols or blank.
    """

    name = "copying-memory"
    summary = "repeat 10 symbols after a delay (Arjovsky et al., arXiv:1511.06464)"
    source = "generated: 8 symbols, delay + 20 steps, new training sequences every epoch"
    Settings = CopyingMemorySettings
    settings: CopyingMemorySettings
    # Without the oscillator start. Measured at a delay of 100: two layers hold fewer symbols, and
    # with a learning rate that is still high when the delay becomes long the feedback loop turns
    # chaotic and does not recover.
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
    # The harmonics of 11 steps are for the ten symbols and the step after them.
    oscillators: ClassVar[dict[str, Any]] = {
        "data.centred": True,
        "data.curriculum": 0,
        "model.num_registers": 3,
        "model.num_qubits": 6,
        "model.num_layers": 2,
        "model.controller_hidden": None,
        "model.readout": "none",
        "model.start": "oscillators",
        "model.frequencies": "period:11",
        "model.input_gain": 0.1,
        "model.slow": 0.0,
        "model.readout_scale": 10.0,
        "train.epochs": 5,
        "train.learning_rate": 0.01,
        "train.rates.controller": 0.3,
    }
    headline = "cross_entropy"
    higher_is_better = False
    ranges: ClassVar[dict[str, tuple[float, float]]] = {
        "cross_entropy": metrics.NON_NEGATIVE,
        "accuracy": metrics.SHARE,
        "baseline_ratio": metrics.NON_NEGATIVE,
        "solved_delay": metrics.NON_NEGATIVE,
    }

    @classmethod
    def choose_defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Choose the oscillator start where the model can have it; biases act in every step."""
        delay = given.get("data.delay", 100)
        is_count = isinstance(delay, int) and 1 <= delay <= MOST_DATA  # others are refused later
        bias = min(0.3, 1.0 / delay) if is_count else 0.01
        return choose_oscillators(given, cls.oscillators | {"train.rates.bias": bias}, cls.defaults)

    def load(self) -> Splits:
        """Generate validation and test at the full delay; ``fresh`` follows the curriculum."""
        settings = self.settings
        return Splits(
            train=self.generate_epoch(0),
            validation=self._generate(settings.validation_size, settings.delay, VALIDATION),
            test=self._generate(settings.test_size, settings.delay, TEST),
            fresh=self.generate_epoch,
        )

    def generate_epoch(self, epoch: int) -> Sequences:
        """Generate the training sequences of an epoch, counted from 0, at its delay."""
        delay = self.delay_at(epoch)
        return self._generate(self.settings.train_size, delay, TRAINING, epoch)

    def delay_at(self, epoch: int) -> int:
        """Return the training delay of an epoch: 1 for a third of the curriculum, then growing.

        Storing ten symbols at all is the hard part, which short sequences teach cheaply. Then the
        delay grows by the same factor every epoch; it is full from epoch ``curriculum`` on.
        """
        curriculum = self.settings.curriculum
        progress = min(1.0, epoch / curriculum) if curriculum else 1.0
        return round(math.pow(self.settings.delay, max(0.0, 1.5 * progress - 0.5)))

    def build(self, qrnn_factory: Callable[[int], RecurrentModel]) -> TaskModel:
        """Build a head on each step for 8 symbols and the blank."""
        zero = BLANK if self.settings.centred else None
        qrnn = qrnn_factory(ALPHABET if zero is None else ALPHABET - 1)
        return TaskModel(qrnn, StepHead(qrnn, NUM_SYMBOLS + 1), OneHot(ALPHABET, zero))

    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Compute the mean cross-entropy over all steps in nats."""
        return metrics.cross_entropy(prediction, batch.targets).mean()

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute cross-entropy per step, accuracy of the symbols, and the ratio to guessing."""
        cross_entropy = metrics.cross_entropy(prediction, batch.targets)
        copied = slice(-NUM_COPIED, None)
        baseline = NUM_COPIED * math.log(NUM_SYMBOLS) / batch.targets.shape[1]
        return {
            "cross_entropy": cross_entropy,
            "accuracy": metrics.accuracy(prediction[:, copied], batch.targets[:, copied]),
            "baseline_ratio": cross_entropy / baseline,
        }

    def summarize(self, values: Mapping[str, Tensor]) -> dict[str, MeanAndError]:
        """Compute the means, and ``solved_delay``: the delay where it is solved, otherwise 0.

        Solved means a cross-entropy below a tenth of that of a model without memory.
        """
        means = super().summarize(values)
        is_solved = means["baseline_ratio"].value < SOLVED_RATIO
        return means | {"solved_delay": MeanAndError(self.settings.delay * float(is_solved), None)}

    def read(self, path: Path) -> Sequences:
        """Read a sequence of tokens 0 to 9 from each row of a CSV file without a header.

        All rows have the same number of tokens, at least the 10 that are copied.
        """
        table = read_table(path, header=False)
        if len(table.columns) < NUM_COPIED:
            raise DataError(
                f"{path}: expected at least {NUM_COPIED} tokens per row, got {len(table.columns)}"
            )
        tokens = table.read_numbers(table.columns)
        valid = (tokens >= 0) & (tokens < ALPHABET) & (tokens == np.floor(tokens))
        for index, column in np.argwhere(~valid):
            raise DataError(
                f"{table.locate(table.rows[index])}, column {column + 1}: expected a token from "
                f"0 to 9 (0 to 7 symbols, 8 blank, 9 marker), got {tokens[index, column]:g}"
            )
        return Sequences(
            torch.from_numpy(tokens.astype(np.int64)),
            targets=torch.empty(len(tokens), 0),
            rows=torch.arange(1, len(tokens) + 1),
        )

    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Tabulate row, the last ten predicted tokens, and the actual ones where known."""
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
        """Return the SHA-256 of the settings, which determine the generated data."""
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

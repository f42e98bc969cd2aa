"""The parts that all tasks of records share: settings, loss, metrics, floor, files and tables."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from circuits.limits import MOST_DATA
from qrnn_qiskit import metrics
from qrnn_qiskit.metrics import MeanAndError, estimate_mean
from qrnn_qiskit.tasks.base import DataSettings, Sequences, Splits, Task, TaskModel, number_rows
from qrnn_qiskit.tasks.data.data_error import DataError, quote
from qrnn_qiskit.tasks.data.sizes import check_sizes
from qrnn_qiskit.tasks.data.tables import Row, Table, read_table
from qrnn_qiskit.tasks.records.drawn import is_drawn
from qrnn_qiskit.tasks.records.model import build_model

if TYPE_CHECKING:
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["Drawn", "RecordSettings", "RecordTask", "pick_recorded"]

# Tokens (N, T), outcomes (N, T) and the exact probabilities (N, T) of 1 given the record before.
Drawn = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

# Separate streams of random numbers: training data of an epoch, validation, test.
TRAINING, VALIDATION, TEST = range(3)
# Keys of QRNN in measured mode, which no other model or readout mode takes.
_MEASURED = ("readout", "coupling", "measurement_frame", "bit_feedback")


class RecordSettings(DataSettings):
    """Settings of generated records; ``split_seed`` seeds all of them."""

    steps: int = Field(default=20, ge=1, le=MOST_DATA, description="outcomes of a record")
    train_size: int = Field(
        default=1280, ge=1, le=MOST_DATA, description="new training sequences per epoch"
    )
    validation_size: int = Field(
        default=500, ge=1, le=MOST_DATA, description="validation sequences"
    )
    test_size: int = Field(default=2000, ge=1, le=MOST_DATA, description="test sequences")

    @model_validator(mode="after")
    def _fit_memory(self) -> RecordSettings:
        check_sizes(self, self.num_outcomes, "steps")
        return self

    @property
    def num_outcomes(self) -> int:
        """Outcomes of a record; one a step unless a task makes several of a step."""
        return self.steps


class RecordTask(Task):
    """A task whose sequences are outcomes, 0 or 1, of steps that may have an input token.

    ``Sequences.inputs`` are (N, T, 2) int64: the token and the outcome of each step. A model
    predicts an outcome from the tokens up to its step and the outcomes before it. The targets are
    the exact probabilities of 1 that a complete memory would predict, (N, T) float; training uses
    them only for the entropy, which has no gradient.

    Attributes:
        labels: The names of the tokens; a single one where the steps have no input.
    """

    Settings = RecordSettings
    settings: RecordSettings
    headline = "excess"
    higher_is_better = False
    ranges: ClassVar[dict[str, tuple[float, float]]] = {"log_loss": metrics.NON_NEGATIVE}
    draws: ClassVar[bool] = False
    """Whether records that a device drew can be judged: see :meth:`FilteringModel.run`."""
    classical: ClassVar[dict[str, Any]] = {"model.hidden_size": 64, "train.learning_rate": 0.003}
    """The defaults of a model that reads the record, instead of those in measured mode."""

    @classmethod
    def choose_defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Omit what applies to measured mode where another model or mode is given."""
        is_measured = given.get("model.readout", "measured") == "measured"
        if given.get("model.kind", "qrnn") == "qrnn" and is_measured:
            return dict(cls.defaults)
        kept = {
            key: value
            for key, value in cls.defaults.items()
            if key.removeprefix("model.") not in _MEASURED
        }
        return kept | cls.classical

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """The names of the tokens."""

    @abstractmethod
    def generate(self, count: int, random: np.random.Generator) -> Drawn:
        """Draw ``count`` records of ``settings.num_outcomes`` outcomes."""

    def load(self) -> Splits:
        """Generate all splits; every epoch trains on new records."""
        settings = self.settings
        return Splits(
            train=self.generate_epoch(0),
            validation=self._generate(settings.validation_size, VALIDATION),
            test=self._generate(settings.test_size, TEST),
            fresh=self.generate_epoch,
        )

    def generate_epoch(self, epoch: int) -> Sequences:
        """Generate the training records of an epoch, counted from 0."""
        return self._generate(self.settings.train_size, TRAINING, epoch)

    def build(self, qrnn_factory: Callable[[int], RecurrentModel]) -> TaskModel:
        """Build a model that is conditioned on the record, or one that reads it."""
        return build_model(qrnn_factory, len(self.labels), self.draws)

    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Compute the excess log-loss in nats a step: log-loss minus the entropy of the process.

        The entropy is that of the drawn records, so that a complete memory has exactly 0.
        """
        return self._compute_excess(prediction, batch).mean()

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute excess and log-loss in nats a step."""
        return {
            "excess": self._compute_excess(prediction, batch).mean(1),
            "log_loss": -pick_recorded(prediction, batch).mean(1),
        }

    def measure_floors(self, train: Sequences, sequences: Sequences) -> dict[str, MeanAndError]:
        """Compute the excess of a model without memory: the share of 1 by token in ``train``."""
        tokens, outcomes = train.inputs.flatten(0, 1).unbind(-1)
        counts = torch.bincount(tokens, minlength=len(self.labels))
        ones = torch.bincount(tokens, outcomes.double(), minlength=len(self.labels))
        shares = ((ones + 0.5) / (counts + 1))[sequences.inputs[..., 0]]
        prediction = torch.stack((1 - shares, shares), -1).log()
        excess = self._compute_excess(prediction, sequences).mean(1)
        return {"memoryless_excess": estimate_mean(excess)}

    def read(self, path: Path) -> Sequences:
        """Read a record from each row of a CSV file with a header.

        The column ``outcomes`` has the outcomes 0 and 1, separated by spaces, and the column
        ``tokens`` as many tokens, unless steps have no input. Records may differ in length. The
        prediction for a step does not depend on its own outcome.
        """
        table = read_table(path)
        outcomes = _read_words(table, "outcomes", ("0", "1"))
        tokens = [torch.zeros_like(row) for row in outcomes]
        if len(self.labels) > 1:
            tokens = _read_words(table, "tokens", self.labels)
        for row, its_tokens, its_outcomes in zip(table.rows, tokens, outcomes, strict=True):
            if len(its_tokens) != len(its_outcomes):
                raise DataError(
                    f"{table.locate(row)}: expected an outcome for each of {len(its_tokens)} "
                    f"tokens, got {len(its_outcomes)}"
                )
        steps = [torch.stack(pair, 1) for pair in zip(tokens, outcomes, strict=True)]
        return Sequences(
            pad_sequence(steps, batch_first=True),
            targets=torch.empty(len(steps), 0),
            lengths=torch.tensor([len(each) for each in steps]),
            rows=torch.arange(1, len(steps) + 1),
        )

    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Tabulate row, tokens, outcomes, the predicted probabilities of 1, and the exact ones.

        Of records that a device drew, the share of 1 among its shots in each step.
        """
        if is_drawn(prediction):
            return self._tabulate_drawn(prediction, batch)
        names = ["tokens"] * (len(self.labels) > 1)
        header = ["row", *names, "outcomes", "probabilities_of_1"]
        header += ["exact_probabilities"] * batch.has_targets
        rows: list[list[str | float | int]] = []
        for index, number in enumerate(number_rows(batch)):
            end = batch.inputs.shape[1] if batch.lengths is None else int(batch.lengths[index])
            tokens, outcomes = batch.inputs[index, :end].T.tolist()
            row: list[str | float | int] = [number]
            row += [" ".join(self.labels[token] for token in tokens)] * len(names)
            row += [" ".join(map(str, outcomes)), _show(prediction[index, :end, 1].exp())]
            row += [_show(batch.targets[index, :end])] * batch.has_targets
            rows.append(row)
        return header, rows

    def _tabulate_drawn(
        self, records: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        rows: list[list[str | float | int]] = []
        for index, number in enumerate(number_rows(batch)):
            end = batch.inputs.shape[1] if batch.lengths is None else int(batch.lengths[index])
            tokens = " ".join(self.labels[token] for token in batch.inputs[index, :end, 0])
            rows.append([number, tokens, _show(records[index, :, :end].double().mean(0))])
        return ["row", "tokens", "shares_of_1"], rows

    def fingerprint(self) -> str:
        """Return the SHA-256 of the settings, which determine the generated data."""
        return hashlib.sha256(self.settings.model_dump_json().encode()).hexdigest()

    def _generate(self, count: int, *stream: int) -> Sequences:
        random = np.random.default_rng([self.settings.split_seed, *stream])
        tokens, outcomes, probabilities = self.generate(count, random)
        inputs = torch.from_numpy(np.stack((tokens, outcomes), -1))
        return Sequences(inputs, torch.from_numpy(probabilities))

    def _compute_excess(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Return (N, T): the logarithm of the exact over that of the predicted probability."""
        exact = torch.stack((1 - batch.targets, batch.targets), -1).log().to(prediction.dtype)
        return pick_recorded(exact, batch) - pick_recorded(prediction, batch)


def pick_recorded(logarithms: Tensor, batch: Sequences) -> Tensor:
    """Return the logarithms (N, T) of the recorded outcomes from those (N, T, 2) of 0 and 1."""
    return logarithms.gather(-1, batch.inputs[..., 1:])[..., 0]


def _show(probabilities: Tensor) -> str:
    return " ".join(f"{probability:.3g}" for probability in probabilities.tolist())


def _read_words(table: Table, column: str, words: tuple[str, ...]) -> list[Tensor]:
    """Read a column of words as the numbers of the words."""
    numbers = {word: number for number, word in enumerate(words)}

    def parse(row: Row, text: str) -> Tensor:
        for word in text.split():
            if word not in numbers:
                raise DataError(
                    f"{table.locate(row)}, column {column!r}: expected words from "
                    f"{' '.join(words)}, separated by spaces, got {quote(word)}"
                )
        return torch.tensor([numbers[word] for word in text.split()])

    return [parse(row, text) for row, text in zip(table.rows, table.read_text(column), strict=True)]

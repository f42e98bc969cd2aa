"""What every task is made of: its sequences, its settings, its model and the task itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from circuits.errors import InvalidTypeError, InvalidValueError
from qrnn_qiskit.metrics import MeanAndError, estimate_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from qrnn_qiskit.hidden_state import HiddenState
    from qrnn_qiskit.model import QRNN

__all__ = ["DataSettings", "Sequences", "Splits", "Task", "TaskModel", "number_rows"]


@dataclass(frozen=True)
class Sequences:
    """Sequences with their targets, one split or one batch.

    Attributes:
        inputs: (N, T, E) float, or (N, T) int64 tokens.
        targets: (N,) int64 classes, (N, T) int64 classes of each step, or (N, H) float; (N, 0) for
            new inputs, whose targets nobody knows.
        lengths: (N,) int64, the valid steps of each sequence; None when all T are valid.
        rows: (N,) int64, the row of the data that a sequence comes from (for a window its last
            row), counted from 1; None for generated sequences.
        continued: each sequence goes on where the one before it ends, as the windows of a long
            text do: they stay in order, and the state of the model is carried from one to the next.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    rows: Tensor | None = None
    continued: bool = False

    def __post_init__(self) -> None:
        for name in ("targets", "lengths", "rows"):
            tensor = getattr(self, name)
            if tensor is not None and len(tensor) != len(self.inputs):
                raise InvalidValueError(
                    f"{len(self.inputs)} sequences of inputs with {len(tensor)} {name}; "
                    "one for each sequence is required"
                )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def has_targets(self) -> bool:
        """False for new inputs, which only ask for a prediction."""
        return self.targets.ndim != 2 or self.targets.shape[1] > 0

    def select(self, indices: Tensor | slice) -> Sequences:
        """The sequences at these positions, in this order; continued only if they are a slice."""
        return Sequences(
            self.inputs[indices],
            self.targets[indices],
            None if self.lengths is None else self.lengths[indices],
            None if self.rows is None else self.rows[indices],
            self.continued and isinstance(indices, slice),
        )

    def to(self, device: torch.device) -> Sequences:
        """The same sequences on a device; their rows stay, which only tables read."""
        return replace(
            self,
            inputs=self.inputs.to(device),
            targets=self.targets.to(device),
            lengths=None if self.lengths is None else self.lengths.to(device),
        )

    def drop_targets(self) -> Sequences:
        """The same sequences as new inputs, which only ask for a prediction."""
        return replace(self, targets=torch.empty(len(self), 0))


@dataclass(frozen=True)
class Splits:
    """Training, validation and test sequences.

    ``fresh`` gives new training sequences for an epoch (counted from 0) and depends on nothing
    but the settings and the epoch, so a resumed run sees the same data. None: ``train`` is used
    in every epoch.
    """

    train: Sequences
    validation: Sequences
    test: Sequences
    fresh: Callable[[int], Sequences] | None = None


class DataSettings(BaseModel):
    """Settings of a task's data, ``data.*`` in the configuration. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split_seed: int = Field(
        default=0, ge=0, lt=2**32, description="draws the splits; apart from the training seed"
    )


class TaskModel(nn.Module):
    """A recurrent model between an embedding and a head.

    ``forward(inputs, lengths)`` returns the prediction of the head: (B, C) or (B, H) from the
    last state, (B, T, C) from each step. Floating-point inputs are cast to the dtype of the
    recurrent model; tokens go through ``embedding``.
    """

    decodes: ClassVar[bool] = False
    """Whether new inputs are predicted in another way than the loss judges: word after word."""

    def __init__(self, qrnn: QRNN, head: nn.Module, embedding: nn.Module | None = None) -> None:
        super().__init__()
        reference = next(qrnn.parameters())
        self.embedding = None if embedding is None else embedding.to(reference)
        self.qrnn = qrnn
        self.head = head.to(reference)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The prediction for new inputs, in the dtype of the parameters."""
        return self.run(Sequences(inputs, torch.empty(len(inputs), 0), lengths))[0]

    def run(self, batch: Sequences, state: HiddenState | None = None) -> tuple[Tensor, HiddenState]:
        """The prediction for a batch, and the state after it; ``state`` is carried on from."""
        x = batch.inputs if self.embedding is None else self.embedding(batch.inputs)
        dtype = next(self.qrnn.parameters()).dtype
        output, state = self.qrnn(x.to(dtype), state, batch.lengths)
        prediction: Tensor = self.head(output, state)
        return prediction, state

    def condense(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """What is kept of a batch's prediction for tables and files: all of it unless too large."""
        return prediction


class Task(ABC):
    """A learning problem: data, model, loss and metrics.

    A new task is a subclass in a file of this folder, or in any module that is imported, with
    the decorator ``register``. ``defaults`` are configuration values by dotted key, which a
    configuration file and ``--set`` override. Training keeps the weights with the best mean of
    the metric ``headline`` on the validation split. ``ranges`` has the least and the largest value
    of metrics that cannot take every number; tables cut their intervals there.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    Settings: ClassVar[type[DataSettings]] = DataSettings
    defaults: ClassVar[dict[str, Any]] = {}
    headline: ClassVar[str]
    higher_is_better: ClassVar[bool]
    ranges: ClassVar[dict[str, tuple[float, float]]] = {}

    settings: DataSettings

    def __init__(self, settings: DataSettings) -> None:
        if not isinstance(settings, self.Settings):
            raise InvalidTypeError(
                f"settings of task {self.name!r} are a {type(settings).__name__}; "
                f"a {self.Settings.__name__} is required"
            )
        self.settings = settings

    @classmethod
    def choose_defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """The defaults for a user who has ``given`` these values by dotted key."""
        return dict(cls.defaults)

    @abstractmethod
    def load(self) -> Splits:
        """Read or generate the data and fit the preprocessing on the training split alone.

        Raises DataError for data that cannot be used.
        """

    @abstractmethod
    def build(self, qrnn_factory: Callable[[int], QRNN]) -> TaskModel:
        """The untrained model around ``qrnn_factory(input_size)``; after load() or restore()."""

    @abstractmethod
    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """The mean over the sequences of a batch, a scalar to differentiate.

        Processes that share a batch weigh their means by the number of their sequences.
        """

    @abstractmethod
    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Each metric by name with one value for each sequence, (N,)."""

    def summarize(self, values: Mapping[str, Tensor]) -> dict[str, MeanAndError]:
        """Each metric over all sequences, from one value for each: their means, unless overridden.

        A task adds what is a function of these means, as perplexity is.
        """
        return {name: estimate_mean(each) for name, each in values.items()}

    def score(self, prediction: Tensor, sequences: Sequences) -> dict[str, MeanAndError]:
        """Metrics of an evaluation that are no means over sequences, as BLEU; none unless told.

        ``prediction`` is that for new inputs, condensed as ``TaskModel.condense`` does.
        """
        return {}

    def draw(self, model: TaskModel, test: Sequences) -> dict[str, Figure]:
        """Pictures of this task's own, by name; none unless told."""
        return {}

    @abstractmethod
    def read(self, path: Path) -> Sequences:
        """New inputs from a file, without targets; after load() or restore().

        Raises DataError for a file that cannot be used.
        """

    @abstractmethod
    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Header and rows of a table of predictions, with the targets where they are known.

        ``prediction`` is that for new inputs, condensed as ``TaskModel.condense`` does.
        """

    def remember(self) -> dict[str, Any]:
        """The fitted preprocessing as plain values, to be stored with the weights."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the preprocessing back from ``remember()``, without reading the data again.

        Raises ValueError for a state that this task never remembered.
        """
        if state:
            raise InvalidValueError(
                f"task {self.name!r} remembers nothing, but {sorted(state)} arrived; "
                "the state belongs to another task"
            )

    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of the data, for the provenance of a run."""


def number_rows(batch: Sequences) -> list[int]:
    """The row of each sequence for a table: that of the data, or 1, 2, ... where generated."""
    if batch.rows is None:
        return list(range(1, len(batch) + 1))
    rows: list[int] = batch.rows.tolist()
    return rows

"""The parts of every task: sequences, splits, settings of the data, model, and the task itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from circuits.ansatz import ANSATZ_FAMILIES
from circuits.errors import InvalidTypeError, InvalidValueError, OperationError
from qrnn_qiskit.metrics import MeanAndError, estimate_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from qrnn_qiskit.hidden_state import HiddenState
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = [
    "DataSettings",
    "Sequences",
    "Splits",
    "Task",
    "TaskModel",
    "choose_oscillators",
    "number_rows",
]

Value = TypeVar("Value")


@dataclass(frozen=True)
class Sequences:
    """Sequences with their targets: a split or a batch.

    Attributes:
        inputs: (N, T, E) float, or (N, T) int64 tokens.
        targets: (N,) int64 classes, (N, T) int64 classes of each step, or (N, H) float; (N, 0) for
            new inputs, whose targets are unknown.
        lengths: (N,) int64, the valid steps of each sequence; None when all T are valid.
        rows: (N,) int64, the row of the data that a sequence comes from (for a window its last
            row), counted from 1; None for generated sequences.
        continued: Whether each sequence continues the previous one, as the windows of a long text
            do: they stay in order, and the state of the model is carried from one to the next.

    Raises:
        ValueError: ``targets``, ``lengths`` or ``rows`` do not have N entries.
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
                    f"expected {name} for each of {len(self.inputs)} sequences, got {len(tensor)}"
                )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def has_targets(self) -> bool:
        """Whether the targets are known; False for new inputs to predict."""
        return self.targets.ndim != 2 or self.targets.shape[1] > 0

    def select(self, indices: Tensor | slice) -> Sequences:
        """Select the sequences at these positions, in this order; continued only for a slice."""
        return Sequences(
            self.inputs[indices],
            self.targets[indices],
            None if self.lengths is None else self.lengths[indices],
            None if self.rows is None else self.rows[indices],
            self.continued and isinstance(indices, slice),
        )

    def to(self, device: torch.device) -> Sequences:
        """Move the sequences to a device; ``rows`` stay on the CPU, since only tables read them."""
        return replace(
            self,
            inputs=self.inputs.to(device),
            targets=self.targets.to(device),
            lengths=None if self.lengths is None else self.lengths.to(device),
        )

    def drop_targets(self) -> Sequences:
        """Return the same sequences as new inputs, without targets."""
        return replace(self, targets=torch.empty(len(self), 0))


@dataclass(frozen=True)
class Splits:
    """Training, validation and test sequences.

    Attributes:
        train: Training sequences.
        validation: Validation sequences.
        test: Test sequences.
        fresh: Generates new training sequences for an epoch, counted from 0. It depends only on the
            settings and the epoch, so that a resumed run sees the same data. None where ``train``
            is used in every epoch.
    """

    train: Sequences
    validation: Sequences
    test: Sequences
    fresh: Callable[[int], Sequences] | None = None


class DataSettings(BaseModel):
    """Settings of a task's data, ``data.*`` in the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split_seed: int = Field(
        default=0,
        ge=0,
        lt=2**32,
        description="seed of the splits, independent of the training seed",
    )


class TaskModel(nn.Module):
    """A recurrent model between an embedding and a head.

    ``forward(inputs, lengths)`` returns the prediction of the head: (B, C) or (B, H) from the
    last state, (B, T, C) from each step. Floating-point inputs are cast to the dtype of the
    recurrent model; tokens pass through ``embedding``.

    Args:
        qrnn: The recurrent model.
        head: Maps outputs and state of the recurrent model to the prediction.
        embedding: Maps the inputs to those of the recurrent model; the identity unless given.
    """

    decodes: ClassVar[bool] = False
    """Whether new inputs are decoded word by word, unlike the prediction that the loss measures."""

    def __init__(
        self, qrnn: RecurrentModel, head: nn.Module, embedding: nn.Module | None = None
    ) -> None:
        super().__init__()
        reference = next(qrnn.parameters())
        self.embedding = None if embedding is None else embedding.to(reference)
        self.qrnn = qrnn
        self.head = head.to(reference)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Predict new inputs, in the dtype of the parameters."""
        return self.run(Sequences(inputs, torch.empty(len(inputs), 0), lengths))[0]

    def run(self, batch: Sequences, state: HiddenState | None = None) -> tuple[Tensor, HiddenState]:
        """Return the prediction for a batch and the state after it, starting from ``state``."""
        output, state = self.qrnn(self.embed(batch), state, batch.lengths)
        prediction: Tensor = self.head(output, state)
        return prediction, state

    def embed(self, batch: Sequences) -> Tensor:
        """Return the inputs of the recurrent model, (B, T, E) of its dtype."""
        x = batch.inputs if self.embedding is None else self.embedding(batch.inputs)
        return x.to(next(self.qrnn.parameters()).dtype)

    def condense(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Reduce the prediction of a batch to the part that tables and files keep: here all."""
        return prediction


def choose_oscillators(
    given: Mapping[str, Any], oscillators: Mapping[str, Any], otherwise: Mapping[str, Any]
) -> dict[str, Any]:
    """Choose the defaults of long sequences: the oscillator start where the model can have it.

    It needs a QRNN with feedback of expectations or none, a controller without a hidden layer and
    an RZ on each qubit. A given number of qubits without one of registers means one register.

    Args:
        given: Values that a user has given, by dotted key.
        oscillators: The defaults with the oscillator start.
        otherwise: Those where the given values exclude it, or ask for another start or size.
    """
    suits = (
        given.get("model.kind", "qrnn") == "qrnn"
        and given.get("model.start", "oscillators") == "oscillators"
        and given.get("model.readout", "none") in ("none", "expectation")
        and str(given.get("model.controller_hidden", "none")).lower() == "none"
        and given.get("model.activation", "linear") == "linear"
        and "rz" in given.get("model.rotations", ("rz",))
        and given.get("model.ansatz", "product") in ANSATZ_FAMILIES
        and given.get("model.parameters", "none") in (None, "none")
    )
    if not suits:
        return dict(otherwise)
    chosen = {**otherwise, **oscillators}
    if "model.num_qubits" in given:
        chosen.pop("model.num_registers", None)
    return chosen


class Task(ABC):
    """A learning problem: data, model, loss and metrics.

    A new task is a subclass with the decorator ``register``, in a file or a package of this folder,
    or in any imported module.

    Attributes:
        name: The name by which the task is registered.
        summary: One line for ``qrnn tasks``.
        source: Where the data comes from, and its size.
        Settings: The class of the settings of its data.
        defaults: Configuration values by dotted key, which a configuration file and ``--set``
            override.
        headline: The metric whose best mean on the validation split selects the weights to keep.
        higher_is_better: Whether larger values of the headline metric are better.
        ranges: The smallest and the largest value of bounded metrics; tables cut their intervals
            there.
        proportions: The metrics that are 0 or 1 for each sequence; an evaluation gives their
            intervals.
        settings: The settings of the data.
        folder: The folder of the run, where :meth:`keep_data` has left the data; None before there
            is one.

    Raises:
        TypeError: The settings are those of another task.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    Settings: ClassVar[type[DataSettings]] = DataSettings
    defaults: ClassVar[dict[str, Any]] = {}
    headline: str  # that of the class, unless the settings of the data choose another one
    higher_is_better: bool
    ranges: ClassVar[dict[str, tuple[float, float]]] = {}
    proportions: tuple[str, ...] = ()

    settings: DataSettings
    folder: Path | None = None

    def __init__(self, settings: DataSettings) -> None:
        if not isinstance(settings, self.Settings):
            raise InvalidTypeError(
                f"expected the settings of task {self.name!r}, a {self.Settings.__name__}, got a "
                f"{type(settings).__name__}"
            )
        self.settings = settings

    @classmethod
    def choose_defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Choose the defaults where a user has ``given`` these values by dotted key."""
        return dict(cls.defaults)

    @property
    def classes(self) -> list[str]:
        """Names of the classes in the order of the logits; empty unless sequences have a class."""
        return []

    @property
    def has_probabilities(self) -> bool:
        """Whether a prediction has the logits of classes, in its last axis."""
        return bool(self.classes)

    @abstractmethod
    def load(self) -> Splits:
        """Read or generate the data and fit the preprocessing on the training split only.

        Raises:
            DataError: The data cannot be used.
        """

    @abstractmethod
    def build(self, qrnn_factory: Callable[[int], RecurrentModel]) -> TaskModel:
        """Build the untrained model on ``qrnn_factory(input_size)``; after load() or restore()."""

    @abstractmethod
    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Compute the mean over the sequences of a batch, a scalar to differentiate.

        Processes that share a batch weight their means by the number of their sequences.
        """

    @abstractmethod
    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute each metric by name, with one value for each sequence, (N,)."""

    def summarize(self, values: Mapping[str, Tensor]) -> dict[str, MeanAndError]:
        """Reduce each metric from one value per sequence to a mean over all sequences.

        A task may add functions of these means, such as perplexity.
        """
        return {name: estimate_mean(each) for name, each in values.items()}

    def score(self, prediction: Tensor, sequences: Sequences) -> dict[str, MeanAndError]:
        """Compute metrics of an evaluation that are not means over sequences, such as BLEU.

        ``prediction`` is that for new inputs, reduced by ``TaskModel.condense``. There are none by
        default.
        """
        return {}

    def measure_floors(self, train: Sequences, sequences: Sequences) -> dict[str, MeanAndError]:
        """Compute metrics of an evaluation that need the training targets but no model.

        There are none by default.
        """
        return {}

    def draw(self, model: TaskModel, test: Sequences) -> dict[str, Figure]:
        """Draw pictures specific to this task, by name; none by default."""
        return {}

    @abstractmethod
    def read(self, path: Path) -> Sequences:
        """Read new inputs from a file, without targets; after load() or restore().

        Raises:
            DataError: The file cannot be used.
        """

    def accept(self, inputs: Any, lengths: Any = None) -> Sequences:
        """Make sequences of new inputs in memory; by default they are preprocessed already.

        Args:
            inputs: A tensor or an array, (N, T, E) real or (N, T) int64 tokens.
            lengths: (N,) int64, the valid steps of each sequence; all T unless given.

        Raises:
            TypeError: Inputs of another type.
            DataError: The inputs cannot be used.
        """
        if isinstance(inputs, np.ndarray):
            inputs = torch.from_numpy(inputs)
        if not isinstance(inputs, Tensor):
            raise InvalidTypeError(
                "expected inputs as the path of a file, a tensor, an array or Sequences, got a "
                f"{type(inputs).__name__}"
            )
        return Sequences(inputs, torch.empty(len(inputs), 0), lengths)

    def present(self, prediction: Tensor) -> Any:
        """Return predictions as a user of the task takes them; by default as the head gives them.

        ``prediction`` is that for new inputs, reduced by ``TaskModel.condense``.
        """
        return prediction

    def keep_data(self, folder: Path) -> bool:
        """Write data that is only in memory to the folder of a new run, where ``load`` finds it.

        Returns whether there was any; by default there is none.
        """
        return False

    @abstractmethod
    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Make the header and the rows of a table of predictions, with the targets where known.

        ``prediction`` is that for new inputs, reduced by ``TaskModel.condense``.
        """

    def remember(self) -> dict[str, Any]:
        """Return the fitted preprocessing as plain values, to be stored with the weights."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the preprocessing from ``remember()``, without reading the data again.

        Raises:
            ValueError: The state belongs to another task.
        """
        if state:
            raise InvalidValueError(
                f"expected an empty state for task {self.name!r}, got {sorted(state)}; "
                "the state belongs to another task"
            )

    @abstractmethod
    def fingerprint(self) -> str:
        """Return the SHA-256 of the data, for the provenance of a run."""

    def require_loaded(self, value: Value | None) -> Value:
        """Return a value that load() or restore() sets.

        Raises:
            OperationError: Neither was called yet, so that it is None.
        """
        if value is None:
            raise OperationError(
                f"task {self.name!r} has read no data yet; call load() or restore() first"
            )
        return value


def number_rows(batch: Sequences) -> list[int]:
    """Number the rows of a table: rows of the data, or 1, 2, ... for generated sequences."""
    if batch.rows is None:
        return list(range(1, len(batch) + 1))
    rows: list[int] = batch.rows.tolist()
    return rows

"""A task, with the settings of its data; the parts of every task can be imported from here.

Its data is in :mod:`~qrnn_qiskit.tasks.batches`, its model in :mod:`~qrnn_qiskit.tasks.task_model`,
and the defaults that long sequences share in :mod:`~qrnn_qiskit.tasks.oscillators`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from circuits.errors import InvalidTypeError, InvalidValueError, OperationError
from qrnn_qiskit.metrics import MeanAndError, estimate_mean
from qrnn_qiskit.tasks.batches import Sequences, Splits, number_rows
from qrnn_qiskit.tasks.oscillators import choose_oscillators
from qrnn_qiskit.tasks.task_model import TaskModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


class DataSettings(BaseModel):
    """Settings of a task's data, ``data.*`` in the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split_seed: int = Field(
        default=0,
        ge=0,
        lt=2**32,
        description="seed of the splits, independent of the training seed",
    )


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

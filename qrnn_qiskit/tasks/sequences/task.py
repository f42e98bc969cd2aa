"""The task ``sequences``: classify sequences of real numbers, or predict values, on own data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from circuits.files import expand_user
from qrnn_qiskit import metrics
from qrnn_qiskit.heads import LastStateHead, StepHead
from qrnn_qiskit.tasks.base import Sequences, Splits, Task, TaskModel, number_rows
from qrnn_qiskit.tasks.data.arrays import join_sequences
from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.dataset import Dataset
from qrnn_qiskit.tasks.data.decoding import UTF_8, Encoding
from qrnn_qiskit.tasks.data.files import DataFile
from qrnn_qiskit.tasks.data.scales import fit_scale, standardize
from qrnn_qiskit.tasks.data.sequence_files import (
    Columns,
    find_file_goal,
    read_dataset,
    read_inputs,
)
from qrnn_qiskit.tasks.data.splitting import SplitSettings
from qrnn_qiskit.tasks.registry import register
from qrnn_qiskit.tasks.sequences.goals import ClassGoal, Goal, ValueGoal, make_goal, restore_goal
from qrnn_qiskit.tasks.sequences.splits import divide

if TYPE_CHECKING:
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["DATA_FILE", "LabelledSequences", "SequencesSettings"]

DATA_FILE = "data.npz"
_COLUMNS = Columns()


class SequencesSettings(SplitSettings):
    """Settings of a file of sequences, or of a dataset in memory."""

    file: DataFile | None = Field(
        default=None,
        description="file with x and y: .npz, .ts (UCR/UEA), or CSV with a row for each step; "
        f"none: {DATA_FILE} in the run folder, from a Dataset in Python",
    )
    test_file: DataFile | None = Field(
        default=None, description="file of the test split; none: a share of data.file"
    )
    goal: Literal["classes", "values"] | None = Field(
        default=None,
        description="classes or values; none: classes for integers and texts, values for numbers "
        "with a decimal point",
    )
    standardize: bool = Field(
        default=True,
        description="whether each feature gets mean 0 and deviation 1 over the training steps",
    )
    series: str = Field(default=_COLUMNS.series, description="CSV: column that names the series")
    time: str = Field(
        default=_COLUMNS.time, description="CSV: column by which rows must be in order, if any"
    )
    label: str = Field(default=_COLUMNS.label, description="CSV: column of the targets")
    encoding: Encoding = Field(default=UTF_8, description="CSV: encoding, such as cp1252")

    @property
    def columns(self) -> Columns:
        """The columns of a CSV table."""
        return Columns(self.series, self.time, self.label, self.encoding)


class Fitted(NamedTuple):
    """The preprocessing fitted on the training split: the scale of the features, and the goal."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    goal: Goal
    sha256: str


@register
class LabelledSequences(Task):
    """Predict the class or the values of a sequence, or of each of its steps.

    Args:
        settings: The settings.
        dataset: The data where it is in memory; the run keeps it in its folder.
    """

    name = "sequences"
    summary = "classify custom sequences of numbers, or predict values (data.file, or a Dataset)"
    source = "arrays (.npz), labelled series (CSV) or UCR/UEA files (.ts), split at random"
    Settings = SequencesSettings
    settings: SequencesSettings
    defaults: ClassVar[dict[str, Any]] = {
        "model.num_qubits": 4,
        "model.num_layers": 2,
        "model.controller_hidden": 32,
        "train.epochs": 50,
        "train.batch_size": 32,
        "train.learning_rate": 0.01,
    }
    headline = ClassGoal.headline
    higher_is_better = ClassGoal.higher_is_better
    ranges: ClassVar[dict[str, tuple[float, float]]] = {
        "cross_entropy": metrics.NON_NEGATIVE,
        "accuracy": metrics.SHARE,
        "majority_accuracy": metrics.SHARE,
        "nmse": metrics.NON_NEGATIVE,
        "mean_nmse": metrics.NON_NEGATIVE,
        "absolute_error": metrics.NON_NEGATIVE,
    }

    def __init__(self, settings: SequencesSettings, dataset: Dataset | None = None) -> None:
        super().__init__(settings)
        self._dataset = dataset
        self._fitted: Fitted | None = None
        if settings.goal == ValueGoal.kind:
            self.headline = ValueGoal.headline
            self.higher_is_better = ValueGoal.higher_is_better

    @classmethod
    def choose_defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Choose the goal by the targets of the file, so that the configuration records it."""
        file = given.get("data.file")
        if file is None or given.get("data.goal") is not None or str(file).lower() == "none":
            return dict(cls.defaults)
        names = {name: given.get(f"data.{name}", getattr(_COLUMNS, name)) for name in _FIELDS}
        goal = find_file_goal(expand_user(file), Columns(**names))
        return cls.defaults | ({} if goal is None else {"data.goal": goal})

    @property
    def goal(self) -> Goal:
        """What is predicted; after load() or restore()."""
        return self.require_loaded(self._fitted).goal

    @property
    def classes(self) -> list[str]:
        """Names of the classes of the sequences; empty for values, and for classes of steps."""
        goal = self.goal
        return goal.classes if isinstance(goal, ClassGoal) and not goal.is_stepwise else []

    @property
    def has_probabilities(self) -> bool:
        """Whether a prediction has the logits of classes."""
        return isinstance(self.goal, ClassGoal)

    def load(self) -> Splits:
        """Read the data, fit the scales on the training split, and divide it."""
        data = self._read()
        found = data.targets.goal
        if found != (self.settings.goal or ClassGoal.kind):
            raise DataError(
                f"expected targets for data.goal={self.settings.goal or ClassGoal.kind}, got "
                f"{found}; give --set data.goal={found}"
            )
        parts = divide(data, self.settings)
        train = parts[0]
        steps = data.x[train][np.arange(data.x.shape[1]) < data.ends[train][:, None]]
        mean, deviation = np.zeros(steps.shape[1]), np.ones(steps.shape[1])
        if self.settings.standardize:
            mean, deviation = fit_scale(
                steps.astype(np.float64), _name_features(steps.shape[1]), "x", num_targets=0
            )
        goal = make_goal(data.targets, *_fit_values(data, train))
        self._fitted = Fitted(mean, deviation, goal, data.fingerprint())
        self.proportions = goal.proportions
        splits: list[Sequences] = []
        for part in parts:
            lengths = None if data.lengths is None else data.lengths[part]
            inputs = self._scale(data.x[part], lengths)
            splits.append(
                Sequences(
                    torch.from_numpy(inputs),
                    goal.encode(data.targets, part),
                    None if lengths is None else torch.from_numpy(lengths),
                    torch.from_numpy(part) + 1,
                )
            )
        train_split, validation, test = splits
        return Splits(train_split, validation, test)

    def _read(self) -> Dataset:
        settings = self.settings
        if self._dataset is not None:
            return self._dataset
        if settings.file is not None:
            return read_dataset(
                settings.file, settings.columns, settings.test_file, goal=settings.goal
            )
        kept = None if self.folder is None else self.folder / DATA_FILE
        if kept is None or not kept.exists():
            raise DataError(
                f"the task {self.name!r} has no data; give --set data.file=FILE, or a Dataset to "
                f"qrnn_qiskit.fit" + ("" if kept is None else f" (restore {kept} of this run)")
            )
        return read_dataset(kept, settings.columns)

    def _scale(self, x: NDArray[Any], lengths: NDArray[np.int64] | None) -> NDArray[np.float64]:
        """Standardize sequences (N, T, E); what lies past a length stays 0."""
        mean, deviation, _, _ = self.require_loaded(self._fitted)
        steps, width = x.shape[1:]

        def locate(row: int) -> str:
            return f"sequence {row // steps}, step {row % steps} (counted from 0)"

        names = _name_features(width)
        flat = x.astype(np.float64).reshape(-1, width)
        scaled = standardize(flat, mean, deviation, names, "x", locate).reshape(x.shape)
        if lengths is not None:
            scaled[np.arange(steps) >= lengths[:, None]] = 0.0
        return scaled

    def keep_data(self, folder: Path) -> bool:
        """Write a dataset in memory to the folder of a new run."""
        if self._dataset is None:
            return False
        with (folder / DATA_FILE).open("wb") as file:
            self._dataset.save(file)
        return True

    def build(self, qrnn_factory: Callable[[int], RecurrentModel]) -> TaskModel:
        """Build a head on the last state, or on each step."""
        fitted = self.require_loaded(self._fitted)
        qrnn = qrnn_factory(len(fitted.mean))
        head = StepHead if fitted.goal.is_stepwise else LastStateHead
        return TaskModel(qrnn, head(qrnn, fitted.goal.size))

    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Compute the mean cross-entropy in nats, or the mean normalized squared error."""
        return next(iter(self.goal.measure(prediction, batch).values())).mean()

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute the metrics of the goal."""
        return self.goal.measure(prediction, batch)

    def measure_floors(
        self, train: Sequences, sequences: Sequences
    ) -> dict[str, metrics.MeanAndError]:
        """Compute the metrics of a prediction that does not look at the inputs."""
        return self.goal.measure_floors(train, sequences)

    def read(self, path: Path) -> Sequences:
        """Read new sequences from a file of the same kind."""
        width = len(self.require_loaded(self._fitted).mean)
        return self._make_sequences(*read_inputs(path, self.settings.columns, width))

    def accept(self, inputs: Any, lengths: Any = None) -> Sequences:
        """Make sequences of arrays, tensors or lists as :class:`Dataset` takes them."""
        width = len(self.require_loaded(self._fitted).mean)
        return self._make_sequences(*join_sequences(inputs, lengths, width))

    def _make_sequences(self, x: NDArray[Any], lengths: NDArray[np.int64] | None) -> Sequences:
        return Sequences(
            torch.from_numpy(self._scale(x, lengths)),
            torch.empty(len(x), 0),
            None if lengths is None else torch.from_numpy(lengths),
            torch.arange(1, len(x) + 1),
        )

    def present(self, prediction: Tensor) -> NDArray[Any]:
        """Return predictions in the form of the targets as given: classes, or values."""
        return self.goal.present(prediction)

    def tabulate(
        self, prediction: Tensor, batch: Sequences
    ) -> tuple[list[str], list[list[str | float | int]]]:
        """Tabulate row, prediction, and actual targets where known; a row for each valid step."""
        targets = batch.targets if batch.has_targets else None
        places: list[list[str | float | int]] = [[row] for row in number_rows(batch)]
        header = ["row"]
        if self.goal.is_stepwise:
            ends = batch.lengths
            valid = torch.ones(prediction.shape[:2], dtype=torch.bool)
            if ends is not None:
                valid = torch.arange(prediction.shape[1]) < ends[:, None]
            prediction = prediction[valid]
            targets = None if targets is None else targets[valid]
            header.append("step")
            places = [[*places[row], step + 1] for row, step in valid.nonzero().tolist()]
        names, cells = self.goal.tabulate(prediction, targets)
        return header + names, [[*p, *c] for p, c in zip(places, cells, strict=True)]

    def remember(self) -> dict[str, Any]:
        """Return the scales, the goal and the hash of the data."""
        mean, deviation, goal, sha256 = self.require_loaded(self._fitted)
        return {
            "mean": mean.tolist(),
            "deviation": deviation.tolist(),
            "goal": goal.remember(),
            "sha256": sha256,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the scales and the goal without reading the data."""
        goal = restore_goal(state["goal"])
        scale = np.array(state["mean"]), np.array(state["deviation"])
        self._fitted = Fitted(*scale, goal, state["sha256"])
        self.proportions = goal.proportions

    def fingerprint(self) -> str:
        """Return the SHA-256 of the data; after load() or restore()."""
        return self.require_loaded(self._fitted).sha256


_FIELDS = Columns._fields


def _name_features(width: int) -> list[str]:
    return [f"feature {number}" for number in range(width)]


def _fit_values(
    data: Dataset, train: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit mean and deviation of values over the training split; empty for classes."""
    targets = data.targets
    if targets.goal == "classes":
        return np.empty(0), np.empty(0)
    values = targets.numbers[train]
    if targets.is_stepwise:
        values = values[np.arange(data.x.shape[1]) < data.ends[train][:, None]]
    names = [f"value {number}" for number in range(targets.size)]
    return fit_scale(values, names, "y", num_targets=targets.size)

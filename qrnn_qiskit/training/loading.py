"""A trained model from its run folder, ready for new inputs."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from circuits.errors import InvalidTypeError, InvalidValueError
from qrnn_qiskit.tasks import get_task
from qrnn_qiskit.tasks.base import Sequences, Splits, Task, TaskModel
from qrnn_qiskit.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_safely,
    read_checkpoint,
    require_best_weights,
    require_same_data,
)
from qrnn_qiskit.training.experiment import build_model, load_splits
from qrnn_qiskit.training.inference import predict_sequences
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.schema import Config

if TYPE_CHECKING:
    from qrnn_qiskit.model import QRNN

__all__ = ["TrainedModel", "load", "load_run"]


class TrainedModel(nn.Module):
    """A task's model with trained weights, in evaluation mode.

    Attributes:
        model: The TaskModel (embedding, QRNN, head); calling this object calls it.
        task: The task with its preprocessing as fitted in training; ``task.read(path)`` makes
            sequences from a file, ``task.tabulate`` a table of predictions.
        config: The configuration of the run.
        data_sha256: SHA-256 of the training data.
        weights: Which weights these are: "best", "last" or "tuned".
        checkpoint_sha256: SHA-256 of the checkpoint that was loaded.
    """

    def __init__(
        self,
        model: TaskModel,
        task: Task,
        config: Config,
        data_sha256: str,
        *,
        weights: str = "best",
        checkpoint_sha256: str = "",
    ) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.config = config
        self.data_sha256 = data_sha256
        self.weights = weights
        self.checkpoint_sha256 = checkpoint_sha256
        self.eval()

    @property
    def qrnn(self) -> QRNN:
        """The recurrent model; set its ``executor`` to run on a device."""
        # Other kinds have no circuits: check_device refuses them before anybody looks for any.
        return cast("QRNN", self.model.qrnn)

    @cached_property
    def splits(self) -> Splits:
        """The data of the task, read on first use.

        A model loaded from a run that has its data in memory shares them; see :func:`load_run`.

        Raises:
            CheckpointError: The data has changed since training.
        """
        splits = load_splits(self.task)
        require_same_data(
            f"the task {self.task.name!r}",
            self.data_sha256,
            self.task.fingerprint(),
            "restore the data",
        )
        return splits

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Predict from inputs in the format that the task's model takes."""
        prediction: Tensor = self.model(inputs, lengths)
        return prediction

    def predict(
        self,
        inputs: Tensor | NDArray[Any] | Sequences | str | os.PathLike[str],
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Predict without gradients, in batches of ``train.evaluation_batch_size``.

        Args:
            inputs: The path of a file that the task reads; or sequences; or a tensor or an
                array, preprocessed as the task does: (N, T, E) real or (N, T) int64 tokens.
            lengths: (N,) int64, the valid steps of each sequence of a tensor; all T unless given.

        Returns:
            The output of the task's head: (N, C) or (N, H), or (N, T, C) where each step is
            predicted.

        Raises:
            DataError: The file cannot be used; the message names the row.
            TypeError: Inputs of another type.
        """
        if isinstance(inputs, np.ndarray):
            inputs = torch.from_numpy(inputs)
        if isinstance(inputs, Tensor):
            sequences = Sequences(inputs, torch.empty(len(inputs), 0), lengths)
        elif isinstance(inputs, Sequences):
            sequences = inputs
        elif isinstance(inputs, str | os.PathLike):
            sequences = self.task.read(Path(inputs))
        else:
            raise InvalidTypeError(
                "expected inputs as the path of a file, a tensor, an array or Sequences, got a "
                f"{type(inputs).__name__}"
            )
        return predict_sequences(self.model, sequences, self.config.train.evaluation_batch_size)


def load(folder: str | os.PathLike[str], weights: str = "best") -> TrainedModel:
    """Load a trained model from its run folder; its data is not needed.

    Args:
        folder: The folder that training wrote, or ``"example:digits"``, a run that ships with the
            package.
        weights: "best", those that were best by validation, "last", or "tuned", those after a few
            steps on a service.

    Raises:
        RunFolderError: The folder holds no run.
        CheckpointError: The checkpoint is missing, damaged, of another configuration, holds
            pickled code, or has no best weights yet.
        ValueError: ``weights`` is none of the three, or no shipped run has this name.

    >>> model = load("example:digits")
    >>> model.qrnn.num_qubits, model.qrnn.num_layers
    (4, 2)
    >>> model.predict(torch.zeros(1, 8, 8)).shape
    torch.Size([1, 10])
    """
    return load_run(RunFolder.open(folder), weights)


def load_run(run: RunFolder, weights: str = "best") -> TrainedModel:
    """Load a trained model of an open run.

    Where the run has its data in memory, as after training, the model shares the task and the data
    instead of reading them again. It is nevertheless a separate model: the trained one keeps
    its last weights, its device and its executor, so that training can continue.

    Args:
        run: The run.
        weights: See :func:`load`.

    Raises:
        CheckpointError, ValueError: See :func:`load`.
    """
    if weights not in ("best", "last", "tuned"):
        raise InvalidValueError(f"weights={weights!r}; expected 'best', 'last' or 'tuned'")
    checkpoint = read_checkpoint(run.checkpoint_file, run.config)
    chosen = _choose_weights(run, checkpoint, weights)
    loaded = run.find_loaded(checkpoint.data_sha256)
    if loaded is None:
        task = get_task(run.config.task)(run.config.data)
        task.restore(checkpoint.task)
    else:
        task = loaded.task
    model = build_model(run.config, task, run.ansatz_file)
    try:
        model.load_state_dict(chosen)
    except RuntimeError as error:
        raise CheckpointError(
            f"{run.checkpoint_file} does not fit the model of config.toml: {error}"
        ) from error
    trained = TrainedModel(
        model,
        task,
        run.config,
        checkpoint.data_sha256,
        weights=weights,
        checkpoint_sha256=run.digest_checkpoint(),
    )
    if loaded is not None:
        trained.splits = loaded.splits
    return trained


def _choose_weights(run: RunFolder, checkpoint: Checkpoint, weights: str) -> dict[str, Tensor]:
    if weights == "tuned":
        tuned: dict[str, Tensor] = load_safely(run.tuned_file)
        return tuned
    if weights == "last":
        return checkpoint.weights
    return require_best_weights(checkpoint, run.checkpoint_file)

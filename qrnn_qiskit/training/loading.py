"""A trained model from its run folder, ready for new inputs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from circuits.errors import InvalidTypeError, InvalidValueError
from qrnn_qiskit.tasks import get_task
from qrnn_qiskit.tasks.base import Sequences, Task, TaskModel
from qrnn_qiskit.training.checkpoint import CheckpointError, load_safely, read_checkpoint
from qrnn_qiskit.training.experiment import build_model
from qrnn_qiskit.training.inference import predict_sequences
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.schema import Config

if TYPE_CHECKING:
    from qrnn_qiskit.model import QRNN

__all__ = ["TrainedModel", "load"]


class TrainedModel(nn.Module):
    """A task's model with trained weights, in evaluation mode.

    Attributes:
        model: the TaskModel (embedding, QRNN, head); calling this object calls it.
        task: the task with its preprocessing as fitted in training; ``task.read(path)`` makes
            sequences of a file, ``task.tabulate`` a table of predictions.
        config: the configuration of the run.
        data_sha256: SHA-256 of the data trained on.
    """

    def __init__(self, model: TaskModel, task: Task, config: Config, data_sha256: str) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.config = config
        self.data_sha256 = data_sha256
        self.eval()

    @property
    def qrnn(self) -> QRNN:
        """The recurrent model; set its ``executor`` to run on a device."""
        return self.model.qrnn

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The prediction for inputs as the task's model takes them."""
        prediction: Tensor = self.model(inputs, lengths)
        return prediction

    def predict(
        self,
        inputs: Tensor | NDArray[Any] | Sequences | str | os.PathLike[str],
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Predict without gradients, in batches of ``train.evaluation_batch_size``.

        Args:
            inputs: the path of a file that the task reads; or sequences; or a tensor or an
                array, preprocessed as the task does: (N, T, E) real or (N, T) int64 tokens.
            lengths: (N,) int64, the valid steps of each sequence of a tensor; all T unless given.

        Returns:
            What the task's head gives: (N, C) or (N, H), or (N, T, C) where each step is predicted.

        Raises:
            DataError: the file cannot be used; says which row.
            TypeError: inputs of another kind.
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
                "inputs must be the path of a file, a tensor, an array or Sequences, and a "
                f"{type(inputs).__name__} arrived"
            )
        return predict_sequences(self.model, sequences, self.config.train.evaluation_batch_size)


def load(folder: str | os.PathLike[str], weights: str = "best") -> TrainedModel:
    """Load a trained model from its run folder; its data is not needed.

    Args:
        folder: the folder that training wrote, or ``"example:digits"``, a run that ships with the
            package.
        weights: "best", those that were best by validation, "last", or "tuned", those after a few
            steps on a service.

    Raises:
        RunFolderError: the folder holds no run.
        CheckpointError: the checkpoint is missing, damaged, of another configuration, holds
            pickled code, or has no best weights yet.
        ValueError: ``weights`` is none of the three, or no shipped run is called so.

    >>> model = load("example:digits")
    >>> model.qrnn.num_qubits, model.qrnn.num_layers
    (4, 2)
    >>> model.predict(torch.zeros(1, 8, 8)).shape
    torch.Size([1, 10])
    """
    if weights not in ("best", "last", "tuned"):
        raise InvalidValueError(
            f"weights {weights!r} were asked for; 'best', 'last' or 'tuned' is required"
        )
    run = RunFolder.open(folder)
    checkpoint = read_checkpoint(run.checkpoint_file, run.config)
    if weights == "tuned":
        chosen = load_safely(run.tuned_file)
    else:
        chosen = checkpoint.best_weights if weights == "best" else checkpoint.weights
    if chosen is None:
        raise CheckpointError(
            f"{run.checkpoint_file} has no best weights before the first epoch ends; go on with "
            f"'qrnn resume {run.path}', or take the weights 'last'"
        )
    task = get_task(run.config.task)(run.config.data)
    task.restore(checkpoint.task)
    model = build_model(run.config, task, run.ansatz_file)
    try:
        model.load_state_dict(chosen)
    except RuntimeError as error:
        raise CheckpointError(
            f"{run.checkpoint_file} does not fit the model of config.toml: {error}"
        ) from error
    return TrainedModel(model, task, run.config, checkpoint.data_sha256)

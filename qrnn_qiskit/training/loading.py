"""A trained model from its run folder, ready for new inputs."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from numpy.typing import NDArray
from torch import Tensor, nn

from circuits.errors import InvalidValueError, OperationError
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
        folder: The folder of the run; None for a model that no run holds.
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
        folder: Path | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.config = config
        self.data_sha256 = data_sha256
        self.weights = weights
        self.checkpoint_sha256 = checkpoint_sha256
        self.folder = folder
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

    @property
    def path(self) -> Path:
        """The folder of the run.

        Raises:
            OperationError: The model was not loaded from a run.
        """
        if self.folder is None:
            raise OperationError(
                "this model was not loaded from a run folder; load it with qrnn_qiskit.load(DIR)"
            )
        return self.folder

    def predict(self, inputs: Any, lengths: Any = None) -> Any:
        """Predict without gradients, in batches of ``train.evaluation_batch_size``.

        Args:
            inputs: The path of a file that the task reads; or sequences; or what the task takes
                from memory (``Task.accept``): by default a tensor or an array, preprocessed as the
                task does, (N, T, E) real or (N, T) int64 tokens; the task ``sequences`` takes
                arrays, tensors and lists as :class:`qrnn_qiskit.Dataset` does, and preprocesses.
            lengths: (N,) int64, the valid steps of each sequence of an array; all T unless given.

        Returns:
            The prediction as the task presents it (``Task.present``): by default the output of the
            head as a tensor, (N, C) or (N, H), or (N, T, C) where each step is predicted; by the
            task ``sequences`` an array in the form of the targets, classes (N,) or values (N, k).

        Raises:
            DataError: The inputs cannot be used; the message names the row or the sequence.
            TypeError: Inputs of another type.
        """
        return self.task.present(self.predict_raw(self.accept(inputs, lengths)))

    def predict_proba(self, inputs: Any, lengths: Any = None) -> NDArray[Any]:
        """Predict the probability of each class, (N, C), or (N, T, C) for classes of steps.

        The arguments are those of :meth:`predict`; the classes are ``task.classes``, in their
        order.

        Raises:
            InvalidValueError: The task does not predict classes.
        """
        if not self.task.has_probabilities:
            raise InvalidValueError(
                f"the task {self.task.name!r} of this run does not predict classes, which have "
                "probabilities; use predict"
            )
        logits = self.predict_raw(self.accept(inputs, lengths))
        probabilities: NDArray[Any] = logits.softmax(dim=-1).numpy()
        return probabilities

    def accept(self, inputs: Any, lengths: Any = None) -> Sequences:
        """Make sequences of the inputs of :meth:`predict`."""
        if isinstance(inputs, Sequences):
            return inputs
        if isinstance(inputs, str | os.PathLike):
            return self.task.read(Path(inputs))
        return self.task.accept(inputs, lengths)

    def predict_raw(self, sequences: Sequences) -> Tensor:
        """Predict sequences without gradients, as the head of the task gives it."""
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

    >>> import torch
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
        task = run.make_task()
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
        folder=run.path,
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

"""The task, the data and the untrained model of a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks import get_task
from qrnn_qiskit.tasks.base import Splits, Task, TaskModel
from qrnn_qiskit.training.build import build_recurrent
from qrnn_qiskit.training.randomness import seed_everything
from qrnn_qiskit.training.schema import Config

if TYPE_CHECKING:
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["Experiment", "build_model", "find_device", "load_splits", "prepare"]


@dataclass(frozen=True)
class Experiment:
    """A task with its loaded data and its model, all checked.

    Attributes:
        config: The configuration.
        task: The task, with its preprocessing fitted.
        splits: The data.
        model: The model, on the CPU until training moves it.
        device: Where it is to be trained.
    """

    config: Config
    task: Task
    splits: Splits
    model: TaskModel
    device: torch.device


def prepare(
    config: Config, ansatz_file: Path | None = None, task: Task | None = None
) -> Experiment:
    """Load the data and build the seeded, untrained model. Nothing is written.

    Args:
        config: The configuration.
        ansatz_file: Replaces ``model.ansatz``: a run folder keeps its own copy.
        task: The task with the settings of ``config.data``, made from them unless given.

    Raises:
        DataError: The data cannot be used.
        ValueError, TypeError: An argument of the model is invalid, a batch of training or
            evaluation would not fit into memory, or ``train.device`` does not exist or does not
            support this model.
    """
    device = find_device(config)
    task = task or get_task(config.task)(config.data)
    splits = load_splits(task)
    batches = (
        min(config.train.batch_size, len(splits.train)),
        min(config.train.evaluation_batch_size, max(len(splits.validation), len(splits.test))),
    )
    seed_everything(config.seed)
    steps = max(part.inputs.shape[1] for part in (splits.train, splits.validation, splits.test))
    model = build_model(config, task, ansatz_file, steps)
    if device.type == "cpu":  # on a GPU torch itself reports what does not fit
        model.qrnn.check_memory(batches[0], steps)
    with torch.no_grad():
        model.qrnn.check_memory(batches[1], steps)
    return Experiment(config, task, splits, model, device)


def find_device(config: Config) -> torch.device:
    """Find the device where a run trains.

    Raises:
        ValueError: There is no such device, or it does not support this model.
    """
    name = config.train.device
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidValueError(f"train.device={name!r}; expected cpu, cuda or cuda:1") from error
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise InvalidValueError(f"train.device={name!r}; expected the CPU or a CUDA GPU")
    if config.model.kind != "qrnn" or config.model.readout == "measured":
        raise InvalidValueError(
            f"train.device={name!r} with model.kind={config.model.kind!r} and "
            f"model.readout={config.model.readout!r}; a GPU trains only qrnn with readout "
            "expectation or none: omit train.device"
        )
    found = torch.cuda.device_count()
    if (device.index or 0) >= found:
        raise InvalidValueError(
            f"train.device={name!r}, but torch finds {found} GPU(s); omit train.device, "
            "or install a PyTorch with CUDA and its driver"
        )
    return device


def load_splits(task: Task) -> Splits:
    """Load the data of a task.

    Raises:
        DataError: The data cannot be used.
        ValueError: A split is empty.
    """
    splits = task.load()
    for name in ("train", "validation", "test"):
        if len(getattr(splits, name)) == 0:
            raise InvalidValueError(
                f"the {name} split of the task {task.name!r} is empty; every split needs at "
                "least one sequence: give more data or change the fractions"
            )
    return splits


def build_model(
    config: Config, task: Task, ansatz_file: Path | None = None, num_steps: int | None = None
) -> TaskModel:
    """Build the untrained model of a task whose preprocessing is fitted or restored.

    Args:
        config: The configuration.
        task: The task.
        ansatz_file: Replaces ``model.ansatz``: a run folder keeps its own copy.
        num_steps: Length of the sequences, for an automatic feedback gain; None for a model whose
            weights are about to be loaded.
    """

    def build(input_size: int) -> RecurrentModel:
        return build_recurrent(config.model, input_size, ansatz_file, num_steps)

    return task.build(build)

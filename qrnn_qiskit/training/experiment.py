"""A configuration brought to life: its task, its data and its untrained model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from circuits.errors import InvalidValueError
from qrnn_qiskit.tasks import get_task
from qrnn_qiskit.tasks.base import Splits, Task, TaskModel
from qrnn_qiskit.training.build import build_recurrent
from qrnn_qiskit.training.randomness import seed_everything
from qrnn_qiskit.training.schema import Config

if TYPE_CHECKING:
    from qrnn_qiskit.model import QRNN

__all__ = ["Experiment", "build_model", "find_device", "load_splits", "prepare"]


@dataclass(frozen=True)
class Experiment:
    """A task with its loaded data and its model; everything that can be checked has been."""

    config: Config
    task: Task
    splits: Splits
    model: TaskModel


def prepare(config: Config, ansatz_file: Path | None = None) -> Experiment:
    """Load the data and build the seeded, untrained model. Writes nothing.

    Raises what the task says about the data (DataError) and the model about its arguments, and
    ValueError where a batch of training or evaluation would not fit into memory, or
    ``train.device`` is not there or not for this model.
    """
    device = find_device(config)
    task = get_task(config.task)(config.data)
    splits = load_splits(task)
    batches = (
        min(config.train.batch_size, len(splits.train)),
        min(config.train.evaluation_batch_size, max(len(splits.validation), len(splits.test))),
    )
    seed_everything(config.seed)
    model = build_model(config, task, ansatz_file)
    steps = max(part.inputs.shape[1] for part in (splits.train, splits.validation, splits.test))
    if device.type == "cpu":  # elsewhere torch says what does not fit
        model.qrnn.check_memory(batches[0], steps)
    with torch.no_grad():
        model.qrnn.check_memory(batches[1], steps)
    return Experiment(config, task, splits, model)


def find_device(config: Config) -> torch.device:
    """Where a run trains; ValueError where it cannot."""
    name = config.train.device
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidValueError(
            f"train.device={name!r}; cpu, cuda or cuda:1 is required"
        ) from error
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise InvalidValueError(f"train.device={name!r}; the CPU or a GPU of CUDA is required")
    if config.model.kind != "qrnn" or config.model.readout == "measured":
        raise InvalidValueError(
            f"train.device={name!r} with model.kind={config.model.kind!r} and "
            f"model.readout={config.model.readout!r}; on a GPU only qrnn with readout expectation "
            "or none trains: leave train.device out"
        )
    found = torch.cuda.device_count()
    if (device.index or 0) >= found:
        raise InvalidValueError(
            f"train.device={name!r}, and torch sees {found} GPU(s) here; leave train.device out, "
            "or install a PyTorch with CUDA and its driver"
        )
    return device


def load_splits(task: Task) -> Splits:
    """The data of a task; ValueError when a split is empty."""
    splits = task.load()
    for name in ("train", "validation", "test"):
        if len(getattr(splits, name)) == 0:
            raise InvalidValueError(
                f"the {name} split of the task {task.name!r} is empty; every split needs at "
                "least one sequence: give more data or other shares"
            )
    return splits


def build_model(config: Config, task: Task, ansatz_file: Path | None = None) -> TaskModel:
    """The untrained model of a task whose preprocessing is fitted or restored.

    ``ansatz_file`` stands in for ``model.ansatz``: a run folder keeps its own copy.
    """

    def build(input_size: int) -> QRNN:  # which tasks call every kind: all have its manners
        return cast("QRNN", build_recurrent(config.model, input_size, ansatz_file))

    return task.build(build)

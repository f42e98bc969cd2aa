"""Train on data in memory, or on a task, in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from circuits.errors import InvalidTypeError
from qrnn_qiskit.tasks.data.dataset import Dataset
from qrnn_qiskit.tasks.sequences import LabelledSequences, SequencesSettings
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.loading import TrainedModel, load_run
from qrnn_qiskit.training.progress import CallbackProgress
from qrnn_qiskit.training.run_folder import create_run, name_run
from qrnn_qiskit.training.trainer import train

__all__ = ["fit"]


def fit(
    data: Dataset | str,
    *,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
    on_step: Callable[[dict[str, Any]], None] | None = None,
    **more: Any,
) -> TrainedModel:
    """Train a model in a new run folder, as ``qrnn train`` does, without using the test split.

    The folder keeps the data, so that every command and every later process finds it there.

    Args:
        data: The data; or the name of a task.
        out: Folder of the run; a new one below runs/ unless given.
        seed: Seed of the initial weights, the order of the batches and dropout.
        settings: Configuration values by dotted key, as for ``--set``; ``qrnn tasks sequences``
            lists them.
        on_epoch: Called after each epoch with its line of ``metrics.jsonl``.
        on_step: Called after each step with the numbers ``step``, ``epoch`` (both from 1) and
            ``loss``.
        more: Configuration values by the last part of their key, such as ``num_qubits=4``.

    Returns:
        The model with the weights that were best by validation; ``path`` is the folder.

    Raises:
        ConfigError: A setting is unknown or out of range.
        DataError: The data cannot be used. Nothing is written then.
        RunFolderError: ``out`` already holds a run.
        TrainingInterrupted, TrainingDiverged: See :func:`qrnn_qiskit.training.trainer.train`.
    """
    if not isinstance(data, Dataset | str):
        raise InvalidTypeError(
            "expected data as a Dataset or the name of a task, got a "
            f"{type(data).__name__}; make one with Dataset(x, y)"
        )
    given = dict(settings or {}) | more | {"seed": seed}
    task = None
    if isinstance(data, Dataset):
        config = resolve_config(
            LabelledSequences.name, given | {"data.goal": data.targets.goal, "data.file": None}
        )
        assert isinstance(config.data, SequencesSettings)
        task = LabelledSequences(config.data, data)
    else:
        config = resolve_config(data, given)
    run = create_run(out or name_run(config.task), config, task=task)
    progress = CallbackProgress(on_epoch, on_step) if on_epoch or on_step else None
    train(run, progress=progress)
    return load_run(run)

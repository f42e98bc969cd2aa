"""Going on from the weights of another run, for example on a noisy device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qrnn_qiskit.training.checkpoint import CheckpointError, read_checkpoint
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import RunFolder, Start
from qrnn_qiskit.training.schema import ConfigError, flatten

__all__ = ["start_from"]


def start_from(run: RunFolder, task_name: str, overrides: Mapping[str, Any] | None = None) -> Start:
    """Take the best weights of a run as the beginning of another one.

    Args:
        run: The run that has been trained, with at least one finished epoch.
        task_name: Its task.
        overrides: Settings of the new run by key; those of ``train`` and the seed may differ.

    Raises:
        ConfigError: Another task, or an override of model or data, which the weights belong to.
        CheckpointError: The run has no weights yet, or its checkpoint cannot be used.
    """
    if run.config.task != task_name:
        raise ConfigError(
            f"{run.path} holds a run of the task {run.config.task!r}, and {task_name!r} is to be "
            "trained; fine-tune with the task of the run"
        )
    before = read_checkpoint(run.checkpoint_file, run.config)
    if before.best_weights is None:
        raise CheckpointError(
            f"{run.checkpoint_file} has no best weights before the first epoch ends; go on with "
            f"'qrnn resume {run.path}' first"
        )
    config = resolve_config(task_name, overrides, run.path / "config.toml")
    old, new = flatten(run.config.model_dump()), flatten(config.model_dump())
    changed = [
        f"{key} (was {old[key]!r}, is {value!r})"
        for key, value in new.items()
        if key.startswith(("model.", "data.")) and old[key] != value
    ]
    if changed:
        raise ConfigError(
            f"fine-tuning keeps the model and the data of {run.path}, and {', '.join(changed)} "
            "arrived; change keys of train and the seed alone, or train from the beginning"
        )
    if run.ansatz_file is not None:
        ansatz = config.model.model_copy(update={"ansatz": str(run.ansatz_file)})
        config = config.model_copy(update={"model": ansatz})
    return Start(
        config,
        before.best_weights,
        before.data_sha256,
        {"run": str(run.path), "checkpoint_sha256": run.digest_checkpoint()},
    )

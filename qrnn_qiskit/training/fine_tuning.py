"""Fine-tuning: a run that starts from the weights of another run, for example on a noisy device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qrnn_qiskit.training.checkpoint import read_checkpoint, require_best_weights
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import RunFolder, Start
from qrnn_qiskit.training.schema import ConfigError, flatten

__all__ = ["start_from"]


def start_from(run: RunFolder, task_name: str, overrides: Mapping[str, Any] | None = None) -> Start:
    """Prepare a run that starts from the best weights of another one.

    Args:
        run: The trained run, with at least one finished epoch.
        task_name: Its task.
        overrides: Settings of the new run by key; only ``train`` and the seed may differ.

    Raises:
        ConfigError: Another task, or an override of the model or the data that the weights belong
            to.
        CheckpointError: The run has no weights yet, or its checkpoint cannot be used.
    """
    if run.config.task != task_name:
        raise ConfigError(
            f"expected the task of the run {run.path}, {run.config.task!r}, got {task_name!r}; "
            "fine-tune with the task of the run"
        )
    before = read_checkpoint(run.checkpoint_file, run.config)
    weights = require_best_weights(before, run.checkpoint_file)
    config = resolve_config(task_name, overrides, run.path / "config.toml")
    old, new = flatten(run.config.model_dump()), flatten(config.model_dump())
    changed = [
        f"{key} (was {old[key]!r}, is {value!r})"
        for key, value in new.items()
        if key.startswith(("model.", "data.")) and old[key] != value
    ]
    if changed:
        raise ConfigError(
            f"fine-tuning keeps the model and the data of {run.path}, got {', '.join(changed)}; "
            "change only keys of train and the seed, or train from the beginning"
        )
    if run.ansatz_file is not None:
        ansatz = config.model.model_copy(update={"ansatz": str(run.ansatz_file)})
        config = config.model_copy(update={"model": ansatz})
    return Start(
        config,
        weights,
        before.data_sha256,
        {"run": str(run.path), "checkpoint_sha256": run.digest_checkpoint()},
    )

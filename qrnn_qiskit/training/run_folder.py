"""Folders of runs: create one, open one, name one.

The files of a folder are those of :class:`~qrnn_qiskit.training.saved_run.RunFolder`, which can be
imported from here.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from circuits.ansatz import ANSATZ_FAMILIES
from qrnn_qiskit.recurrent import count_recurrent
from qrnn_qiskit.tasks import Task
from qrnn_qiskit.tasks.registry import name_origin
from qrnn_qiskit.tasks.sequences.task import DATA_FILE
from qrnn_qiskit.training.checkpoint import require_same_data, write_atomically, write_text
from qrnn_qiskit.training.experiment import prepare
from qrnn_qiskit.training.lock import hold_lock, require_unlocked
from qrnn_qiskit.training.provenance import describe_provenance
from qrnn_qiskit.training.run_files import RunFolderError
from qrnn_qiskit.training.saved_run import ANSATZ_COPIES, CONFIG, RunFolder, require_utf8
from qrnn_qiskit.training.schema import Config, format_toml

__all__ = [
    "RunFolder",
    "RunFolderError",
    "Start",
    "create_run",
    "name_run",
    "open_or_create",
    "open_same",
]


@dataclass(frozen=True)
class Start:
    """The starting point of a fine-tuning.

    Attributes:
        config: The configuration of the new run; model and data are those of the previous run.
        weights: Best weights of the previous run by validation.
        data_sha256: SHA-256 of the data that they were trained on.
        origin: The previous run, for the provenance of the new one.
    """

    config: Config
    weights: dict[str, Tensor]
    data_sha256: str
    origin: dict[str, Any]


def create_run(
    out: str | os.PathLike[str],
    config: Config,
    *,
    start: Start | None = None,
    device: str = "simulator",
    gradient: str | None = None,
    task: Task | None = None,
) -> RunFolder:
    """Create the folder of a new run, after its data and its model have been checked.

    Args:
        out: The folder.
        config: The configuration; that of ``start`` where the run fine-tunes another one.
        start: Weights to start from; random ones unless given.
        device, gradient: Where the run trains and how it differentiates, for its provenance and
            for resuming it there.
        task: The task with the settings of ``config.data``, where its data is in memory; made from
            the settings unless given.

    Raises:
        RunFolderError: ``out`` already holds a run or another file that the run would write,
            or is a file.
        RunBusyError: Another process is writing to ``out``.
        ValueError, TypeError: Errors of the task about its data, or of the model about its
            arguments. Nothing is written then.
    """
    run = RunFolder(Path(out), config)
    _require_free(run)
    if task is not None:
        vars(run)["experiment"] = prepare(config, task=task)
    recurrent = run.experiment.model.qrnn
    recurrent.check_device(device, gradient)
    data_sha256 = run.experiment.task.fingerprint()
    if start is not None:
        require_same_data(
            f"the run {start.origin['run']}",
            start.data_sha256,
            data_sha256,
            "restore the data, which fine-tuning keeps, or train from the beginning",
        )
        run.experiment.model.load_state_dict(start.weights)
    provenance = describe_provenance(config, data_sha256) | {
        "model": {
            "kind": recurrent.kind,
            "parameters": count_recurrent(run.experiment.model),
            "sizes": recurrent.sizes,
        },
        "device": device,
        "gradient": gradient,
        "fine_tuned_from": None if start is None else start.origin,
    }
    if (origin := name_origin(config.task)) is not None:
        provenance["extension"] = {"task": config.task} | origin
    run.path.mkdir(parents=True, exist_ok=True)
    with hold_lock(run.path, nested=True):
        _write_run(run, provenance, start)
    return run


def _require_free(run: RunFolder) -> None:
    """Require that the folder of a new run holds no file that the run would write."""
    folder = run.path
    require_utf8(folder)
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; expected a folder")
    if run.config_file.exists() or run.checkpoint_file.exists():
        require_unlocked(folder)
        raise RunFolderError(_describe_taken(folder))
    copies = (folder / name for name in ANSATZ_COPIES)
    for path in (run.provenance_file, *copies, run.metrics_file):
        if path.exists():
            raise RunFolderError(
                f"{folder} holds a file {path.name}, which the run would overwrite; "
                "give another folder, or move that file away"
            )


def _describe_taken(folder: Path) -> str:
    return (
        f"{folder} already holds a run; give another folder, or continue that run with "
        f"'qrnn resume {folder}'"
    )


def _write_run(run: RunFolder, provenance: dict[str, Any], start: Start | None) -> None:
    try:  # exclusive: of two programs started in the same second, only one gets the folder
        run.provenance_file.touch(exist_ok=False)
    except FileExistsError as error:
        raise RunFolderError(_describe_taken(run.path)) from error
    ansatz = run.config.model.ansatz
    try:
        write_text(run.provenance_file, json.dumps(provenance, indent=2) + "\n")
        run.experiment.task.keep_data(run.path)
        if ansatz not in ANSATZ_FAMILIES:
            shutil.copyfile(ansatz, run.ansatz_copy)
        if start is not None:
            weights = start.weights
            write_atomically(run.start_file, lambda file: torch.save(weights, file))
        # Written last and atomically: a run exists once this file does.
        write_text(run.config_file, format_toml(run.config))
    except OSError:  # a full disk: the folder is as free as it was
        for path in (run.provenance_file, run.path / DATA_FILE, run.ansatz_copy, run.start_file):
            path.unlink(missing_ok=True)
        raise


def open_or_create(folder: Path, config: Config) -> RunFolder:
    """Open the run of this configuration in a folder that holds nothing else, or create it.

    Remains of a start that was killed are deleted; ``resume`` trains the run in both cases.

    Raises:
        RunFolderError: The folder holds a run of another configuration.
    """
    if not (folder / CONFIG).exists():
        shutil.rmtree(folder, ignore_errors=True)
        return create_run(folder, config)
    return open_same(folder, config)


def open_same(folder: Path, config: Config) -> RunFolder:
    """Open the run of a folder.

    Raises:
        RunFolderError: The folder holds no run, or a run of another configuration.
    """
    run = RunFolder.open(folder)
    if run.config != config:
        raise RunFolderError(
            f"{folder} holds a run of another configuration than the one requested; give another "
            "--out, or restore the settings"
        )
    return run


def name_run(task: str, root: str | os.PathLike[str] = "runs") -> Path:
    """Return a folder for a new run that does not exist yet: root/task-YYYYMMDD-HHMMSS."""
    stem = f"{task}-{datetime.now():%Y%m%d-%H%M%S}"
    path, number = Path(root) / stem, 2
    while path.exists():
        path, number = Path(root) / f"{stem}-{number}", number + 1
    return path

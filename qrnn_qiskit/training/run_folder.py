"""The folder of a run: its files, how it is created and how its metrics are kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from circuits.ansatz import ANSATZ_FAMILIES
from circuits.errors import InvalidValueError
from qrnn_qiskit.examples import find_example
from qrnn_qiskit.recurrent import count_recurrent
from qrnn_qiskit.training.checkpoint import (
    CheckpointError,
    load_safely,
    write_atomically,
    write_text,
)
from qrnn_qiskit.training.config import read_config
from qrnn_qiskit.training.experiment import Experiment, prepare
from qrnn_qiskit.training.provenance import describe_provenance
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

_CONFIG = "config.toml"
_PROVENANCE = "provenance.json"
_ANSATZ = "ansatz.qasm"


class RunFolderError(InvalidValueError):
    """A folder that cannot be used as asked: it holds a run already, or none."""


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one run.

    config.toml (resolved), provenance.json, metrics.jsonl (an object for each epoch),
    checkpoint.pt, ansatz.qasm (where the ansatz is a file), start.pt (the weights that a
    fine-tuning began with), tuned.pt (the weights after a few steps on a service), ``pictures`` and
    ``evaluations``.
    """

    path: Path
    config: Config

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Open the folder of a run, or ``example:digits``; RunFolderError when it holds none."""
        folder = find_example(path) or Path(path)
        if not (folder / _CONFIG).is_file():
            state = "holds no run (no config.toml)" if folder.is_dir() else "does not exist"
            raise RunFolderError(f"{folder} {state}; give a folder that training wrote")
        return cls(folder, read_config(folder / _CONFIG))

    @cached_property
    def experiment(self) -> Experiment:
        """Task, data and the model as training begins with it, made on the first use."""
        experiment = prepare(self.config, self.ansatz_file)
        if self.start_file.exists():
            experiment.model.load_state_dict(load_safely(self.start_file))
        return experiment

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What create_run knew of where the run comes from."""
        content: dict[str, Any] = json.loads((self.path / "provenance.json").read_text())
        return content

    @property
    def start_file(self) -> Path:
        """start.pt, the weights that a fine-tuning began with; absent where they were random."""
        return self.path / "start.pt"

    @property
    def ansatz_file(self) -> Path | None:
        """The run's own copy of its OpenQASM 3 ansatz; None where the ansatz is a family."""
        copy = self.path / _ANSATZ
        return copy if self.config.model.ansatz not in ANSATZ_FAMILIES and copy.exists() else None

    @property
    def metrics_file(self) -> Path:
        """metrics.jsonl, one JSON object for each finished epoch."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoint_file(self) -> Path:
        """checkpoint.pt, from which training goes on and models are loaded."""
        return self.path / "checkpoint.pt"

    @property
    def tuned_file(self) -> Path:
        """tuned.pt, the weights after a few steps on a service; absent where there were none."""
        return self.path / "tuned.pt"

    @property
    def pictures(self) -> Path:
        """Folder of the pictures; made when the first is drawn."""
        return self.path / "pictures"

    @property
    def evaluations(self) -> Path:
        """Folder of the evaluations; made by the first one."""
        return self.path / "evaluations"

    def digest_checkpoint(self) -> str:
        """SHA-256 of the checkpoint: which weights something began with or was measured with."""
        return hashlib.sha256(self.checkpoint_file.read_bytes()).hexdigest()

    def append_metrics(self, row: dict[str, Any]) -> int:
        """Add the object of an epoch to metrics.jsonl; returns the size of the file in bytes."""
        with self.metrics_file.open("ab") as file:
            file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def truncate_metrics(self, size: int) -> None:
        """Cut metrics.jsonl back to its first ``size`` bytes, what a checkpoint knew of it."""
        with self.metrics_file.open("ab") as file:
            arrived = file.tell()
            if arrived < size:
                raise RunFolderError(
                    f"{self.metrics_file} has {arrived} bytes where its checkpoint knew {size}; "
                    "restore the file, or train again in a new folder"
                )
            file.truncate(size)

    def read_metrics(self) -> list[dict[str, Any]]:
        """The objects of metrics.jsonl in the order of the epochs; empty before the first.

        A last line without its end is what a kill left of it; ``truncate_metrics`` cuts it off.
        """
        if not self.metrics_file.exists():
            return []
        *lines, _ = self.metrics_file.read_bytes().split(b"\n")
        return [json.loads(line) for line in lines]

    def read_evaluations(self) -> list[dict[str, Any]]:
        """The objects of the evaluations in their order, each with its ``number``."""
        return [
            {"number": int(file.stem.split("-")[0])} | json.loads(file.read_text(encoding="utf-8"))
            for file in sorted(self.evaluations.glob("[0-9]*-*.json"))
        ]


@dataclass(frozen=True)
class Start:
    """Where a fine-tuning begins.

    Attributes:
        config: The configuration of the new run; model and data are those of the run before.
        weights: Best weights of the run before, by validation.
        data_sha256: Of the data that they were trained on.
        origin: That run, for the provenance of the new one.
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
) -> RunFolder:
    """Make the folder of a new run, after its data and its model have been checked.

    Args:
        out: the folder.
        config: the configuration; that of ``start`` where the run fine-tunes another one.
        start: weights to begin with; random ones unless given.
        device, gradient: where the run trains and how it differentiates, for its provenance and
            for resuming it there.

    Raises:
        RunFolderError: ``out`` holds a run already, or another file that the run would write,
            or is a file.
        ValueError, TypeError: what the task says about its data or the model about its
            arguments. Nothing is written then.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; a folder is required")
    run = RunFolder(folder, config)
    holds_run = (
        f"{folder} already holds a run; give another folder, or go on with it by "
        f"'qrnn resume {folder}'"
    )
    if (folder / _CONFIG).exists() or run.checkpoint_file.exists():
        raise RunFolderError(holds_run)
    for path in (folder / _PROVENANCE, folder / _ANSATZ, run.metrics_file):
        if path.exists():
            raise RunFolderError(
                f"{folder} holds a file {path.name}, which the run would overwrite; "
                "give another folder, or move that file away"
            )
    recurrent = run.experiment.model.qrnn
    recurrent.check_device(device, gradient)
    data_sha256 = run.experiment.task.fingerprint()
    if start is not None:
        if start.data_sha256 != data_sha256:
            raise CheckpointError(
                f"the data of the task {config.task!r} has changed since {start.origin['run']} was "
                "trained, and fine-tuning keeps its data; put it back, or train from the beginning"
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
    folder.mkdir(parents=True, exist_ok=True)
    try:  # of two programs that were started in the same second, one gets the folder
        with (folder / _PROVENANCE).open("x", encoding="utf-8") as file:
            file.write(json.dumps(provenance, indent=2) + "\n")
    except FileExistsError as error:
        raise RunFolderError(holds_run) from error
    ansatz = config.model.ansatz
    if ansatz not in ANSATZ_FAMILIES:
        shutil.copyfile(ansatz, folder / _ANSATZ)
    if start is not None:
        weights = start.weights
        write_atomically(run.start_file, lambda file: torch.save(weights, file))
    write_text(folder / _CONFIG, format_toml(config))  # last, and all at once: makes it a run
    return run


def open_or_create(folder: Path, config: Config) -> RunFolder:
    """The run of this configuration in a folder that holds nothing else, made where there is none.

    What a kill left of a beginning is thrown away; ``resume`` then trains either.

    Raises:
        RunFolderError: The folder holds a run of another configuration.
    """
    if not (folder / _CONFIG).exists():
        shutil.rmtree(folder, ignore_errors=True)
        return create_run(folder, config)
    return open_same(folder, config)


def open_same(folder: Path, config: Config) -> RunFolder:
    """The run of a folder; RunFolderError where there is none or another configuration."""
    run = RunFolder.open(folder)
    if run.config != config:
        raise RunFolderError(
            f"{folder} was run with another configuration than is asked for now; give another "
            "--out, or put the settings back"
        )
    return run


def name_run(task: str, root: str | os.PathLike[str] = "runs") -> Path:
    """A folder for a new run that does not exist yet: root/task-YYYYMMDD-HHMMSS."""
    stem = f"{task}-{datetime.now():%Y%m%d-%H%M%S}"
    path, number = Path(root) / stem, 2
    while path.exists():
        path, number = Path(root) / f"{stem}-{number}", number + 1
    return path

"""The folder of a run: its files, its creation and its metrics."""

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
from circuits.files import is_utf8
from qrnn_qiskit.examples import find_example
from qrnn_qiskit.recurrent import count_recurrent
from qrnn_qiskit.tasks import Task, get_task
from qrnn_qiskit.tasks.extensions import restore_origin
from qrnn_qiskit.tasks.registry import name_origin
from qrnn_qiskit.tasks.sequences.task import DATA_FILE
from qrnn_qiskit.training.checkpoint import (
    explain_failure,
    load_safely,
    require_same_data,
    write_atomically,
    write_text,
)
from qrnn_qiskit.training.config import read_config
from qrnn_qiskit.training.experiment import Experiment, prepare
from qrnn_qiskit.training.lock import hold_lock, require_unlocked
from qrnn_qiskit.training.provenance import describe_provenance
from qrnn_qiskit.training.run_files import (
    RunFolderError,
    find_evaluations,
    read_metrics,
    read_provenance,
)
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
_ANSATZ = ("ansatz.qasm", "ansatz.qpy")  # the format of a file is found by its suffix


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one run.

    Its files are config.toml (resolved), provenance.json, metrics.jsonl (one object per epoch),
    checkpoint.pt, ansatz.qasm or .qpy (if the ansatz is a file), data.npz (where the data was in
    memory), start.pt (the first weights of a fine-tuning), tuned.pt (the weights after a few steps
    on a service), noise.csv (results against noise), ``pictures`` and ``evaluations``.

    Attributes:
        path: The folder.
        config: The resolved configuration.
    """

    path: Path
    config: Config

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Open the folder of a run, or ``example:digits``.

        Raises:
            RunFolderError: The folder holds no run.
        ExtensionError: Its task is of another package or file, which is missing or has changed.
        """
        folder = find_example(path) or Path(path)
        _require_utf8(folder)
        if not (folder / _CONFIG).is_file():
            state = "holds no run (no config.toml)" if folder.is_dir() else "does not exist"
            raise RunFolderError(f"{folder} {state}; give a folder that training wrote")
        restore_origin(folder)
        return cls(folder, read_config(folder / _CONFIG))

    @cached_property
    def experiment(self) -> Experiment:
        """The task, its data and the model that training starts from, made on first use."""
        experiment = prepare(self.config, self.ansatz_file, self.make_task())
        if self.start_file.exists():
            experiment.model.load_state_dict(load_safely(self.start_file))
        return experiment

    def make_task(self) -> Task:
        """Make the task of the run, which has read no data yet."""
        task = get_task(self.config.task)(self.config.data)
        task.folder = self.path
        return task

    def find_loaded(self, data_sha256: str) -> Experiment | None:
        """Return the experiment if its data is in memory already and has this SHA-256."""
        experiment: Experiment | None = vars(self).get("experiment")
        if experiment is None or experiment.task.fingerprint() != data_sha256:
            return None
        return experiment

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """The provenance that create_run wrote.

        Raises:
            RunFolderError: provenance.json is missing, cut short or damaged.
        """
        return read_provenance(self.path / _PROVENANCE)

    def record_layouts(self, layouts: list[dict[str, Any]]) -> None:
        """Add where the circuits of the training ran to the provenance, unless it is there.

        Args:
            layouts: The physical qubits and their calibration, as the executor describes them;
                empty where there is no choice of qubits.
        """
        if not layouts or "layouts" in self.provenance:
            return
        content = self.provenance | {"layouts": layouts}
        write_text(self.path / _PROVENANCE, json.dumps(content, indent=2) + "\n")
        vars(self)["provenance"] = content

    @property
    def start_file(self) -> Path:
        """start.pt, the initial weights of a fine-tuning; absent where they were random."""
        return self.path / "start.pt"

    @property
    def ansatz_file(self) -> Path | None:
        """The run's own copy of the file of its ansatz; None where the ansatz is a family."""
        copy = self.path / _name_copy(self.config.model.ansatz)
        return copy if self.config.model.ansatz not in ANSATZ_FAMILIES and copy.exists() else None

    @property
    def metrics_file(self) -> Path:
        """metrics.jsonl, one JSON object for each finished epoch."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoint_file(self) -> Path:
        """checkpoint.pt, from which training continues and models are loaded."""
        return self.path / "checkpoint.pt"

    @property
    def tuned_file(self) -> Path:
        """tuned.pt, the weights after a few steps on a service; absent without such steps."""
        return self.path / "tuned.pt"

    @property
    def pictures(self) -> Path:
        """Folder of the pictures, created with the first one."""
        return self.path / "pictures"

    @property
    def evaluations(self) -> Path:
        """Folder of the evaluations, created with the first one."""
        return self.path / "evaluations"

    def digest_checkpoint(self) -> str:
        """Return the SHA-256 of the checkpoint, which identifies the weights in a provenance."""
        return hashlib.sha256(self.checkpoint_file.read_bytes()).hexdigest()

    def append_metrics(self, row: dict[str, Any]) -> int:
        """Append the object of an epoch to metrics.jsonl; return the size of the file in bytes."""
        with explain_failure(self.metrics_file), self.metrics_file.open("ab") as file:
            file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def truncate_metrics(self, size: int) -> None:
        """Truncate metrics.jsonl to its first ``size`` bytes, those that a checkpoint covers.

        Raises:
            RunFolderError: The file is shorter.
        """
        with self.metrics_file.open("ab") as file:
            found = file.tell()
            if found < size:
                raise RunFolderError(
                    f"{self.metrics_file} has {found} bytes, its checkpoint covers {size}; "
                    "restore the file, or train again in a new folder"
                )
            file.truncate(size)

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read the objects of metrics.jsonl in the order of the epochs; empty before the first.

        A last line without a line break, left behind by a kill, is skipped; ``truncate_metrics``
        removes it.

        Raises:
            RunFolderError: Another line is damaged.
        """
        return read_metrics(self.metrics_file, self.make_task().headline)

    def read_evaluations(self) -> list[dict[str, Any]]:
        """Read the objects of the evaluations in their order, each with its ``number``.

        Raises:
            RunFolderError: A file is cut short or damaged.
        """
        return [content for _, content in self.find_evaluations()]

    def find_evaluations(self) -> list[tuple[Path, dict[str, Any]]]:
        """Find the files of the evaluations with their objects, as :meth:`read_evaluations`."""
        return find_evaluations(self.evaluations)


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
    _require_utf8(folder)
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; expected a folder")
    if (folder / _CONFIG).exists() or run.checkpoint_file.exists():
        require_unlocked(folder)
        raise RunFolderError(_describe_taken(folder))
    for path in (folder / _PROVENANCE, *(folder / name for name in _ANSATZ), run.metrics_file):
        if path.exists():
            raise RunFolderError(
                f"{folder} holds a file {path.name}, which the run would overwrite; "
                "give another folder, or move that file away"
            )


def _require_utf8(folder: Path) -> None:
    """Require a path that reports, ledgers and other files of UTF-8 can hold."""
    if not is_utf8(folder.absolute()):
        raise RunFolderError(
            f"the path {str(folder.absolute())!r} holds bytes that are not UTF-8; rename the "
            "folder, or give another one"
        )


def _describe_taken(folder: Path) -> str:
    return (
        f"{folder} already holds a run; give another folder, or continue that run with "
        f"'qrnn resume {folder}'"
    )


def _write_run(run: RunFolder, provenance: dict[str, Any], start: Start | None) -> None:
    try:  # exclusive: of two programs started in the same second, only one gets the folder
        (run.path / _PROVENANCE).touch(exist_ok=False)
    except FileExistsError as error:
        raise RunFolderError(_describe_taken(run.path)) from error
    ansatz = run.config.model.ansatz
    copy = run.path / _name_copy(ansatz)
    try:
        write_text(run.path / _PROVENANCE, json.dumps(provenance, indent=2) + "\n")
        run.experiment.task.keep_data(run.path)
        if ansatz not in ANSATZ_FAMILIES:
            shutil.copyfile(ansatz, copy)
        if start is not None:
            weights = start.weights
            write_atomically(run.start_file, lambda file: torch.save(weights, file))
        # Written last and atomically: a run exists once this file does.
        write_text(run.path / _CONFIG, format_toml(run.config))
    except OSError:  # a full disk: the folder is as free as it was
        for path in (run.path / _PROVENANCE, run.path / DATA_FILE, copy, run.start_file):
            path.unlink(missing_ok=True)
        raise


def _name_copy(ansatz: str) -> str:
    return _ANSATZ[ansatz.endswith(".qpy")]


def open_or_create(folder: Path, config: Config) -> RunFolder:
    """Open the run of this configuration in a folder that holds nothing else, or create it.

    Remains of a start that was killed are deleted; ``resume`` trains the run in both cases.

    Raises:
        RunFolderError: The folder holds a run of another configuration.
    """
    if not (folder / _CONFIG).exists():
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

"""A run in its folder: the places of its files, and what is read from and added to them."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from circuits.ansatz import ANSATZ_FAMILIES
from circuits.files import is_utf8
from qrnn_qiskit.examples import find_example
from qrnn_qiskit.tasks import Task, get_task
from qrnn_qiskit.tasks.extensions import restore_origin
from qrnn_qiskit.training.checkpoint import explain_failure, load_safely, write_text
from qrnn_qiskit.training.config import read_config
from qrnn_qiskit.training.experiment import Experiment, prepare
from qrnn_qiskit.training.run_files import (
    RunFolderError,
    find_evaluations,
    read_metrics,
    read_provenance,
)
from qrnn_qiskit.training.schema import Config

__all__ = ["ANSATZ_COPIES", "CONFIG", "RunFolder", "require_utf8"]

CONFIG = "config.toml"
ANSATZ_COPIES = ("ansatz.qasm", "ansatz.qpy")


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
        require_utf8(folder)
        if not (folder / CONFIG).is_file():
            state = "holds no run (no config.toml)" if folder.is_dir() else "does not exist"
            raise RunFolderError(f"{folder} {state}; give a folder that training wrote")
        restore_origin(folder)
        return cls(folder, read_config(folder / CONFIG))

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
        return read_provenance(self.provenance_file)

    def record_layouts(self, layouts: list[dict[str, Any]]) -> None:
        """Add where the circuits of the training ran to the provenance, unless it is there.

        Args:
            layouts: The physical qubits and their calibration, as the executor describes them;
                empty where there is no choice of qubits.
        """
        if not layouts or "layouts" in self.provenance:
            return
        content = self.provenance | {"layouts": layouts}
        write_text(self.provenance_file, json.dumps(content, indent=2) + "\n")
        vars(self)["provenance"] = content

    @property
    def config_file(self) -> Path:
        """config.toml, the resolved configuration; a run exists once this file does."""
        return self.path / CONFIG

    @property
    def provenance_file(self) -> Path:
        """provenance.json, where the data, the model and the weights come from."""
        return self.path / "provenance.json"

    @property
    def start_file(self) -> Path:
        """start.pt, the initial weights of a fine-tuning; absent where they were random."""
        return self.path / "start.pt"

    @property
    def ansatz_file(self) -> Path | None:
        """The run's own copy of the file of its ansatz; None where the ansatz is a family."""
        is_file = self.config.model.ansatz not in ANSATZ_FAMILIES
        return self.ansatz_copy if is_file and self.ansatz_copy.exists() else None

    @property
    def ansatz_copy(self) -> Path:
        """The place of that copy; the format of a file is found by its suffix."""
        return self.path / ANSATZ_COPIES[self.config.model.ansatz.endswith(".qpy")]

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


def require_utf8(folder: Path) -> None:
    """Require a path that reports, ledgers and other files of UTF-8 can hold."""
    if not is_utf8(folder.absolute()):
        raise RunFolderError(
            f"the path {str(folder.absolute())!r} holds bytes that are not UTF-8; rename the "
            "folder, or give another one"
        )

"""The files of evaluations in the folder of a run: write them, and find those that are there."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from qrnn_qiskit.tasks.base import Sequences
from qrnn_qiskit.tasks.data.spreadsheet import write_csv
from qrnn_qiskit.training.checkpoint import write_text
from qrnn_qiskit.training.evaluation_result import Evaluation
from qrnn_qiskit.training.loading import TrainedModel
from qrnn_qiskit.training.provenance import describe_provenance
from qrnn_qiskit.training.run_files import list_numbered
from qrnn_qiskit.training.run_folder import RunFolder

__all__ = ["find_evaluation", "is_written", "write_evaluation"]


def find_evaluation(run: RunFolder, device: str) -> Evaluation | None:
    """Find the evaluation of the best weights of a run's checkpoint on a device.

    Args:
        run: The run.
        device: The name of an executor.

    Returns:
        The evaluation on the most sequences, without its deviations; None if there is none.
    """
    digest = run.digest_checkpoint()
    names = [field.name for field in fields(Evaluation) if field.name != "deviations"]
    found = [
        Evaluation(**{name: content[name] for name in names})
        for content in run.read_evaluations()
        if (content["device"], content["weights"]) == (device, "best")
        and content["provenance"].get("checkpoint_sha256") == digest
    ]
    return max(found, key=lambda evaluation: evaluation.sequences, default=None)


def is_written(run: RunFolder, trained: TrainedModel, evaluation: Evaluation) -> bool:
    """Return whether all files of an identical evaluation on an exact device exist."""
    if evaluation.shots is not None:
        return False
    same = evaluation.to_dict() | {
        "weights": trained.weights,
        "deviations": evaluation.deviations and evaluation.deviations.to_dict(),
    }
    for name in ("seconds", "jobs", "qpu_seconds"):
        del same[name]
    return any(
        all(content.get(name) == value for name, value in same.items())
        and content["provenance"].get("checkpoint_sha256") == trained.checkpoint_sha256
        and content["provenance"].get("data_sha256") == trained.data_sha256
        and all(file.with_suffix(kind).exists() for kind in (".csv", ".npz"))
        for file, content in run.find_evaluations()
    )


def write_evaluation(
    run: RunFolder,
    trained: TrainedModel,
    evaluation: Evaluation,
    chosen: Sequences,
    arrays: dict[str, Tensor],
    ran: dict[str, Any],
) -> None:
    """Write the three files of an evaluation under the next free number.

    Args:
        run: The run.
        trained: The model that was evaluated.
        evaluation: The result.
        chosen: The test sequences.
        arrays: The arrays of the .npz file by name, with the ``prediction``.
        ran: Where it ran and with which weights, for its provenance.
    """
    run.evaluations.mkdir(exist_ok=True)
    stem = _find_free(run.evaluations, evaluation.device)
    header, rows = trained.task.tabulate(arrays["prediction"], chosen)
    with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        write_csv(file, header, rows)
    np.savez(
        stem.with_suffix(".npz"),
        allow_pickle=False,
        **{name: tensor.numpy() for name, tensor in arrays.items()},
    )
    deviations = evaluation.deviations
    content = evaluation.to_dict() | {
        "weights": trained.weights,
        "deviations": None if deviations is None else deviations.to_dict(),
        "provenance": describe_provenance(trained.config, trained.data_sha256) | ran,
    }
    # Written last and atomically: an evaluation exists once this file does.
    write_text(stem.with_suffix(".json"), json.dumps(content, indent=2) + "\n")


def _find_free(folder: Path, device: str) -> Path:
    """Return folder/0001-device, numbered one above the highest number in use."""
    numbers = [number for number, _ in list_numbered(folder)]
    name = "".join(letter if letter.isalnum() else "-" for letter in device)
    return folder / f"{max(numbers, default=0) + 1:04d}-{name}"

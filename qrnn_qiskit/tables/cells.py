"""One cell of a table: a run folder, trained to its end from its last checkpoint."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from qrnn_qiskit.recurrent import count_recurrent
from qrnn_qiskit.tables.spec import Cell
from qrnn_qiskit.training.checkpoint import write_text
from qrnn_qiskit.training.evaluation import evaluate, list_metrics
from qrnn_qiskit.training.experiment import prepare
from qrnn_qiskit.training.inference import predict_sequences
from qrnn_qiskit.training.loop import Trainer
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.run_folder import RunFolder, open_or_create, open_same
from qrnn_qiskit.training.trainer import TrainingDiverged, resume

__all__ = ["CellResult", "estimate_seconds", "inspect_cell", "read_result", "run_cell"]


_checked: set[tuple[Path, int, str]] = set()  # runs whose configuration has been compared
_PATIENCE = (
    20 * 24 * 3600.0
)  # seconds, beyond any run; SQLite counts up to 2^31 ms, and takes more as 0


@dataclass(frozen=True)
class CellResult:
    """The result of a run, ``result.json`` in its folder.

    Attributes:
        validation: Metrics of the best epoch; empty where training diverged.
        test: Metrics of the best weights by validation; empty where training diverged.
        parameters: Trainable parameters of the recurrent model, or of both where there are two.
        shared_parameters: Trainable parameters of embedding and head.
        seconds_per_epoch: Mean wall-clock time in seconds, including validation.
        epochs: Number of epochs trained.
        peak_memory: Peak memory of the whole process in bytes while this run was trained and
            evaluated; None where the system does not report it.
        diverged: The message of a training that diverged; None for any other.
    """

    validation: dict[str, float]
    test: dict[str, float]
    parameters: int
    shared_parameters: int
    seconds_per_epoch: float
    epochs: int
    peak_memory: int | None
    diverged: str | None = None


def read_result(out: Path, cell: Cell) -> CellResult | None:
    """Read the result of a cell; None before it is finished.

    Raises:
        RunFolderError: Its folder belongs to another configuration, since the table's file has
            changed.
    """
    folder = out / cell.path
    config, result = folder / "config.toml", folder / "result.json"
    if not config.exists():
        return None
    key = (config, config.stat().st_mtime_ns, cell.command())
    if key not in _checked:
        open_same(folder, cell.resolve())
        _checked.add(key)
    return CellResult(**json.loads(result.read_text())) if result.exists() else None


def run_cell(out: Path, cell: Cell) -> CellResult:
    """Train a cell to its end, evaluate it, and write the result.

    It can be killed at any time: the next call continues from the last checkpoint. If another
    process is working on the cell, this one waits until it has finished.
    """
    _take_one_core()
    with _hold_lock(out / cell.path.with_name(f"{cell.path.name}.lock")):
        return read_result(out, cell) or _run_cell(out, cell)


def _run_cell(out: Path, cell: Cell) -> CellResult:
    _reset_peak()
    run = open_or_create(out / cell.path, cell.resolve())
    validation: dict[str, float] = {}
    test: dict[str, float] = {}
    diverged = None
    try:
        validation = resume(run, progress=TrainingProgress(enabled=False)).validation
        metrics = evaluate(run).metrics
        test = {name: value for name, m in metrics.items() if (value := m["value"]) is not None}
    except TrainingDiverged as error:
        diverged = str(error)
    rows, model = run.read_metrics(), run.experiment.model
    recurrent = count_recurrent(model)
    result = CellResult(
        validation=validation,
        test=test,
        parameters=recurrent,
        shared_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad) - recurrent,
        seconds_per_epoch=sum(row["seconds"] for row in rows) / max(1, len(rows)),
        epochs=len(rows),
        peak_memory=_read_peak(),
        diverged=diverged,
    )
    write_text(run.path / "result.json", json.dumps(asdict(result), indent=2) + "\n")
    return result


def inspect_cell(cell: Cell) -> list[str]:
    """Load the data of a cell and build its model, as a run does before its first step.

    Returns:
        The names of its metrics if the table lists further metrics, found by evaluating the
        untrained model on one test sequence; otherwise an empty list.

    Raises:
        ValueError, TypeError: A run could not start.
    """
    _take_one_core()
    experiment = prepare(cell.resolve())
    return list_metrics(experiment) if cell.pair.task.metrics else []


def estimate_seconds(cell: Cell, steps: int = 3) -> float:
    """Estimate the time of a run of this cell in seconds from a few steps, writing nothing.

    Where epochs differ in length, the longest is timed and scaled by the mean length.
    """
    _take_one_core()
    config = cell.resolve()
    run = RunFolder(Path("never-written"), config)
    trainer = Trainer(run, None, TrainingProgress(enabled=False))
    splits, size = trainer.splits, config.train.batch_size
    data, scale = splits.train, 1.0
    if splits.fresh is not None:
        data = splits.fresh(config.train.epochs - 1)
        sampled = range(0, config.train.epochs, max(1, config.train.epochs // 10))
        lengths = [splits.fresh(epoch).inputs.shape[1] for epoch in sampled]
        scale = sum(lengths) / len(lengths) / data.inputs.shape[1]
    trainer.model.train()
    batch = data.select(torch.arange(min(size, len(data))))
    trainer.step(batch, 0.0)  # compiles
    start = time.monotonic()
    for _ in range(steps):
        trainer.step(batch, 0.0)
    step = (time.monotonic() - start) / steps
    few = splits.validation.select(
        torch.arange(min(config.train.evaluation_batch_size, len(splits.validation)))
    )
    start = time.monotonic()
    predict_sequences(trainer.model, few, len(few))
    validation = (time.monotonic() - start) * len(splits.validation) / len(few)
    return config.train.epochs * (scale * step * -(-len(data) // size) + validation)


@contextmanager
def _hold_lock(file: Path) -> Iterator[None]:
    """Hold the lock of an empty database; the system releases it however the process ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def _take_one_core() -> None:
    """Use one thread, so that parallel runs do not wait for each other's threads."""
    torch.set_num_threads(1)


def _reset_peak() -> None:
    """Begin to measure the peak memory of this process anew, where Linux allows it."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def _read_peak() -> int | None:
    if sys.platform != "linux":
        return None
    status: dict[str, Any] = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    return int(status["VmHWM"].split()[0]) * 1024

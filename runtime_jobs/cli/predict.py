"""``qrnn predict``: new inputs through a trained model."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from runtime_jobs.cli.options import (
    Device,
    RunPath,
    open_local_device,
    open_trained_run,
    tell_layout,
)

__all__ = ["EXAMPLES", "predict"]

EXAMPLES = """\b
Examples:
  qrnn predict runs/a images.npy
  qrnn predict runs/reviews new.csv > predictions.csv
"""


def predict(
    folder: RunPath,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="New inputs, in the form of the training data.")
    ],
    on: Device = "simulator",
) -> None:
    """Predict new inputs. The predictions are printed as CSV."""
    executor = open_local_device(on)
    run = open_trained_run(folder)
    from rich.console import Console

    from qrnn_qiskit.training.loading import load

    trained = load(run.path)
    trained.qrnn.executor = executor
    inputs = trained.task.read(file)
    with Console(stderr=True).status(f"predicting {file}"):
        prediction = trained.predict(inputs)
    tell_layout(executor)
    header, rows = trained.task.tabulate(prediction, inputs)
    csv.writer(sys.stdout, lineterminator="\n").writerows([header, *rows])

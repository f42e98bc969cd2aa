"""``qrnn predict``: predict new inputs with a trained model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from runtime_jobs.cli.options import Device, RunPath, print_layout
from runtime_jobs.runs.opening import open_local_device, open_trained_run

__all__ = ["EXAMPLES", "predict"]

EXAMPLES = """\b
Examples:
  qrnn predict runs/a images.npy
  qrnn predict runs/reviews new.csv > predictions.csv
"""


def predict(
    folder: RunPath,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="New inputs, in the format of the training data.")
    ],
    on: Device = "simulator",
) -> None:
    """Predict new inputs with a trained run, as CSV.

    FILE is preprocessed as in training. A text that a spreadsheet would take for a formula gets an
    apostrophe. Layouts and progress go to standard error, so that standard
    output can be redirected to a file.
    """
    executor = open_local_device(on)
    run = open_trained_run(folder)
    from rich.console import Console
    from rich.markup import escape

    from qrnn_qiskit.tasks.data.spreadsheet import write_csv
    from qrnn_qiskit.training.loading import load

    trained = load(run.path)
    trained.qrnn.executor = executor
    inputs = trained.task.read(file)
    with Console(stderr=True).status(escape(f"predicting {file}")):
        prediction = trained.predict_raw(inputs)
    print_layout(executor)
    header, rows = trained.task.tabulate(prediction, inputs)
    write_csv(sys.stdout, header, rows, line_end="\n")

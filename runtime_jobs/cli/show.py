"""``qrnn show``: draw the pictures and write the report of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from runtime_jobs.cli.options import RunPath
from runtime_jobs.runs import showing
from runtime_jobs.runs.opening import RunLike

if TYPE_CHECKING:
    from qrnn_qiskit.training.loading import TrainedModel

__all__ = ["EXAMPLES", "draw_and_print", "show"]

EXAMPLES = "\b\nExample:\n  qrnn show runs/a"


def show(folder: RunPath) -> None:
    """Draw the pictures of a run and write its report.

    The report, DIR/report.html, is a single file that opens without a network. It shows results on
    all devices, training, hidden state, circuit, jobs, configuration and provenance. The pictures
    are also written to DIR/pictures.
    """
    draw_and_print(folder)


def draw_and_print(run: RunLike, trained: TrainedModel | None = None) -> None:
    """Write the pictures and the report of a run, and print their paths."""
    report = showing.show(run, trained=trained)
    for picture in report.pictures:
        typer.echo(f"picture: {picture}")
    typer.echo(f"report: {report.path}")

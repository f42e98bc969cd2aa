"""``qrnn show``: draw the pictures and write the report of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from runtime_jobs.cli.options import RunPath, open_trained_run

if TYPE_CHECKING:
    from qrnn_qiskit.training.loading import TrainedModel
    from qrnn_qiskit.training.run_folder import RunFolder

__all__ = ["EXAMPLES", "draw_and_print", "show"]

EXAMPLES = "\b\nExample:\n  qrnn show runs/a"


def show(folder: RunPath) -> None:
    """Draw the pictures of a run and write its report.

    The report, DIR/report.html, is a single file that opens without a network. It shows results on
    all devices, training, hidden state, circuit, jobs, configuration and provenance. The pictures
    are also written to DIR/pictures.
    """
    draw_and_print(open_trained_run(folder))


def draw_and_print(run: RunFolder, trained: TrainedModel | None = None) -> None:
    """Write the pictures and the report of a run, and print their paths."""
    from runtime_jobs.report import write_report

    *pictures, report = write_report(run, trained)
    for picture in pictures:
        typer.echo(f"picture: {picture}")
    typer.echo(f"report: {report}")

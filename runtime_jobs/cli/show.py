"""``qrnn show``: pictures and report of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from runtime_jobs.cli.options import RunPath, open_trained_run

if TYPE_CHECKING:
    from qrnn_qiskit.training.loading import TrainedModel
    from qrnn_qiskit.training.run_folder import RunFolder

__all__ = ["EXAMPLES", "draw_and_tell", "show"]

EXAMPLES = "\b\nExample:\n  qrnn show runs/a"


def show(folder: RunPath) -> None:
    """Draw the pictures of a run, and write its report.

    The report is one HTML file, DIR/report.html, that opens without a network: results on all
    devices, training, hidden state, circuit, jobs, configuration and provenance. The pictures go to
    DIR/pictures as well.
    """
    draw_and_tell(open_trained_run(folder))


def draw_and_tell(run: RunFolder, trained: TrainedModel | None = None) -> None:
    """Draw pictures and report of a run, and print where they are."""
    from runtime_jobs.report import write_report

    *pictures, report = write_report(run, trained)
    for picture in pictures:
        typer.echo(f"picture: {picture}")
    typer.echo(f"report: {report}")

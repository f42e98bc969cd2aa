"""``qrnn show``: pictures of a run."""

from __future__ import annotations

import typer

from runtime_jobs.cli.options import RunPath, open_trained_run

__all__ = ["EXAMPLES", "show"]

EXAMPLES = "\b\nExample:\n  qrnn show runs/a"


def show(folder: RunPath) -> None:
    """Draw the pictures of a run.

    Training curves, confusion matrix and hidden states go to DIR/pictures.
    """
    run = open_trained_run(folder)
    from qrnn_qiskit.pictures import draw_run

    for picture in draw_run(run.path):
        typer.echo(f"picture: {picture}")

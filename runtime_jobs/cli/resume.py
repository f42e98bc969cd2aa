"""``qrnn resume``: an interrupted run trained to its end."""

from __future__ import annotations

import typer

from runtime_jobs.cli.options import RunPath, open_local_device, open_run

__all__ = ["EXAMPLES", "resume"]

EXAMPLES = "\b\nExample:\n  qrnn resume runs/a"


def resume(folder: RunPath) -> None:
    """Go on with an interrupted run.

    On the simulator it ends as if it had never stopped, to the last bit. A run that trains on a
    device goes on there.
    """
    from qrnn_qiskit.training.trainer import resume as go_on
    from runtime_jobs.cli.training import finish_run

    run = open_run(folder)
    done = len(run.read_metrics())
    typer.echo(f"resuming {folder} ({done} of {run.config.train.epochs} epochs done)", err=True)
    device = run.provenance.get("device", "simulator")
    executor = open_local_device(device, gradient=run.provenance.get("gradient"))
    finish_run(run, go_on, executor)

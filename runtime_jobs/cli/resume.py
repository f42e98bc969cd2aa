"""``qrnn resume``: an interrupted run trained to its end."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_jobs.cli.collect import run_submission
from runtime_jobs.cli.options import RunPath, TensorBoard, open_local_device, open_run

__all__ = ["EXAMPLES", "resume"]

EXAMPLES = "\b\nExample:\n  qrnn resume runs/a"


def resume(
    folder: RunPath,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all results of a service are there.")
    ] = False,
    tensorboard: TensorBoard = False,
) -> None:
    """Go on with an interrupted run, or with its jobs.

    On the simulator it ends as if it had never stopped, to the last bit. A run that trains on a
    device goes on there. Where jobs were submitted and are not all collected, it goes on with
    these, and jobs that failed or were cancelled are sent anew within the cap. A run that is
    finished shows its results.
    """
    from runtime_jobs.ledger.find_runs import has_open_submission

    if has_open_submission(folder):
        run_submission(str(folder), wait=wait, retry=True, as_json=False)
        return
    from qrnn_qiskit.training.processes import join_processes
    from qrnn_qiskit.training.trainer import resume as go_on
    from runtime_jobs.cli.finish_run import finish_run, open_progress, tell_finished

    run = open_run(folder)
    device = run.provenance.get("device", "simulator")
    executor = open_local_device(device, gradient=run.provenance.get("gradient"))
    with join_processes(run.config.train.device) as processes:
        if processes.tell(processes.is_first and tell_finished(run, executor)):
            return
        if processes.is_first:
            done = f"{len(run.read_metrics())} of {run.config.train.epochs} epochs done"
            typer.echo(f"resuming {folder} ({done})", err=True)
        progress = open_progress(run.path, tensorboard, processes)
        finish_run(run, go_on, executor, progress, processes)

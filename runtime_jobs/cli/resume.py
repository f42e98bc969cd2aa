"""``qrnn resume``: continue an interrupted run or its jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_jobs.cli.collect import run_submission
from runtime_jobs.cli.options import NewBudget, RunPath, TensorBoard
from runtime_jobs.runs.opening import open_local_device, open_run

__all__ = ["EXAMPLES", "resume"]

EXAMPLES = (
    "\b\nExamples:\n  qrnn resume runs/a\n"
    "  qrnn resume runs/a --wait    collect the jobs of a submitted run"
)


def resume(
    folder: RunPath,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all results of the service have arrived.")
    ] = False,
    tensorboard: TensorBoard = False,
    new_budget: NewBudget = False,
) -> None:
    """Continue an interrupted training or submitted jobs.

    On the simulator, a resumed training ends with the same bits as one that was never interrupted.
    A run that trains on a device continues on that device. If jobs were submitted and not all
    collected, resume continues with them, and sends failed or cancelled jobs again within the cap.
    For a finished run it prints the results.
    """
    from runtime_jobs.ledger.find_runs import has_open_submission

    if has_open_submission(folder):
        run_submission(str(folder), wait=wait, retry=True, as_json=False, new_budget=new_budget)
        return
    if new_budget:
        raise typer.BadParameter(
            f"--new-budget applies where jobs are sent, and {folder} has no open submission; give "
            "it to 'qrnn submit'"
        )
    from qrnn_qiskit.training.processes import join_processes
    from qrnn_qiskit.training.trainer import resume as continue_training
    from runtime_jobs.cli.finish_run import finish_run, open_progress, print_finished

    run = open_run(folder)
    device = run.provenance.get("device", "simulator")
    executor = open_local_device(device, gradient=run.provenance.get("gradient"))
    with join_processes(run.config.train.device) as processes:
        if processes.tell(processes.is_first and print_finished(run, executor)):
            return
        if processes.is_first:
            done = f"{len(run.read_metrics())} of {run.config.train.epochs} epochs done"
            typer.echo(f"resuming {folder} ({done})", err=True)
        progress = open_progress(run.path, tensorboard, processes)
        finish_run(run, continue_training, executor, progress, processes)

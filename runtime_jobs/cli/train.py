"""``qrnn train``: train a task in a new run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime_jobs.cli.options import (
    Device,
    Extend,
    Gradient,
    TensorBoard,
    find_folder,
    split_setting,
)
from runtime_jobs.runs.opening import open_local_device, open_trained_run

if TYPE_CHECKING:
    from qrnn_qiskit.training.run_folder import RunFolder

__all__ = ["EXAMPLES", "train"]

EXAMPLES = """\b
Examples:
  qrnn train digits
  qrnn train digits --set epochs=5 --set model.readout=none --out runs/ablation
  qrnn train copying-memory --set data.delay=30
  qrnn train sequences --set data.file=x.npz     arrays x and y; also labelled CSV and .ts
  qrnn train series --set data.file=x.csv --set data.target=y
  qrnn train mine --extend mytasks.py            a task of your own
  qrnn train text --set data.file=reviews.csv --config small.toml
  qrnn train mnist --set scan=pixels --find-rates  learning rates by part, without a run
  qrnn train digits --on simulator:kingston      exact noise of that device and its gradient
  qrnn train digits --from runs/a --on 'aer:kingston?shots=4096' --gradient spsa --set epochs=3
'qrnn tasks TASK' lists every key. After Ctrl-C, 'qrnn resume DIR' continues the run.
"""


def train(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task that 'qrnn tasks' lists.")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set a configuration key; repeatable. The last part of a key is enough if it is "
            "unambiguous.",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file with the same keys, as tables.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the run; by default a new one below runs/."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            parser=find_folder,
            help="Fine-tune: start from the best weights, the model and the data of this run.",
        ),
    ] = None,
    on: Device = "simulator",
    gradient: Gradient = None,
    tensorboard: TensorBoard = False,
    extensions: Extend = None,
    find_rates: Annotated[
        bool,
        typer.Option(
            "--find-rates",
            help="Test growing learning rates for each part of the model, and print good ones.",
        ),
    ] = False,
) -> None:
    """Train a task in a new run folder, then evaluate and draw it.

    The weights with the best validation score are evaluated on the test split, once, at the end.
    The command prints the metrics with their standard errors and writes pictures and a report.
    """
    overrides = dict(split_setting(setting) for setting in settings or [])
    if start is not None and config is not None:
        raise typer.BadParameter("--from uses the configuration of that run; leave out --config")
    executor = open_local_device(on, gradient=gradient)
    from qrnn_qiskit.executors.gradient_methods import require_gradient
    from qrnn_qiskit.tasks.extensions import extend
    from qrnn_qiskit.training.config import resolve_config
    from qrnn_qiskit.training.fine_tuning import start_from
    from qrnn_qiskit.training.processes import join_processes
    from qrnn_qiskit.training.run_folder import create_run, name_run
    from qrnn_qiskit.training.trainer import train as fit
    from runtime_jobs.cli.finish_run import finish_run, open_progress

    require_gradient(executor)
    for file in extensions or []:
        extend(file)
    if find_rates:
        if start is not None or out is not None or on != "simulator":
            raise typer.BadParameter("--find-rates trains no run; leave out --from, --out and --on")
        from runtime_jobs.cli.rates import print_rates

        print_rates(resolve_config(task, overrides, config))
        return
    before = None if start is None else start_from(open_trained_run(start), task, overrides)
    resolved = resolve_config(task, overrides, config) if before is None else before.config
    with join_processes(resolved.train.device) as processes:
        processes.check(resolved.train.batch_size, executor)
        path = out or name_run(task)
        progress = open_progress(path, tensorboard, processes)
        run = processes.open_run(
            lambda: create_run(path, resolved, start=before, device=on, gradient=gradient)
        )
        if processes.is_first:
            typer.echo(f"training {task} in {run.path} ({resolved.train.epochs} epochs)", err=True)
            print_first_look(run)
        finish_run(run, fit, executor, progress, processes)


def print_first_look(run: RunFolder) -> None:
    """Print what an untrained model of long sequences says of its data, and warnings of it."""
    from qrnn_qiskit.training.first_look import look_first

    look = look_first(run.experiment)
    if look is None:
        return
    typer.echo(look.describe(), err=True)
    for warning in look.find_warnings():
        typer.echo(f"warning: {warning}", err=True)

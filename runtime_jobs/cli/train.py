"""``qrnn train``: a task trained in a new run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runtime_jobs.cli.options import Device, open_local_device

__all__ = ["EXAMPLES", "train"]

EXAMPLES = """\b
Examples:
  qrnn train digits
  qrnn train digits --set epochs=5 --set model.readout=none --out runs/ablation
  qrnn train copying-memory --set data.delay=30
  qrnn train series --set data.file=x.csv --set data.target=y
  qrnn train text --set data.file=reviews.csv --config small.toml
'qrnn tasks TASK' lists every key. Stopped with Ctrl-C, a run goes on with 'qrnn resume DIR'.
"""


def train(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A name from 'qrnn tasks'.")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set a configuration key; repeat for more. The last name of a key is enough "
            "where it is unambiguous.",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file with the same keys as tables.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the run, a new one below runs/ by default."),
    ] = None,
    on: Device = "simulator",
) -> None:
    """Train a task. Ends with a table of test metrics and with pictures.

    Metrics are measured with the weights that were best by validation.
    """
    overrides = dict(_split_setting(setting) for setting in settings or [])
    executor = open_local_device(on)
    from qrnn_qiskit.training.config import resolve_config
    from qrnn_qiskit.training.run_folder import create_run, name_run
    from qrnn_qiskit.training.trainer import train as fit
    from runtime_jobs.cli.training import finish_run

    resolved = resolve_config(task, overrides, config)
    run = create_run(out or name_run(task), resolved)
    typer.echo(f"training {task} in {run.path} ({resolved.train.epochs} epochs)", err=True)
    finish_run(run, fit, executor)


def _split_setting(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not (key.strip() and equals):
        raise ValueError(
            f"--set {setting!r} arrived; KEY=VALUE is required, for example --set train.epochs=20"
        )
    return key.strip(), value.strip()

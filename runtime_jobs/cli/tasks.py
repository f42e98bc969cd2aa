"""``qrnn tasks``: list the tasks and their settings."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from runtime_jobs.cli.options import Extend

__all__ = ["EXAMPLES", "tasks"]

EXAMPLES = (
    "\b\nExamples:\n  qrnn tasks\n  qrnn tasks digits    list every key for --set with its default"
)


def tasks(
    name: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="List the settings of this task.")
    ] = None,
    extensions: Extend = None,
) -> None:
    """List the tasks that can be trained. With TASK, list its settings for --set."""
    from rich.console import Console

    from qrnn_qiskit.tasks.extensions import extend, list_entry_points
    from qrnn_qiskit.tasks.registry import list_summaries
    from runtime_jobs.cli.console import make_table
    from runtime_jobs.cli.memo import remember

    for file in extensions or []:
        extend(file)
    if name is None:
        table = make_table("task", "goal", "data")
        for task in list_summaries():
            table.add_row(*task)
    else:
        table = make_table("key", "default", "meaning")
        # The classes of tasks import torch, which takes seconds; a list that is kept does not.
        is_own = not extensions and name not in list_entry_points()
        for row in remember("settings", [name], partial(_list_settings, name), keep=is_own):
            table.add_row(*row)
    Console().print(table)


def _list_settings(name: str) -> list[tuple[str, str, str]]:
    from qrnn_qiskit.tasks.registry import get_task
    from qrnn_qiskit.training.schema import config_class, list_keys

    task = get_task(name)
    rows, defaults = [], task.choose_defaults({})
    for key, field in list_keys(config_class(task.Settings)).items():
        if key == "task":
            continue
        default = defaults.get(key, field.get_default(call_default_factory=True))
        required = field.is_required() and key not in defaults
        shown = "(required)" if required else "none" if default is None else str(default)
        rows.append((key, shown, field.description or ""))
    return rows

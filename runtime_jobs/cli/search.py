"""``qrnn search``: search for a circuit by accuracy and by cost on a device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circuits.errors import InvalidValueError
from runtime_jobs.cli.failures import RunInterrupted
from runtime_jobs.cli.options import parse_count, split_setting

if TYPE_CHECKING:
    from runtime_jobs.search.trials import Search, Trial

__all__ = ["EXAMPLES", "search"]

EXAMPLES = """\b
Examples:
  qrnn search digits --trials 20 --set epochs=10
  qrnn search digits --trials 40 --set epochs=10       continues to 40 trials
  qrnn search santa-fe --on brussels --set ansatz=linear --set parameters=1200
Every trial is a run folder below DIR/runs that 'qrnn evaluate' and 'qrnn plan' accept.
"""


def search(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task that 'qrnn tasks' lists.")],
    trials: Annotated[
        int,
        typer.Option(
            metavar="N",
            parser=parse_count,
            help="Number of circuits in total, earlier ones included.",
        ),
    ] = 20,
    on: Annotated[
        str,
        typer.Option(
            "--on",
            metavar="DEVICE",
            help="Device to compile for, a snapshot that 'qrnn devices' lists.",
        ),
    ] = "kingston",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the search; searches/TASK by default."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set a configuration key of all trials; it is then not searched. Repeatable.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", parser=parse_count, help="Seed of the search sampler.")
    ] = 0,
) -> None:
    """Search for an accurate and cheap circuit.

    The search varies ansatz, layers, entangler, rotations and observables. Each trial is trained,
    validated, and compiled for the device. The command ends with the Pareto front, the circuits
    that no other one beats in accuracy with fewer two-qubit gates or a shorter duration, and with a
    picture. After an interruption, the same command continues the search.
    """
    if trials < 1:
        raise typer.BadParameter(f"expected --trials of at least 1, got {trials}")
    overrides = dict(split_setting(setting) for setting in settings or [])
    from runtime_jobs.hardware.snapshots import open_target

    target = open_target(on)
    try:
        from runtime_jobs.search.trials import Search

        found = Search(task, out or Path("searches") / task, overrides, on, target, seed)
    except ImportError as error:
        raise InvalidValueError(
            "the search needs Optuna: run pip install '.[search]' in a clone of this project"
        ) from error
    try:
        found.run(trials, lambda trial, done: _note(trial, done, trials))
    except KeyboardInterrupt as error:
        raise RunInterrupted("stopped; the same command continues the search") from error
    _print_front(found)


def _note(trial: Trial, done: int, trials: int) -> None:
    value = "diverged" if trial.metric is None else f"{trial.metric:.4f}"
    chosen = " ".join(map(str, trial.settings.values()))
    typer.echo(
        f"{done}/{trials} {chosen}: {value}, {trial.two_qubit_gates} two-qubit gates, "
        f"{trial.seconds * 1e6:.1f} us",
        err=True,
    )


def _print_front(search: Search) -> None:
    from runtime_jobs.cli.console import make_table, open_console
    from runtime_jobs.search.report import write_report
    from runtime_jobs.search.trials import find_front

    task, trials = search.problem, search.list_trials()
    fronts = [
        find_front(trials, cost, task.higher_is_better) for cost in ("two_qubit_gates", "seconds")
    ]
    keys = [key.removeprefix("model.") for key in search.space]
    table = make_table(*keys, task.headline, "two-qubit gates", "duration (us)", "run")
    for trial in sorted(
        {trial.run: trial for front in fronts for trial in front}.values(),
        key=lambda trial: trial.two_qubit_gates,
    ):
        chosen = [str(trial.settings[key]) for key in search.space]
        costs = [str(trial.two_qubit_gates), f"{trial.seconds * 1e6:.1f}"]
        table.add_row(*chosen, f"{trial.metric:.4f}", *costs, str(search.out / trial.run))
    open_console().print(table)
    for path in write_report(
        search.out, trials, task.headline, task.higher_is_better, search.device
    ):
        typer.echo(f"written: {path}")

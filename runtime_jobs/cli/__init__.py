"""The command line ``qrnn``.

Each command has its own module. Modules import torch, Qiskit and the packages that need them only
inside their commands, so that ``qrnn --help`` answers at once.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from runtime_jobs.cli import (
    account,
    cancel,
    collect,
    compare,
    devices,
    evaluate,
    jobs,
    plan,
    predict,
    resume,
    search,
    show,
    submit,
    table,
    tasks,
    train,
)
from runtime_jobs.cli.failures import ExitCode, report_failure
from runtime_jobs.cli.notes import print_notes
from runtime_jobs.cli.version import print_versions

__all__ = ["app", "main", "run"]

app = typer.Typer(
    name="qrnn",
    invoke_without_command=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS = (
    *(tasks, devices, train, evaluate, predict, resume, show, compare, table, search),
    *(account, plan, submit, jobs, collect, cancel),
)
# Commands that load torch or Qiskit, which takes seconds.
_SLOW = {
    *("train", "evaluate", "predict", "resume", "show", "compare", "table", "search"),
    *("devices", "plan", "submit", "collect", "cancel"),
}
for command in _COMMANDS:
    app.command(epilog=command.EXAMPLES)(getattr(command, command.__name__.rpartition(".")[2]))


@app.callback(
    epilog="\b\nStart here:\n"
    "  qrnn tasks                        list the tasks\n"
    "  qrnn train digits --out runs/a    train one, print its metrics, draw pictures (1 minute)\n"
    "  qrnn evaluate runs/a              evaluate it again on the test sequences\n"
    "  qrnn evaluate example:digits      evaluate the trained model that ships with qrnn\n"
    "\b\nExit codes: " + ", ".join(f"{code.value} {code.label}" for code in ExitCode) + "."
)
def describe(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the versions that a bug report needs.",
            callback=print_versions,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Train recurrent networks whose hidden state is a state of qubits, and run them on devices."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; a failure is printed to standard error."""
    if sys.stderr.isatty() and arguments and arguments[0] in _SLOW and "--help" not in arguments:
        typer.echo(f"qrnn {arguments[0]}: loading torch and Qiskit ...", err=True)
    try:
        with print_notes():
            code = app(list(arguments), prog_name="qrnn", standalone_mode=False)
    except Exception as error:  # noqa: BLE001  the last handler: it prints everything
        return report_failure(error)
    return code if isinstance(code, int) else ExitCode.DONE


def main() -> None:
    """Run the program ``qrnn``."""
    # A terminal of another encoding has no ±, and a path may hold bytes that are not UTF-8.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None, or another object, in other programs
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    sys.exit(code)

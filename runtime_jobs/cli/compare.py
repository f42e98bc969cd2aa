"""``qrnn compare``: runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from runtime_jobs.cli.options import find_folder

__all__ = ["EXAMPLES", "compare"]

EXAMPLES = """\b
Examples:
  qrnn compare runs/a runs/b
  qrnn compare runs/* --picture curves.png
"""


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", parser=find_folder, help="The folders of the runs."),
    ],
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw the validation by epoch to this file, such as .png."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON list instead of the table.")
    ] = False,
) -> None:
    """Compare runs: the settings that differ, and their results.

    Folders without a run are left out with a note.
    """
    from qrnn_qiskit.tables.comparison import compare as put_side_by_side
    from runtime_jobs.cli.console import open_console

    found = [folder for folder in folders if (folder / "config.toml").exists()]
    for folder in folders:
        if folder not in found:
            typer.echo(f"{folder} holds no run and is left out", err=True)
    comparison = put_side_by_side(found)
    if picture is not None:
        comparison.draw().savefig(picture, dpi=150)
        typer.echo(f"picture: {picture}", err=True)
    if as_json:
        typer.echo(json.dumps(comparison.to_records(), allow_nan=False))
        return
    shown = comparison.describe()
    open_console().print(shown.make_table())
    typer.echo("\n".join(shown.notes))

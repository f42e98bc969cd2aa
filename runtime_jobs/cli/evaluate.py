"""``qrnn evaluate``: evaluate a trained run on its test sequences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from runtime_jobs.cli.options import Devices, RunPath, parse_count, print_layout
from runtime_jobs.runs.evaluating import evaluate_each

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from qrnn_qiskit.training.deviations import Deviations
    from qrnn_qiskit.training.evaluation import Evaluation

__all__ = ["EXAMPLES", "evaluate"]

EXAMPLES = """\b
Examples:
  qrnn evaluate runs/a
  qrnn evaluate example:digits --on 'aer:kingston?shots=4096' --sequences 50
  qrnn evaluate runs/a --sequences 50 --json
  qrnn evaluate runs/a --on 'aer?shots=4096'
  qrnn evaluate runs/a --on 'aer:kingston?mitigation=readout' --shots 4096 --sequences 200
  qrnn evaluate runs/a --on 'simulator:kingston?noise=0,1,3' --on 'simulator:fez?noise=1,3'
"""


def evaluate(
    folder: RunPath,
    on: Devices = None,
    shots: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=parse_count, help="Shots per circuit; the device then samples."
        ),
    ] = None,
    sequences: Annotated[
        int | None,
        typer.Option(metavar="N", parser=parse_count, help="Use only the first N test sequences."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print JSON instead of the table: an object, or a list for several."
        ),
    ] = False,
) -> None:
    """Evaluate a run on its test sequences.

    Runs on the simulator or, with --on, on a noisy device. Uses the weights with the best
    validation score. Prints the metrics with their standard errors, proportions with intervals of
    95 %, and writes readouts and predictions to DIR/evaluations, an identical result only once.

    With several devices, or several factors as in noise=0,1,3, it prints one table, and draws all
    results of the run against noise in DIR/pictures/noise.png, with the numbers in DIR/noise.csv.
    """
    found = []
    for executor, evaluation in evaluate_each(folder, on or ["simulator"], shots, sequences):
        print_layout(executor)
        found.append(evaluation)
    if as_json:
        values = [evaluation.to_dict() for evaluation in found]
        typer.echo(json.dumps(values if len(values) > 1 else values[0], allow_nan=False))
    elif len(found) > 1:
        _print_several(found)
    else:
        _print_one(folder, found[0])
    if len(found) > 1:
        _draw_sweep(folder, found[0].sequences)


def _print_several(found: Sequence[Evaluation]) -> None:
    from runtime_jobs.cli.console import open_console
    from runtime_jobs.runs.evaluations import Evaluations

    open_console().print(Evaluations(found).describe().make_table())


def _draw_sweep(folder: Path, sequences: int) -> None:
    """Write the results of the run against noise, where there are some; print the paths."""
    from qrnn_qiskit.pictures import save_pictures
    from runtime_jobs.report.sweep import find_sweep
    from runtime_jobs.runs.opening import open_run

    run = open_run(folder)
    sweep = find_sweep(run, sequences)
    if sweep is None:
        return
    table = run.path / "noise.csv"
    sweep.write(table)
    (picture,) = save_pictures(run, [sweep.draw()])
    typer.echo(f"against noise: {picture}, {table}", err=True)


def _print_one(folder: Path, evaluation: Evaluation) -> None:
    from rich.console import Console

    Console().print(evaluation.describe().make_table())
    if evaluation.deviations is not None:
        typer.echo(_describe(evaluation.deviations))
    typer.echo(
        f"on {evaluation.device} in {evaluation.seconds:.1f} s; details: {folder / 'evaluations'}"
    )


def _describe(deviations: Deviations) -> str:
    """Describe the root mean square of the errors of the readouts, and the drift step by step."""
    size = sum(value**2 for value in deviations.residuals) / len(deviations.residuals)
    spread = "" if deviations.spread is None else f", {deviations.spread:.3f} standard errors"
    text = (
        f"error of the readouts (RMS) at the angles that were run: {size**0.5:.1e}{spread} "
        f"({deviations.readouts} readouts)"
    )
    if not any(deviations.drift):  # without feedback the angles are those of the simulator
        return text
    drift = " ".join(f"{value:.1e}" for value in deviations.drift)
    return f"{text}\ndrift from the noiseless trajectory (RMS), step by step: {drift}"

"""``qrnn evaluate``: evaluate a trained run on its test sequences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from runtime_jobs.cli.options import (
    Devices,
    RunPath,
    open_local_device,
    open_trained_run,
    parse_count,
    print_layout,
)
from runtime_jobs.device_names import expand_device_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qrnn_qiskit.training.deviations import Deviations
    from qrnn_qiskit.training.evaluation import Evaluation
    from qrnn_qiskit.training.run_folder import RunFolder

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
    names = expand_device_names(on or ["simulator"])
    executors = [open_local_device(name, shots=shots) for name in names]
    run = open_trained_run(folder)
    from qrnn_qiskit.training.evaluation import evaluate as measure
    from qrnn_qiskit.training.loading import load_run

    trained = load_run(run)
    evaluations = []
    for executor in executors:
        evaluations.append(
            measure(run, sequences=sequences, executor=executor, progress=True, trained=trained)
        )
        print_layout(executor)
    if as_json:
        found = [evaluation.to_dict() for evaluation in evaluations]
        typer.echo(json.dumps(found if len(found) > 1 else found[0], allow_nan=False))
    elif len(evaluations) > 1:
        _print_several(evaluations)
    else:
        _print_one(run, evaluations[0])
    if len(evaluations) > 1:
        _draw_sweep(run, evaluations[0].sequences)


def _print_several(evaluations: Sequence[Evaluation]) -> None:
    from runtime_jobs.cli.console import make_table, open_console
    from runtime_jobs.formatting import format_estimate

    metrics = list(dict.fromkeys(name for e in evaluations for name in e.metrics))
    table = make_table("device", *metrics, "s")
    for each in evaluations:
        cells = [format_estimate(each.metrics[m]) if m in each.metrics else "" for m in metrics]
        table.add_row(each.device, *cells, f"{each.seconds:.1f}")
    open_console().print(table)
    typer.echo(f"{evaluations[0].task}: {evaluations[0].sequences} test sequences")


def _draw_sweep(run: RunFolder, sequences: int) -> None:
    """Write the results of the run against noise, where there are some; print the paths."""
    from qrnn_qiskit.pictures import save_pictures
    from runtime_jobs.report.sweep import find_sweep

    sweep = find_sweep(run, sequences)
    if sweep is None:
        return
    table = run.path / "noise.csv"
    sweep.write(table)
    (picture,) = save_pictures(run, [sweep.draw()])
    typer.echo(f"against noise: {picture}, {table}", err=True)


def _print_one(run: RunFolder, evaluation: Evaluation) -> None:
    from rich.console import Console

    from runtime_jobs.cli.console import tabulate_evaluation

    Console().print(tabulate_evaluation(evaluation))
    if evaluation.deviations is not None:
        typer.echo(_describe(evaluation.deviations))
    typer.echo(f"on {evaluation.device} in {evaluation.seconds:.1f} s; details: {run.evaluations}")


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

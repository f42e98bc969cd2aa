"""``qrnn evaluate``: evaluate a trained run on its test sequences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from runtime_jobs.cli.options import Device, RunPath, parse_count, print_layout
from runtime_jobs.runs.evaluating import evaluate_each

if TYPE_CHECKING:
    from qrnn_qiskit.training.deviations import Deviations

__all__ = ["EXAMPLES", "evaluate"]

EXAMPLES = """\b
Examples:
  qrnn evaluate runs/a
  qrnn evaluate example:digits --on 'aer:kingston?shots=4096' --sequences 50
  qrnn evaluate runs/a --sequences 50 --json
  qrnn evaluate runs/a --on 'aer?shots=4096'
  qrnn evaluate runs/a --on 'aer:kingston?mitigation=readout' --shots 4096 --sequences 200
"""


def evaluate(
    folder: RunPath,
    on: Device = "simulator",
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
        bool, typer.Option("--json", help="Print one JSON object instead of the table.")
    ] = False,
) -> None:
    """Evaluate a run on its test sequences.

    Runs on the simulator or, with --on, on a noisy device. Uses the weights with the best
    validation score. Prints the metrics with their standard errors, proportions with intervals of
    95 %, and writes readouts and predictions to DIR/evaluations, an identical result only once.
    """
    ((executor, evaluation),) = evaluate_each(folder, [on], shots, sequences)
    from rich.console import Console

    print_layout(executor)
    if as_json:
        typer.echo(json.dumps(evaluation.to_dict(), allow_nan=False))
        return
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

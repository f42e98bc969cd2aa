"""``qrnn train TASK --find-rates``: a learning rate for each part of a model."""

from __future__ import annotations

import typer

from qrnn_qiskit.training.experiment import prepare
from qrnn_qiskit.training.progress import EvaluationProgress, is_watched
from qrnn_qiskit.training.rate_finder import NUM_STEPS, PARTS, find_rates
from qrnn_qiskit.training.schema import Config
from runtime_jobs.cli.console import make_table, open_console

__all__ = ["print_rates"]

NAMES = {"head": "head and embedding", "controller": "recurrent model", "bias": "angle biases"}


def print_rates(config: Config) -> None:
    """Print what growing learning rates do to each part, and the settings that follow."""
    experiment = prepare(config)
    steps: list[int] = []
    total = NUM_STEPS * len(PARTS)
    with EvaluationProgress("steps", total, lambda: len(steps), enabled=is_watched()):
        curves = find_rates(experiment, show_step=lambda part, step, loss: steps.append(step))
    table = make_table("part", "loss at first", "lowest loss", "at a rate of", "suggested rate")
    for curve in curves:
        best = curve.lowest
        numbers = (curve.losses[0], curve.losses[best], curve.rates[best], curve.suggested)
        table.add_row(NAMES[curve.part], *(f"{number:.3g}" for number in numbers))
    open_console().print(table)
    highest = max(curve.suggested for curve in curves)
    factors = [f"train.rates.{curve.part}={curve.suggested / highest:.2g}" for curve in curves]
    settings = [f"train.learning_rate={highest:.2g}", *factors]
    typer.echo(" ".join(f"--set {setting}" for setting in settings))

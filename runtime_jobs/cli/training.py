"""What ``qrnn train`` and ``qrnn resume`` have in common: training to the end, then the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import typer
from rich.console import Console

from qrnn_qiskit.executors import Executor
from qrnn_qiskit.pictures import draw_run
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.interruption import TrainingInterrupted
from runtime_jobs.cli.failures import RunInterrupted
from runtime_jobs.cli.options import tell_layout
from runtime_jobs.cli.tables import format_estimate, make_table

if TYPE_CHECKING:
    from qrnn_qiskit.training.evaluation import Evaluation
    from qrnn_qiskit.training.run_folder import RunFolder
    from qrnn_qiskit.training.trainer import TrainingResult

__all__ = ["finish_run"]


class Fit(Protocol):
    """``qrnn_qiskit.training.trainer.train`` or ``resume``."""

    def __call__(self, run: RunFolder, *, executor: Executor | None) -> TrainingResult: ...


def finish_run(run: RunFolder, fit: Fit, executor: Executor | None) -> None:
    """Train to the end, measure the best weights on the test sequences, draw, and print it all.

    Raises:
        RunInterrupted: SIGINT came; says how to go on.
    """
    try:
        result = fit(run, executor=executor)
    except TrainingInterrupted as error:
        raise RunInterrupted(str(error)) from error
    evaluation = evaluate(run, executor=executor)
    if executor is not None:
        tell_layout(executor)
    pictures = draw_run(run.path)
    seconds = sum(row["seconds"] for row in run.read_metrics())
    Console().print(_tabulate(result, evaluation))
    stopped = ", stopped early" if result.stopped_early else ""
    typer.echo(
        f"{run.path}: weights of epoch {result.best_epoch}, the best by validation of "
        f"{result.epochs} epochs in {seconds:.0f} s{stopped}"
    )
    for picture in pictures:
        typer.echo(f"picture: {picture}")


def _tabulate(result: TrainingResult, evaluation: Evaluation) -> object:
    table = make_table(evaluation.task, "validation", f"test ({evaluation.sequences} sequences)")
    for name, estimate in evaluation.metrics.items():
        known = result.validation.get(name)  # scores as BLEU are those of an evaluation alone
        table.add_row(name, "" if known is None else f"{known:.4f}", format_estimate(estimate))
    return table

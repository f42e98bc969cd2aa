"""The common end of ``qrnn train`` and ``qrnn resume``: train, evaluate, draw, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer
from rich.console import Console

from qrnn_qiskit.executors import Executor, SimulatorExecutor
from qrnn_qiskit.training.evaluation import evaluate, find_evaluation
from qrnn_qiskit.training.interruption import TrainingInterrupted
from qrnn_qiskit.training.loading import load_run
from qrnn_qiskit.training.presentation import format_estimate
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.trainer import find_result, hold_run
from runtime_jobs.cli.console import make_table
from runtime_jobs.cli.failures import RunInterrupted
from runtime_jobs.cli.options import print_layout
from runtime_jobs.cli.show import draw_and_print

if TYPE_CHECKING:
    from qrnn_qiskit.training.evaluation import Evaluation
    from qrnn_qiskit.training.processes import Processes
    from qrnn_qiskit.training.run_folder import RunFolder
    from qrnn_qiskit.training.trainer import TrainingResult

__all__ = ["finish_run", "open_progress", "print_finished"]


class Fit(Protocol):
    """``qrnn_qiskit.training.trainer.train`` or ``resume``."""

    def __call__(
        self,
        run: RunFolder,
        *,
        executor: Executor | None,
        progress: TrainingProgress | None,
        processes: Processes,
    ) -> TrainingResult: ...


def open_progress(folder: Path, tensorboard: bool, processes: Processes) -> TrainingProgress | None:
    """Open a progress bar that also writes event files for TensorBoard.

    Returns None, which leaves the bar to the training, without ``tensorboard`` and in all processes
    but the first.
    """
    if not (tensorboard and processes.is_first):
        return None
    from qrnn_qiskit.training.tensorboard import TensorBoardProgress

    return TensorBoardProgress(folder)


def finish_run(
    run: RunFolder,
    fit: Fit,
    executor: Executor | None,
    progress: TrainingProgress | None,
    processes: Processes,
) -> None:
    """Train to the end, evaluate the best weights on the test sequences, draw and print.

    Of several processes, only the first does what follows the training.

    Raises:
        RunBusyError: Another process is writing to the run folder.
        RunInterrupted: The process received SIGINT; the message gives the command that resumes.
    """
    with hold_run(run, processes):
        try:
            result = fit(run, executor=executor, progress=progress, processes=processes)
        except TrainingInterrupted as error:
            raise RunInterrupted(str(error)) from error
        if not processes.is_first:
            return
        trained = load_run(run)
        evaluation = evaluate(run, executor=executor, progress=True, trained=trained)
        if executor is not None:
            print_layout(executor)
        _print_result(run, result, evaluation)
        draw_and_print(run, trained)


def print_finished(run: RunFolder, executor: Executor | None) -> bool:
    """Print the results of a finished and evaluated run; return False for any other run."""
    result = find_result(run)
    if result is None:
        return False
    evaluation = find_evaluation(run, (executor or SimulatorExecutor()).name)
    if evaluation is None:
        return False
    typer.echo(
        f"{run.path} is finished, nothing is left to train; 'qrnn evaluate {run.path}' evaluates "
        f"it again, 'qrnn show {run.path}' draws it",
        err=True,
    )
    _print_result(run, result, evaluation)
    return True


def _print_result(run: RunFolder, result: TrainingResult, evaluation: Evaluation) -> None:
    seconds = sum(row["seconds"] for row in run.read_metrics())
    Console().print(_tabulate(result, evaluation))
    stopped = ", stopped early" if result.stopped_early else ""
    typer.echo(
        f"{run.path}: weights of epoch {result.best_epoch}, the best by validation of "
        f"{result.epochs} epochs in {seconds:.0f} s{stopped}"
    )


def _tabulate(result: TrainingResult, evaluation: Evaluation) -> object:
    table = make_table(evaluation.task, "validation", f"test ({evaluation.sequences} sequences)")
    for name, estimate in evaluation.metrics.items():
        known = result.validation.get(name)  # an evaluation adds scores such as BLEU
        table.add_row(name, "" if known is None else f"{known:.4f}", format_estimate(estimate))
    return table

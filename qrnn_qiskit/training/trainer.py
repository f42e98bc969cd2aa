"""Training a run: from its beginning, and from its last checkpoint after a kill."""

from __future__ import annotations

from qrnn_qiskit.executors.protocol import Executor
from qrnn_qiskit.training.checkpoint import CheckpointError, read_checkpoint
from qrnn_qiskit.training.loop import Trainer, TrainingDiverged, TrainingResult
from qrnn_qiskit.training.position import Position
from qrnn_qiskit.training.processes import ALONE, Processes
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.run_folder import RunFolder, RunFolderError

__all__ = ["TrainingDiverged", "TrainingResult", "find_result", "resume", "train"]


def train(
    run: RunFolder,
    *,
    executor: Executor | None = None,
    progress: TrainingProgress | None = None,
    processes: Processes = ALONE,
) -> TrainingResult:
    """Train a new run to its end. The test split is never looked at.

    Args:
        run: a folder that ``create_run`` made.
        executor: where the circuits run; the simulator unless given. One that samples needs a
            ``gradient``.
        progress: the progress bar; None shows one where standard error is a terminal.
        processes: what :func:`~qrnn_qiskit.training.processes.join_processes` gives, where
            several share the batches; all of them call this function.

    Raises:
        TrainingInterrupted: SIGINT came; the checkpoint is written, ``resume`` goes on.
        TrainingDiverged: loss or gradients are NaN or infinite; says what to lower.
        ProcessLostError: one of several processes has died; ``resume`` goes on.
        GradientError: nobody has chosen a gradient for an executor that samples.
        RunFolderError: the run has begun already.
        ValueError: several processes on a device, or more of them than a batch has sequences.
    """
    if processes.is_first and run.checkpoint_file.exists():
        raise RunFolderError(
            f"{run.path} has begun training already; go on with it by 'qrnn resume {run.path}', "
            "or give another folder"
        )
    trainer = Trainer(run, executor, progress, processes)
    if processes.is_first:
        run.metrics_file.write_bytes(b"")
    trainer.save()
    return trainer.fit()


def resume(
    run: RunFolder,
    *,
    executor: Executor | None = None,
    progress: TrainingProgress | None = None,
    processes: Processes = ALONE,
) -> TrainingResult:
    """Go on with a run from its last checkpoint; a finished run returns its result again.

    On the simulator, and on a sampled device that was opened with a seed, the weights and metrics
    are those of a run that was never interrupted, to the last bit; with another number of
    processes than before, to rounding. Arguments and errors are those of :func:`train`, and
    CheckpointError for a checkpoint that is missing, cannot be used, or whose data has changed.
    """
    if not processes.tell(run.checkpoint_file.exists()):
        epochs = len(run.read_metrics())
        if epochs:
            raise CheckpointError(
                f"{run.checkpoint_file} is missing, and with it the weights of the {epochs} epochs "
                f"that {run.metrics_file.name} tells of; put it back, or train in a new folder"
            )
        # Stopped before the first checkpoint: nothing is lost.
        return train(run, executor=executor, progress=progress, processes=processes)
    checkpoint = read_checkpoint(run.checkpoint_file, run.config)
    trainer = Trainer(run, executor, progress, processes)
    trainer.restore(checkpoint)
    return trainer.fit()


def find_result(run: RunFolder) -> TrainingResult | None:
    """What :func:`resume` returns for a finished run, without its data; None for another one.

    Raises:
        CheckpointError: There is a checkpoint, and it cannot be used.
    """
    if not run.checkpoint_file.exists():
        return None
    position = Position(**read_checkpoint(run.checkpoint_file, run.config).position)
    rows = run.read_metrics()
    if not position.is_finished(run.config.train) or len(rows) < position.epoch:
        return None
    return TrainingResult.of(run, position, rows)

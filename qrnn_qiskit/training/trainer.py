"""Training of a run, from its beginning or from its last checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from qrnn_qiskit.executors.protocol import Executor
from qrnn_qiskit.training.checkpoint import CheckpointError, read_checkpoint, remove_leftovers
from qrnn_qiskit.training.lock import LockError, hold_lock
from qrnn_qiskit.training.loop import Trainer, TrainingDiverged
from qrnn_qiskit.training.position import Position
from qrnn_qiskit.training.processes import ALONE, Processes, ProcessLostError
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.result import TrainingResult
from qrnn_qiskit.training.run_folder import RunFolder, RunFolderError

__all__ = ["TrainingDiverged", "TrainingResult", "find_result", "hold_run", "resume", "train"]


@contextmanager
def hold_run(run: RunFolder, processes: Processes = ALONE) -> Iterator[None]:
    """Hold the lock of a run in the first process, on behalf of all that share the training.

    Raises:
        RunBusyError: Another process is writing to the run folder.
        ProcessLostError: In the other processes, with the message of the first one.
    """
    with ExitStack() as stack:
        reason = None
        try:
            if processes.is_first:
                stack.enter_context(hold_lock(run.path, nested=True))
        except LockError as error:
            reason = str(error)
            raise
        finally:
            reason = processes.tell(reason)
        if reason is not None:
            raise ProcessLostError(reason)
        yield


def train(
    run: RunFolder,
    *,
    executor: Executor | None = None,
    progress: TrainingProgress | None = None,
    processes: Processes = ALONE,
) -> TrainingResult:
    """Train a new run to its end, without using the test split.

    Args:
        run: A run that ``create_run`` made.
        executor: Where the circuits run; the simulator unless given. An executor that samples needs
            a ``gradient``.
        progress: The progress bar; None shows one where standard error is a terminal.
        processes: The processes that share the batches, from
            :func:`~qrnn_qiskit.training.processes.join_processes`; each of them calls this
            function.

    Raises:
        TrainingInterrupted: SIGINT was received; the checkpoint is written, and ``resume``
            continues.
        TrainingDiverged: Loss or gradients are NaN or infinite; the message names the settings to
            lower.
        ProcessLostError: One of several processes has died; ``resume`` continues.
        GradientError: The executor samples and has no ``gradient``.
        RunFolderError: The training of the run has already started.
        RunBusyError: Another process is writing to the run folder.
        ValueError: Several processes on a device, or more processes than sequences in a batch.
    """
    processes.check(run.config.train.batch_size, executor)  # before they talk to each other
    with hold_run(run, processes):
        if processes.is_first and run.checkpoint_file.exists():
            raise RunFolderError(
                f"the training of {run.path} has already started; continue with "
                f"'qrnn resume {run.path}', or give another folder"
            )
        trainer = Trainer(run, executor, progress, processes)
        if processes.is_first:
            remove_leftovers(run.checkpoint_file)
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
    """Continue a run from its last checkpoint; a finished run returns its result again.

    On the simulator, and on a sampled device that was opened with a seed, the weights and metrics
    equal those of an uninterrupted run to the last bit; with another number of processes than
    before, to rounding. The arguments are those of :func:`train`.

    Raises:
        CheckpointError: The checkpoint is missing or cannot be used, or the data has changed.
        Exception: The errors of :func:`train`.
    """
    with hold_run(run, processes):
        if not processes.tell(run.checkpoint_file.exists()):
            epochs = len(run.read_metrics())
            if epochs:
                raise CheckpointError(
                    f"{run.checkpoint_file} is missing, and with it the weights of the {epochs} "
                    f"epochs that {run.metrics_file.name} lists; restore it, or train in a new "
                    "folder"
                )
            # Stopped before the first checkpoint, so nothing is lost.
            return train(run, executor=executor, progress=progress, processes=processes)
        if processes.is_first:
            remove_leftovers(run.checkpoint_file)
        checkpoint = read_checkpoint(run.checkpoint_file, run.config)
        trainer = Trainer(run, executor, progress, processes)
        trainer.restore(checkpoint)
        return trainer.fit()


def find_result(run: RunFolder) -> TrainingResult | None:
    """Find the result of a finished run without reading its data; None for an unfinished run.

    Raises:
        CheckpointError: There is a checkpoint that cannot be used.
    """
    if not run.checkpoint_file.exists():
        return None
    position = Position(**read_checkpoint(run.checkpoint_file, run.config).position)
    rows = run.read_metrics()
    if not position.is_finished(run.config.train) or len(rows) < position.epoch:
        return None
    return TrainingResult.of(run, position, rows)

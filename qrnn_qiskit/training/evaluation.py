"""Evaluation of a trained run on its test sequences, on the simulator or on a device.

Its result is an :class:`~qrnn_qiskit.training.evaluation_result.Evaluation`; its files are written
and found by :mod:`~qrnn_qiskit.training.evaluation_files`. Both can be imported from here.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from circuits.errors import InvalidValueError
from qrnn_qiskit.executors.protocol import Executor
from qrnn_qiskit.executors.simulator import SimulatorExecutor
from qrnn_qiskit.metrics import MeanAndError, estimate_interval
from qrnn_qiskit.tasks.base import Sequences, Task
from qrnn_qiskit.training.deviations import Deviations, measure_deviations, read_exactly
from qrnn_qiskit.training.evaluation_files import find_evaluation, is_written, write_evaluation
from qrnn_qiskit.training.evaluation_result import Evaluation
from qrnn_qiskit.training.experiment import Experiment
from qrnn_qiskit.training.inference import (
    Inference,
    infer,
    order_batches,
    predict_new,
    predict_sequences,
    record_readouts,
)
from qrnn_qiskit.training.loading import TrainedModel, load_run
from qrnn_qiskit.training.lock import hold_lock
from qrnn_qiskit.training.progress import EvaluationProgress, is_watched
from qrnn_qiskit.training.provenance import describe_device
from qrnn_qiskit.training.run_folder import RunFolder

__all__ = ["Evaluation", "evaluate", "find_evaluation", "list_metrics", "select_test"]

# Numbers in the output of all sequences, 512 MB in float32; 10,000 sequences of 784 steps with 240
# readouts would be 7.5 GB, and twice that while they are joined.
MOST_OUTPUT = 2**27


def evaluate(
    run: RunFolder,
    *,
    sequences: int | None = None,
    executor: Executor | None = None,
    weights: str = "best",
    batch_size: int | None = None,
    progress: bool = False,
    trained: TrainedModel | None = None,
) -> Evaluation:
    """Evaluate a run on the first test sequences and write the results to its ``evaluations``.

    Three files are written there under the next free number, unless an identical evaluation is
    there: the same exact device, weights, checkpoint, sequences and metrics. They are .json (the
    result and its provenance), .csv (the task's table of predictions) and .npz (prediction,
    readouts and output of each sequence, with standard errors where they were sampled, but no
    output of the simulator that takes more than ``MOST_OUTPUT`` numbers; for a
    replaying device also its angles, the exact readouts at these angles, and the readouts of the
    noiseless trajectory).

    The data is read only where neither the run nor ``trained`` has it in memory.

    Args:
        run: A run with at least one finished epoch.
        sequences: Number of test sequences, the first ones; all of them unless given.
        executor: Where the circuits run; unless given, the executor of ``trained``, or the
            simulator.
        weights: "best" by validation, or "last"; those of ``trained`` where it is given.
        batch_size: Sequences per batch; ``train.evaluation_batch_size`` unless given. On a service
            a single batch takes the fewest jobs.
        progress: Whether to show a bar where standard error is a terminal.
        trained: The run's model where it is loaded already, whose weights are then evaluated;
            loaded from the run unless given.

    Raises:
        ValueError: ``sequences`` is not between 1 and the number of test sequences.
        CheckpointError: The checkpoint cannot be used, or the data has changed since training.
        RunBusyError: Another process is writing to the run folder.
    """
    with hold_lock(run.path, nested=True):
        trained = trained or load_run(run, weights)
        before = trained.qrnn.executor
        if executor is not None:
            trained.qrnn.executor = executor
        try:
            return _evaluate(run, trained, sequences, batch_size, progress)
        finally:
            trained.qrnn.executor = before  # the caller's model stays where it was


def _evaluate(
    run: RunFolder,
    trained: TrainedModel,
    sequences: int | None,
    batch_size: int | None,
    progress: bool,
) -> Evaluation:
    chosen = select_test(trained, sequences)
    size = batch_size or trained.config.train.evaluation_batch_size
    task, model, device = trained.task, trained.model, trained.qrnn.executor
    before, start = replace(device.counts), time.monotonic()
    finished = [0]
    with (
        record_readouts(model, keeps_output=_fits(trained, chosen)) as record,
        _open_bar(trained, chosen, size, finished, progress and is_watched()),
    ):
        inference = infer(task, model, chosen, size, note=finished.append)
    prediction = predict_new(model, chosen, size, inference)
    seconds = time.monotonic() - start
    estimates = _estimate(task, trained.splits.train, chosen, inference, prediction)
    arrays = {"prediction": prediction} | record.join(order_batches(chosen, size))
    evaluation = Evaluation(
        task=trained.config.task,
        device=device.name,
        sequences=len(chosen),
        shots=device.shots,
        seed=trained.config.seed,
        metrics=_describe(task, estimates, len(chosen)),
        seconds=seconds,
        jobs=device.counts.jobs - before.jobs,
        qpu_seconds=device.counts.qpu_seconds - before.qpu_seconds,
        deviations=_compare_exactly(trained, chosen, arrays),
    )
    ran = {
        "device": describe_device(device, before),
        "checkpoint_sha256": trained.checkpoint_sha256,
    }
    if not is_written(run, trained, evaluation):
        write_evaluation(run, trained, evaluation, chosen, arrays, ran)
    return evaluation


def _fits(trained: TrainedModel, chosen: Sequences) -> bool:
    """Return whether the output of all steps is kept: always on a device, where it was measured."""
    if not isinstance(trained.qrnn.executor, SimulatorExecutor):
        return True
    return len(chosen) * chosen.inputs.shape[1] * trained.qrnn.readout_size <= MOST_OUTPUT


def list_metrics(experiment: Experiment) -> list[str]:
    """List the names of the metrics of an evaluation, found by evaluating one test sequence."""
    task, model = experiment.task, experiment.model
    first = experiment.splits.test.select(slice(1))
    inference = infer(task, model, first, 1)
    prediction = predict_new(model, first, 1, inference)
    return list(_estimate(task, experiment.splits.train, first, inference, prediction))


def _estimate(
    task: Task, train: Sequences, sequences: Sequences, inference: Inference, prediction: Tensor
) -> dict[str, MeanAndError]:
    """Compute all metrics: of the ``inference``, scores of the ``prediction``, and floors."""
    return (
        task.summarize(inference.values)
        | task.score(prediction, sequences)
        | task.measure_floors(train, sequences)
    )


def _describe(
    task: Task, estimates: dict[str, MeanAndError], sequences: int
) -> dict[str, dict[str, Any]]:
    """Return the metrics as plain JSON values, proportions with their intervals."""
    described: dict[str, dict[str, Any]] = {}
    for name, estimate in estimates.items():
        described[name] = estimate._asdict()
        if name in task.proportions:
            described[name]["interval"] = list(estimate_interval(estimate.value, sequences))
    return described


def _open_bar(
    trained: TrainedModel, chosen: Sequences, batch_size: int, finished: list[int], enabled: bool
) -> EvaluationProgress:
    """Open a bar over the jobs of a device, or over the batches, of which the last are finished."""
    steps = torch.full((len(chosen),), chosen.inputs.shape[1])
    batches = torch.split(steps if chosen.lengths is None else chosen.lengths, batch_size)
    device, jobs = trained.qrnn.executor, len(batches)
    if isinstance(device, SimulatorExecutor):
        return EvaluationProgress("batches", jobs, lambda: finished[-1], enabled)
    if trained.qrnn.mode.waits_between_steps:
        jobs = sum(int(lengths.max()) for lengths in batches)
    before = device.counts.jobs
    return EvaluationProgress("jobs", jobs, lambda: device.counts.jobs - before, enabled)


def _compare_exactly(
    trained: TrainedModel, chosen: Sequences, arrays: dict[str, Tensor]
) -> Deviations | None:
    """Compare a replaying device with exact values, which are added to ``arrays``."""
    if chosen.continued:  # the recorded angles start before the sequence
        arrays.pop("angles", None)
    if "angles" not in arrays:
        return None
    arrays |= _read_exactly(trained, chosen, arrays["angles"])
    return measure_deviations(
        arrays["output"],
        arrays["exact_output"],
        arrays["noiseless_output"],
        arrays.get("output_standard_errors"),
        chosen.lengths,
    )


def _read_exactly(trained: TrainedModel, chosen: Sequences, angles: Tensor) -> dict[str, Tensor]:
    """Compute exact outputs at the angles that a device ran, and those of the noiseless trajectory.

    In measured mode they are equal: the outcomes on a device do not change the angles.
    """
    batch_size = trained.config.train.evaluation_batch_size
    device = trained.qrnn.executor
    trained.qrnn.executor = SimulatorExecutor()
    with record_readouts(trained.model) as record:
        predict_sequences(trained.model, chosen, batch_size)
    trained.qrnn.executor = device
    noiseless = record.join()["output"]
    exact = noiseless
    if trained.qrnn.mode.replays:
        parts = torch.split(angles, batch_size)
        exact = torch.cat([read_exactly(trained.qrnn, part) for part in parts])
    return {"exact_output": exact, "noiseless_output": noiseless}


def select_test(trained: TrainedModel, sequences: int | None = None) -> Sequences:
    """Select the first test sequences of a run, all of them unless a number is given.

    Raises:
        ValueError: There are fewer test sequences.
        CheckpointError: The data has changed since training.
    """
    test = trained.splits.test
    if sequences is None:
        return test
    if not 1 <= sequences <= len(test):
        raise InvalidValueError(
            f"expected a number of test sequences from 1 to {len(test)}, the size of the test "
            f"split, got {sequences}"
        )
    return test.select(slice(sequences))

"""The plan of a trained run: its sequences, the qubits for it, and its rounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.transpiler import Target

from circuits.validation import require_count
from qrnn_qiskit.gradients import GradientMethod
from qrnn_qiskit.loading import TrainedModel
from qrnn_qiskit.tasks.base import Sequences
from qrnn_qiskit.training.evaluation import select_test
from qrnn_qiskit.training.experiment import load_splits
from runtime_jobs.compilation import Chip, choose_chip
from runtime_jobs.plan.costs import Plan, make_plan
from runtime_jobs.plan.limits import JobLimits
from runtime_jobs.plan.rounds import Round, list_rounds, longest_circuit

__all__ = ["Work", "find_work"]


@dataclass(frozen=True)
class Work:
    """Sequences of a run that are to pass through a device.

    Attributes:
        trained: the model.
        chip: the device's qubits for it.
        ends: (B,) valid steps of each sequence.
    """

    trained: TrainedModel
    chip: Chip
    ends: NDArray[np.int64]

    def plan(
        self,
        shots: int,
        *,
        train_steps: int = 0,
        gradient: GradientMethod | None = None,
        price_per_second: float = 1.60,
        currency: str = "USD",
        limits: JobLimits | None = None,
    ) -> Plan:
        """The plan of one inference, or of ``train_steps`` steps of training by ``gradient``.

        Raises:
            LimitError: a circuit that no job takes.
        """
        rounds: list[Round] = list_rounds(self.trained.qrnn, self.chip, self.ends, gradient)
        return make_plan(
            self.chip,
            [rounds] * (train_steps or 1),
            sequences=len(self.ends),
            shots=shots,
            price_per_second=price_per_second,
            currency=currency,
            limits=limits,
        )


def find_work(
    trained: TrainedModel, name: str, target: Target, sequences: int | None, training: bool
) -> Work:
    """The first test sequences, or a batch of training sequences, on the best qubits of a device.

    Args:
        trained: the model.
        name: of the device.
        target: of the device.
        sequences: how many; all test sequences, or ``train.batch_size``, unless given.
        training: whether they are a batch of training.

    Raises:
        ValueError: there are not so many sequences, the task has none that stand for themselves,
            or the model has no circuits for a device.
        DeviceError: the device has too few qubits.
    """
    trained.qrnn.check_device(name)
    chosen = _take_batch(trained, sequences) if training else select_test(trained, sequences)
    if chosen.continued or trained.model.decodes:
        raise ValueError(
            f"the task {trained.config.task!r} goes on from sequence to sequence or from word to "
            "word, so that its jobs cannot be counted beforehand; evaluate it on a local device "
            "with 'qrnn evaluate DIR --on DEVICE'"
        )
    steps = chosen.inputs.shape[1]
    ends = np.full(len(chosen), steps) if chosen.lengths is None else chosen.lengths.numpy()
    circuit = longest_circuit(trained.qrnn, int(ends.max()))
    return Work(trained, choose_chip(name, target, circuit), ends)


def _take_batch(trained: TrainedModel, sequences: int | None) -> Sequences:
    train = load_splits(trained.task).train
    size = min(trained.config.train.batch_size, len(train))
    size = size if sequences is None else require_count("sequences", sequences)
    if size > len(train):
        raise ValueError(
            f"{size} sequences were asked for, and the training split has {len(train)}"
        )
    return train.select(slice(size))

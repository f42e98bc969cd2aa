"""The plan of a trained run: its sequences, the qubits for it, and its rounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import Target

from circuits.errors import InvalidValueError
from circuits.validation import require_count
from qrnn_qiskit.executors.gradient_methods import GradientMethod
from qrnn_qiskit.model import QRNN
from qrnn_qiskit.tasks.base import Sequences
from qrnn_qiskit.training.evaluation import select_test
from qrnn_qiskit.training.experiment import load_splits
from qrnn_qiskit.training.loading import TrainedModel
from runtime_jobs.hardware.job_limits import JobLimits
from runtime_jobs.hardware.packing import Packing, choose_packing
from runtime_jobs.plan.costs import Plan, make_plan
from runtime_jobs.plan.rounds import Round, list_rounds, longest_circuit

__all__ = ["Work", "find_work"]


@dataclass(frozen=True)
class Work:
    """Sequences of a run that are to pass through a device.

    Attributes:
        qrnn: the model.
        packing: the device's qubits for it.
        ends: (B,) valid steps of each sequence.
        spacing: between the patches of the packing.
    """

    qrnn: QRNN
    packing: Packing
    ends: NDArray[np.int64]
    spacing: int = 0

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
        rounds: list[Round] = list_rounds(self.qrnn, self.packing, self.ends, gradient)
        return make_plan(
            self.packing,
            [rounds] * (train_steps or 1),
            sequences=len(self.ends),
            shots=shots,
            price_per_second=price_per_second,
            currency=currency,
            limits=limits,
        )

    def in_mode(self, readout: str) -> Work:
        """The same sequences through the same ansatz, read out in another mode of the model.

        The circuits of the two modes differ, so the weights would too: it is another training.
        On as many patches, or on fewer where :meth:`pack_best` says so.
        """
        qrnn = QRNN(
            self.qrnn.input_size,
            self.qrnn.num_qubits,
            readout=readout,
            observables=self.qrnn.readout.observables,
            ansatz=self.qrnn.ansatz.circuit,
        )
        other = replace(self, qrnn=qrnn)
        asked = len(self.packing.patches)
        best = other.pack_best() if asked > 1 else other
        return other.repack(min(asked, len(best.packing.patches)))

    def repack(self, patches: int | None) -> Work:
        """The same work on another number of patches; None for as many as there are."""
        target = self.packing.target
        packing = choose_packing(
            self.packing.name, target, self._find_longest(), patches, self.spacing
        )
        return replace(self, packing=packing)

    def pack_best(self, gradient: GradientMethod | None = None) -> Work:
        """The same work on the fewest patches that need the fewest executions.

        More copies of a replay cost nothing but qubits. Those of a dynamic circuit wait for one
        another, so only so many are taken as let every qubit keep its coherence as the hardware
        rules recommend, or as a single copy does.
        """
        whole = self.repack(None)
        available = len(whole.packing.patches)
        counts = _list_counts(_count_groups(len(self.ends), gradient), available)
        if self.qrnn.measurement is None:
            return self.repack(counts[-1])
        best = self.repack(1)
        allowed = max(JobLimits().warned_coherence, best._share_coherence())
        for count in counts[1:]:
            packed = self.repack(count)
            if packed._share_coherence() > allowed:
                break
            best = packed
        return best

    def _find_longest(self) -> QuantumCircuit:
        return longest_circuit(self.qrnn, int(self.ends.max()))

    def _share_coherence(self) -> float:
        """How long the longest circuit is, in units of the least T1 or T2 of its qubits."""
        profile = self.packing.profile(self._find_longest(), len(self.packing.patches))
        return profile.seconds / self.packing.least_coherence()


def _count_groups(sequences: int, gradient: GradientMethod | None) -> float:
    """The rows that can be dealt one by one; infinite where shifts fill any number of patches."""
    if gradient is None:
        return sequences
    return sequences * (1 + gradient.num_directions) if gradient.num_directions else math.inf


def _list_counts(groups: float, available: int) -> list[int]:
    """Numbers of patches from 1 on of which none has a smaller one with as few executions."""
    if math.isinf(groups):
        return list(range(1, available + 1))
    fewest = {math.ceil(groups / math.ceil(groups / k)) for k in range(1, available + 1)}
    return sorted(fewest)


def find_work(
    trained: TrainedModel,
    name: str,
    target: Target,
    sequences: int | None,
    training: bool,
    *,
    patches: int = 1,
    spacing: int = 0,
) -> Work:
    """The first test sequences, or a batch of training sequences, on the best qubits of a device.

    Args:
        trained: the model.
        name: of the device.
        target: of the device.
        sequences: how many; all test sequences, or ``train.batch_size``, unless given.
        training: whether they are a batch of training.
        patches: so many sequences run side by side.
        spacing: between patches, see :func:`runtime_jobs.hardware.patches.choose_patches`.

    Raises:
        ValueError: there are not so many sequences, the task has none that stand for themselves,
            or the model has no circuits for a device.
        DeviceError: the device has too few qubits, or too few patches.
    """
    trained.qrnn.check_device(name)
    chosen = _take_batch(trained, sequences) if training else select_test(trained, sequences)
    if chosen.continued or trained.model.decodes:
        raise InvalidValueError(
            f"the task {trained.config.task!r} goes on from sequence to sequence or from word to "
            "word, so that its jobs cannot be counted beforehand; evaluate it on a local device "
            "with 'qrnn evaluate DIR --on DEVICE'"
        )
    steps = chosen.inputs.shape[1]
    ends = np.full(len(chosen), steps) if chosen.lengths is None else chosen.lengths.numpy()
    circuit = longest_circuit(trained.qrnn, int(ends.max()))
    packing = choose_packing(name, target, circuit, patches, spacing)
    return Work(trained.qrnn, packing, ends, spacing)


def _take_batch(trained: TrainedModel, sequences: int | None) -> Sequences:
    train = load_splits(trained.task).train
    size = min(trained.config.train.batch_size, len(train))
    size = size if sequences is None else require_count("sequences", sequences)
    if size > len(train):
        raise InvalidValueError(
            f"{size} sequences were asked for, and the training split has {len(train)}"
        )
    return train.select(slice(size))

"""The work of a trained run on a device: its sequences, its qubits and its plan."""

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
from qrnn_qiskit.training.loading import TrainedModel
from runtime_jobs.estimation.mitigation import Mitigation
from runtime_jobs.hardware.calibration import TrainedLayout
from runtime_jobs.hardware.job_limits import JobLimits
from runtime_jobs.hardware.packing import Packing, choose_packing
from runtime_jobs.hardware.repetition import Delays
from runtime_jobs.pricing.costs import Plan, make_plan
from runtime_jobs.pricing.overhead import estimate_overhead
from runtime_jobs.pricing.registers import place_registers
from runtime_jobs.pricing.rounds import Round, list_rounds, longest_circuit

__all__ = ["Work", "find_work"]


@dataclass(frozen=True)
class Work:
    """Sequences of a run to be processed by a device.

    Attributes:
        qrnn: The model.
        packing: The qubits of the device.
        ends: (B,) number of valid steps of each sequence.
        spacing: Spacing between the patches of the packing.
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
        rep_delay: float | None = None,
        delays: Delays | None = None,
        mitigation: Mitigation | None = None,
    ) -> Plan:
        """Plan one inference, or ``train_steps`` training steps by ``gradient``.

        Args:
            shots: Shots per circuit.
            train_steps: Number of training steps; 0 for inference.
            gradient: Gradient method of the training; None for inference.
            price_per_second: Price of a second of QPU time.
            currency: Currency of that price.
            limits: Limits of the service on one job.
            rep_delay, delays: See :func:`runtime_jobs.pricing.costs.make_plan`.
            mitigation: Error mitigation of dynamic circuits.

        Raises:
            LimitError: A circuit exceeds the limits of a job.
            DeviceError: The device does not take the repetition delay.
        """
        rounds: list[Round] = list_rounds(
            self.qrnn, self.packing, self.ends, gradient, mitigation=mitigation, shots=shots
        )
        overhead = None
        if mitigation is not None and self.qrnn.measurement is not None:
            steps = int(self.ends.max())
            overhead = estimate_overhead(self.qrnn, self.packing, mitigation, steps, shots)
        # The readouts are calibrated once, before the first pass.
        is_calibrated = overhead is not None and mitigation is not None and mitigation.calibrates
        later = rounds[1:] if is_calibrated else rounds
        return make_plan(
            self.packing,
            [rounds, *[later] * ((train_steps or 1) - 1)],
            sequences=len(self.ends),
            shots=shots,
            price_per_second=price_per_second,
            currency=currency,
            limits=limits,
            rep_delay=rep_delay,
            delays=delays,
            registers=place_registers(self.qrnn.mode, self.packing),
            overhead=overhead,
        )

    def in_mode(self, readout: str) -> Work:
        """Return the work of the same sequences and ansatz in another readout mode.

        The circuits of the two modes differ, so a model of the other mode needs its own training.
        The work uses as many patches, or fewer if :meth:`pack_best` finds fewer.
        """
        mode, count = self.qrnn.mode, self.qrnn.num_registers
        if mode.num_registers != count:  # shared feedback in measured mode: one wide register
            count = 1
        qrnn = QRNN(
            self.qrnn.input_size,
            mode.register.num_qubits,
            readout=readout,
            num_registers=count,
            observables=mode.register_readout.observables,
            ansatz=mode.register.circuit,
        )
        other = replace(self, qrnn=qrnn)
        asked = len(self.packing.patches)
        best = other.pack_best() if asked > 1 else other
        return other.repack(min(asked, len(best.packing.patches)))

    def repack(self, patches: int | None) -> Work:
        """Return the same work on another number of patches; None for all that fit."""
        target = self.packing.target
        packing = choose_packing(
            self.packing.name, target, self._find_longest(), patches, self.spacing
        )
        return replace(self, packing=packing)

    def pack_best(
        self, gradient: GradientMethod | None = None, limits: JobLimits | None = None
    ) -> Work:
        """Return the same work on the fewest patches that need the fewest executions.

        The circuit of all copies stays within the share of coherence that the hardware rules
        recommend, or within that of a single copy: copies of a dynamic circuit need qubits that
        keep their coherence during its measurements.
        """
        limits = limits or JobLimits()
        whole = self.repack(None)
        available = len(whole.packing.patches)
        counts = _list_counts(_count_groups(len(self.ends), gradient), available)
        if self.qrnn.measurement is None:
            return self.repack(counts[-1])
        single = self.repack(1)
        allowed = max(limits.warned_coherence, single._share_coherence(limits))
        for count in reversed(counts[1:]):
            packed = whole if count == available else self.repack(count)
            if packed._share_coherence(limits) <= allowed:
                return packed
        return single

    def _find_longest(self) -> QuantumCircuit:
        return longest_circuit(self.qrnn, int(self.ends.max()))

    def _share_coherence(self, limits: JobLimits) -> float:
        """Return the duration of the longest circuit over the least T1 or T2 of its qubits."""
        profile = self.packing.profile(self._find_longest(), len(self.packing.patches))
        seconds = profile.find_duration(serial_branches=limits.serial_branches)
        return seconds / self.packing.least_coherence()


def _count_groups(sequences: int, gradient: GradientMethod | None) -> float:
    """Return the groups of rows to distribute; infinite if shifts fill any number of patches."""
    if gradient is None:
        return sequences
    return sequences * (1 + gradient.num_directions) if gradient.num_directions else math.inf


def _list_counts(groups: float, available: int) -> list[int]:
    """List the numbers of patches, from 1, that no smaller number matches in executions."""
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
    layout: TrainedLayout | None = None,
) -> Work:
    """Return the first test sequences, or a training batch, on the best qubits of a device.

    Args:
        trained: The model.
        name: Name of the device.
        target: Target of the device.
        sequences: Number of sequences; by default all test sequences, or ``train.batch_size``.
        training: Whether to take a training batch.
        patches: Number of sequences that run side by side.
        spacing: Spacing of the patches, see
            :func:`runtime_jobs.hardware.patches.choose_patches`.
        layout: The qubits of the training, see
            :func:`runtime_jobs.hardware.packing.choose_packing`.

    Raises:
        ValueError: There are fewer sequences, the sequences of the task depend on each other, or
            the model has no circuits for a device.
        DeviceError: The device has too few qubits or too few patches.
    """
    trained.qrnn.check_device(name)
    chosen = _take_batch(trained, sequences) if training else select_test(trained, sequences)
    if chosen.continued or trained.model.decodes:
        raise InvalidValueError(
            f"the task {trained.config.task!r} carries its state from sequence to sequence or from "
            "word to word, so its jobs cannot be counted in advance; evaluate it on a local device "
            "with 'qrnn evaluate DIR --on DEVICE'"
        )
    steps = chosen.inputs.shape[1]
    ends = np.full(len(chosen), steps) if chosen.lengths is None else chosen.lengths.numpy()
    circuit = longest_circuit(trained.qrnn, int(ends.max()))
    packing = choose_packing(name, target, circuit, patches, spacing, layout)
    return Work(trained.qrnn, packing, ends, spacing)


def _take_batch(trained: TrainedModel, sequences: int | None) -> Sequences:
    train = trained.splits.train
    size = min(trained.config.train.batch_size, len(train))
    size = size if sequences is None else require_count("sequences", sequences)
    if size > len(train):
        raise InvalidValueError(
            f"expected at most {len(train)} sequences, the size of the training split, got {size}"
        )
    return train.select(slice(size))

"""Tasks whose inputs choose the observables that are measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from circuits.limits import MOST_DATA
from qrnn_qiskit import metrics
from qrnn_qiskit.metrics import MeanAndError, estimate_mean
from qrnn_qiskit.tasks.base import Sequences
from qrnn_qiskit.tasks.records.drawn import is_drawn, measure_drawn, summarize_drawn
from qrnn_qiskit.tasks.records.paulis import SQUARE, draw_outcomes, list_local_paulis
from qrnn_qiskit.tasks.records.task import Drawn, RecordSettings, RecordTask, pick_recorded
from qrnn_qiskit.tasks.records.witness import measure_contexts, summarize_contexts
from qrnn_qiskit.tasks.registry import register

__all__ = ["Square", "Stabilizer", "StabilizerSettings"]


class PauliTask(RecordTask):
    """Pauli observables drawn at random and measured one after another, from |0...0>.

    An outcome is determined where its exact probability is 0 or 1. A device with shots draws the
    records of the tokens, which are judged by the exact process: see
    :mod:`qrnn_qiskit.tasks.records.drawn`.
    """

    draws = True

    ranges: ClassVar[dict[str, tuple[float, float]]] = RecordTask.ranges | {
        "determined_loss": metrics.NON_NEGATIVE,
        "determined_share": metrics.SHARE,
        "determined_true": metrics.SHARE,
    }

    def generate(self, count: int, random: np.random.Generator) -> Drawn:
        """Draw ``count`` records; each observable is equally likely in each step."""
        tokens = random.integers(len(self.labels), size=(count, self.settings.steps))
        return tokens, *draw_outcomes(self.labels, tokens, random)

    def loss(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Compute the excess log-loss, also of records that a device drew."""
        if not is_drawn(prediction):
            return super().loss(prediction, batch)
        values = measure_drawn(self.labels, prediction, batch)
        return torch.tensor(summarize_drawn(values)["excess"].value)

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Compute also the loss at determined outcomes, and their share of all."""
        if is_drawn(prediction):
            return measure_drawn(self.labels, prediction, batch)
        losses = -pick_recorded(prediction, batch)
        determined = (batch.targets - 0.5).abs() == 0.5
        return super().measure(prediction, batch) | {
            "determined_loss": losses.where(determined, 0.0).mean(1),
            "determined_share": determined.to(losses.dtype).mean(1),
        }

    def summarize(self, values: Mapping[str, Tensor]) -> dict[str, MeanAndError]:
        """Compute the means; ``determined_loss`` is that of a determined outcome, 0 without any."""
        if "wrong_share" in values:
            return summarize_drawn(values)
        means = super().summarize(values)
        share = means["determined_share"].value
        if share == 0:
            return means
        ratio = means["determined_loss"].value / share
        # The error of a ratio of means, to first order.
        error = estimate_mean(values["determined_loss"] - ratio * values["determined_share"])
        spread = None if error.standard_error is None else error.standard_error / share
        return means | {"determined_loss": MeanAndError(ratio, spread)}


@register
class Square(PauliTask):
    """The nine observables of the Peres-Mermin square on two qubits.

    An outcome is determined where the observables before it leave no choice, also by a product of
    compatible ones. A memory that is right about all of them cannot assign a value to each
    observable in advance: it needs more than two bits, that of two qubits (Kleinmann et al.,
    arXiv:1007.3650).
    """

    name = "square"
    summary = "predict outcomes of the Peres-Mermin square, 9 observables of 2 qubits"
    source = "generated: 20 measurements a sequence, new training sequences every epoch"
    defaults: ClassVar[dict[str, Any]] = {
        "model.readout": "measured",
        "model.measurement_frame": "undone",
        "model.bit_feedback": False,
        "model.coupling": "direct",
        "model.num_qubits": 2,
        "model.num_layers": 3,
        "model.activation": "linear",
        "train.epochs": 30,
        "train.batch_size": 64,
        "train.learning_rate": 0.1,
        "train.schedule": "cosine",
    }

    @property
    def labels(self) -> tuple[str, ...]:
        """The nine observables, row by row."""
        return SQUARE

    def measure(self, prediction: Tensor, batch: Sequences) -> dict[str, Tensor]:
        """Measure also the contexts in records that a device drew."""
        values = super().measure(prediction, batch)
        if is_drawn(prediction):
            values |= measure_contexts(batch.inputs[..., 0], prediction)
        return values

    def summarize(self, values: Mapping[str, Tensor]) -> dict[str, MeanAndError]:
        """Compute also the witness of contextuality, where a device drew records."""
        found = super().summarize(values)
        return found | summarize_contexts(values) if "shots" in values else found


class StabilizerSettings(RecordSettings):
    """Settings of local Paulis on a line."""

    steps: int = Field(default=10, ge=1, le=MOST_DATA, description="outcomes of a record")
    num_qubits: int = Field(default=3, ge=2, le=8, description="qubits of the process")


@register
class Stabilizer(PauliTask):
    """X, Y and Z of each qubit on a line, and XX, YY and ZZ of neighbours.

    The model has one qubit more than the process by default. A complete memory does not need it,
    but with the same number three of eight seeds stopped above an excess of 0.02, and none with
    one more.
    """

    name = "stabilizer"
    summary = "predict outcomes of local Pauli measurements on a line of qubits"
    source = "generated: 10 measurements a sequence, new training sequences every epoch"
    Settings = StabilizerSettings
    settings: StabilizerSettings
    defaults: ClassVar[dict[str, Any]] = Square.defaults | {
        "model.num_qubits": 4,
        "model.num_layers": 8,
        "model.angle_gain": 3.0,  # from angles near 0 the loss stays high for most of the epochs
        "train.epochs": 100,
        "train.learning_rate": 0.05,
    }

    @classmethod
    def choose_defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Give the model one qubit more than the process has."""
        qubits = given.get("data.num_qubits", cls.Settings.model_fields["num_qubits"].default)
        more = int(qubits) + 1 if str(qubits).isdecimal() else cls.defaults["model.num_qubits"]
        return super().choose_defaults(given) | {"model.num_qubits": more}

    @property
    def labels(self) -> tuple[str, ...]:
        """The local Paulis."""
        return list_local_paulis(self.settings.num_qubits)

"""A task without inputs: the events of a renewal process whose memory is one qubit."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from circuits.limits import MOST_DATA
from qrnn_qiskit.tasks.records.renewal import compute_hazards, draw_events
from qrnn_qiskit.tasks.records.task import Drawn, RecordSettings, RecordTask
from qrnn_qiskit.tasks.registry import register

__all__ = ["Process", "ProcessSettings"]


class ProcessSettings(RecordSettings):
    """Settings of the renewal process."""

    steps: int = Field(default=40, ge=1, le=MOST_DATA, description="outcomes of a record")
    angle: float = Field(
        default=0.5, gt=0, lt=math.pi / 2, description="turn of the qubit in a step, radians"
    )
    strength: float = Field(
        default=0.5, gt=0, lt=1, description="probability of an event where the qubit is in |1>"
    )


@register
class Process(RecordTask):
    """Events of the qubit of :mod:`qrnn_qiskit.tasks.records.renewal`, from an event on."""

    name = "process"
    summary = "predict events of a renewal process that one qubit remembers"
    source = "generated: 40 steps a sequence, new training sequences every epoch"
    Settings = ProcessSettings
    settings: ProcessSettings
    defaults: ClassVar[dict[str, Any]] = {
        "model.readout": "measured",
        "model.coupling": "direct",
        "model.num_qubits": 2,
        "model.num_layers": 4,
        "model.activation": "linear",
        "train.epochs": 30,
        "train.batch_size": 64,
        "train.learning_rate": 0.03,
        "train.schedule": "cosine",
    }

    @property
    def labels(self) -> tuple[str, ...]:
        """One token: the steps have no input."""
        return ("step",)

    def generate(self, count: int, random: np.random.Generator) -> Drawn:
        """Draw ``count`` records that begin right after an event."""
        settings = self.settings
        hazards = compute_hazards(settings.angle, settings.strength, settings.steps)
        events, probabilities = draw_events(hazards, count, settings.steps, random)
        return np.zeros_like(events), events, probabilities

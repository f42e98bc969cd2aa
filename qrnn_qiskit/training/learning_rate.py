"""The learning rate of a step, a pure function of the position, and its factor for each part."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from qrnn_qiskit.controller import Controller
from qrnn_qiskit.models.diagonal import DiagonalModel
from qrnn_qiskit.recurrent import RecurrentModel
from qrnn_qiskit.training.schema import TrainConfig

__all__ = ["group_parameters", "name_parts", "scheduled_rate"]


def scheduled_rate(train: TrainConfig, step: int, progress: float) -> float:
    """Return the learning rate of ``step`` (from 0) when a share ``progress`` of training is done.

    It rises linearly over ``warmup_steps``, multiplied by a factor that is constant, or falls to 0
    as half a cosine or linearly. Without internal state, an interruption loses nothing.
    """
    warmup = min(1.0, (step + 1) / train.warmup_steps) if train.warmup_steps else 1.0
    decay = {
        "constant": 1.0,
        "cosine": (1.0 + math.cos(math.pi * progress)) / 2.0,
        "linear": 1.0 - progress,
    }[train.schedule]
    return train.learning_rate * warmup * decay


def name_parts(model: nn.Module) -> dict[str, str]:
    """Name the part of each parameter of a model: "head", "controller" or "bias".

    Biases are those of the angles, in the controllers of QRNN, and the eigenvalues of diagonal
    networks: what an update adds to them acts in every step. All other parameters of recurrent
    models are of the controller, and the rest of the model is the head.
    """
    parts = {name: "head" for name, _ in model.named_parameters()}
    for prefix, module in model.named_modules():
        if isinstance(module, RecurrentModel):
            for name, _ in module.named_parameters(prefix):
                parts[name] = "controller"
    biases: set[int] = set()
    for module in model.modules():
        if isinstance(module, Controller):
            biases.add(id(module.layers[-1].bias))
        elif isinstance(module, DiagonalModel):
            biases.update(map(id, module.repeated()))
    return parts | {name: "bias" for name, p in model.named_parameters() if id(p) in biases}


def group_parameters(model: nn.Module, train: TrainConfig) -> list[dict[str, Any]]:
    """Group the parameters of a model for AdamW by their learning rate and weight decay.

    Each group has its factor on the scheduled rate under "rate". Parts with the same numbers are
    one group, so that the optimizer takes them in one pass.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    parts = name_parts(model)
    for name, parameter in model.named_parameters():
        part = parts[name]
        numbers = getattr(train.rates, part), getattr(train.decays, part)
        groups.setdefault(numbers, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": train.learning_rate * rate,
            "weight_decay": train.weight_decay * decay,
            "rate": rate,
        }
        for (rate, decay), parameters in groups.items()
    ]

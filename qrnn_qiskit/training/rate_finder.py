"""The learning-rate range test of Smith, arXiv:1506.01186, section 3.3, for each part of a model.

The learning rate grows geometrically over some steps, in which only one part of the model learns,
from the same start. The loss falls, then explodes. A rate some way below the lowest loss is a good
one for that part: an update of the angles' biases acts in every step of a sequence, so that theirs
must be far lower than that of the head in long sequences.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from circuits.errors import InvalidValueError
from circuits.validation import require_count
from qrnn_qiskit.training.inference import order_batches
from qrnn_qiskit.training.learning_rate import name_parts
from qrnn_qiskit.training.randomness import seed_everything, shuffle

if TYPE_CHECKING:
    from qrnn_qiskit.tasks.base import Sequences
    from qrnn_qiskit.training.experiment import Experiment

__all__ = ["NUM_STEPS", "PARTS", "RateCurve", "find_rates"]

PARTS = ("head", "controller", "bias")
NUM_STEPS = 60
LOWEST, HIGHEST = 1e-6, 1.0
EXPLODED = 2.0  # a loss of so many times the lowest one ends the test
SMOOTHING = 0.8  # weight of the former losses in the moving average
MARGIN = 5.0  # how far the suggestion is below the rate of the lowest loss


class RateCurve(NamedTuple):
    """The loss of one part at growing learning rates.

    Attributes:
        part: One of ``PARTS``.
        rates: The learning rate of each step.
        losses: The moving average of the loss before each step.
    """

    part: str
    rates: list[float]
    losses: list[float]

    @property
    def lowest(self) -> int:
        """The step with the lowest loss."""
        return min(range(len(self.losses)), key=self.losses.__getitem__)

    @property
    def suggested(self) -> float:
        """A learning rate for this part: a fifth of the rate at the lowest loss."""
        return self.rates[self.lowest] / MARGIN


def find_rates(
    experiment: Experiment,
    *,
    num_steps: int = NUM_STEPS,
    show_step: Callable[[str, int, float], object] | None = None,
) -> list[RateCurve]:
    """Test growing learning rates for each part of an untrained model.

    The weights of the model are as before afterwards.

    Args:
        experiment: The task, its data and the model, as :func:`.prepare` returns them.
        num_steps: Steps of AdamW for each part, at least 10.
        show_step: Called with part, step from 1 and loss.

    Returns:
        One curve for each part that the model has, in the order of ``PARTS``.

    Raises:
        ValueError: ``num_steps`` is below 10, or the loss is not finite before the first step.
    """
    require_count("num_steps", num_steps, minimum=10)
    model, parts = experiment.model, name_parts(experiment.model)
    start = {name: value.detach().clone() for name, value in model.state_dict().items()}
    curves = []
    model.train()
    for part in PARTS:
        own = [value for name, value in model.named_parameters() if parts[name] == part]
        if own:
            seed_everything(experiment.config.seed)
            rates, losses = _climb(experiment, own, num_steps, part, show_step)
            curves.append(RateCurve(part, rates, losses))
            model.load_state_dict(start)
    return curves


def _climb(
    experiment: Experiment,
    own: list[nn.Parameter],
    num_steps: int,
    part: str,
    show_step: Callable[[str, int, float], object] | None,
) -> tuple[list[float], list[float]]:
    train, model = experiment.config.train, experiment.model
    optimizer = torch.optim.AdamW(own, weight_decay=0.0)
    limit = math.inf if train.clip_norm is None else train.clip_norm
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    for step, indices in enumerate(_list_batches(experiment, num_steps)):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / (num_steps - 1))
        batch = experiment.splits.train.select(indices)
        loss = experiment.task.loss(model.run(batch)[0], batch)
        average = SMOOTHING * average + (1.0 - SMOOTHING) * loss.item()
        smooth = average / (1.0 - SMOOTHING ** (step + 1))
        if not math.isfinite(smooth) and not losses:
            raise InvalidValueError(
                "expected a finite loss before the first step, got "
                f"{loss.item()}; lower model.feedback_gain"
            )
        if not (math.isfinite(smooth) and smooth <= EXPLODED * min(losses, default=smooth)):
            break
        rates.append(rate)
        losses.append(smooth)
        if show_step is not None:
            show_step(part, step + 1, smooth)
        for group in optimizer.param_groups:
            group["lr"] = rate
        model.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), limit)
        optimizer.step()
    return rates, losses


def _list_batches(experiment: Experiment, count: int) -> list[Tensor]:
    """List the positions of the sequences of the first batches, over epochs if need be."""
    data: Sequences = experiment.splits.train
    size, seed = experiment.config.train.batch_size, experiment.config.seed
    batches: list[Tensor] = []
    for epoch in range(count):
        batches += order_batches(data, size, shuffle(len(data), seed, epoch))
        if len(batches) >= count:
            break
    return batches[:count]

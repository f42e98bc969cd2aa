"""A few training steps from a run's best weights, on a device where every circuit costs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from circuits.validation import require_count
from qrnn_qiskit.executors.gradient_methods import require_gradient
from qrnn_qiskit.executors.protocol import Executor
from qrnn_qiskit.training.loading import TrainedModel, load_run
from qrnn_qiskit.training.randomness import seed_everything, shuffle
from qrnn_qiskit.training.run_folder import RunFolder

__all__ = ["Tuning", "tune"]


@dataclass(frozen=True)
class Tuning:
    """The result of a few training steps.

    Attributes:
        losses: Loss of the batch of each step, before the step.
        weights: Weights after the last step.
    """

    losses: list[float]
    weights: dict[str, Tensor]


def tune(
    run: RunFolder,
    executor: Executor,
    steps: int,
    batch_size: int | None = None,
    *,
    trained: TrainedModel | None = None,
) -> Tuning:
    """Train ``steps`` steps of AdamW from the best weights, at the run's learning rate.

    The result depends only on the run, the arguments and the results of the executor: started again
    with the same results, it ends with the same weights, to the last bit. There is no validation,
    which would cost more than the steps.

    Args:
        run: A run with at least one finished epoch.
        executor: Where the circuits run; its ``gradient`` selects how they are differentiated.
        steps: Number of steps, at least 1.
        batch_size: Sequences in a step; ``train.batch_size`` unless given.
        trained: The run's model where it is loaded already, which is trained further; loaded from
            the run unless given.

    Raises:
        GradientError: The executor samples and has no ``gradient``.
        CheckpointError: The checkpoint cannot be used, or the data has changed since training.
    """
    require_count("steps", steps)
    require_gradient(executor)
    trained = trained or load_run(run)
    model, config = trained.model, trained.config.train
    model.qrnn.executor = executor
    train = trained.splits.train
    size = min(batch_size or config.batch_size, len(train))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    seed_everything(trained.config.seed)
    model.train()
    losses = []
    for step in range(steps):
        epoch, batch = divmod(step, len(train) // size)
        order = shuffle(len(train), trained.config.seed, epoch)
        chosen = train.select(order[batch * size : (batch + 1) * size])
        optimizer.zero_grad()
        loss = trained.task.loss(model.run(chosen)[0], chosen)
        loss.backward()  # type: ignore[no-untyped-call]
        if config.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        losses.append(loss.item())
    trained.weights = "tuned"  # no evaluation of this model may take them for those of the run
    return Tuning(losses, model.state_dict())

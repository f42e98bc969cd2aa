"""The training loop: steps, epochs, validation and checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from circuits.errors import UserError
from qrnn_qiskit.executors.gradient_methods import require_gradient
from qrnn_qiskit.executors.protocol import Executor
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.tasks.base import Sequences
from qrnn_qiskit.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    require_same_data,
    write_checkpoint,
)
from qrnn_qiskit.training.inference import carry_state, measure, order_batches
from qrnn_qiskit.training.interruption import TrainingInterrupted, catch_interrupt
from qrnn_qiskit.training.learning_rate import group_parameters, scheduled_rate
from qrnn_qiskit.training.position import Position
from qrnn_qiskit.training.processes import ALONE, Processes, tell_lost
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.provenance import list_layouts
from qrnn_qiskit.training.randomness import (
    Reseedable,
    capture_random_states,
    restore_random_states,
    seed_everything,
    shuffle,
)
from qrnn_qiskit.training.result import TrainingResult
from qrnn_qiskit.training.run_folder import RunFolder

__all__ = ["Trainer", "TrainingDiverged"]


class TrainingDiverged(UserError, ArithmeticError):
    """The loss, a gradient or a validation metric is NaN or infinite."""


class Trainer:
    """A run in training: the model, its optimizer and the position in the data.

    Args:
        run: The run, whose model is trained in place.
        executor: Where the circuits run; the simulator unless given.
        progress: The progress bar; None shows one where standard error is a terminal.
        processes: The processes that share the batches.

    Raises:
        ValueError: The processes cannot share the batches.
        GradientError: The executor samples and has no ``gradient``.
    """

    def __init__(
        self,
        run: RunFolder,
        executor: Executor | None,
        progress: TrainingProgress | None,
        processes: Processes = ALONE,
    ) -> None:
        processes.check(run.config.train.batch_size, executor)
        self.run = run
        self.progress = progress or TrainingProgress(None if processes.is_first else False)
        self.processes = processes
        self.config = run.config.train
        self.task = run.experiment.task
        self.data_sha256 = self.task.fingerprint()
        self.splits = run.experiment.splits
        self.device = run.experiment.device
        self.model = run.experiment.model.to(self.device)
        if executor is not None:
            require_gradient(executor)
            self.model.qrnn.executor = executor
        groups = group_parameters(self.model, self.config)
        self.factors = [group.pop("rate") for group in groups]
        self.optimizer = torch.optim.AdamW(groups)
        self.position = Position()
        self.best_weights: dict[str, Tensor] | None = None
        self.saved_at = time.monotonic()
        seed_everything(run.config.seed)

    def fit(self) -> TrainingResult:
        """Train until the last epoch, or until patience ends."""
        shared = self.processes.count > 1
        with self.progress, tell_lost(self.run.path), catch_interrupt(shared) as interrupted:
            while not self.position.is_finished(self.config):
                self.stop_if(*self.processes.agree(interrupted()))
                self.train_epoch(interrupted)
                self.finish_epoch()
            rows = self.processes.tell(self.run.read_metrics())  # only the first writes them
        return TrainingResult.of(self.run, self.position, rows)

    def train_epoch(self, interrupted: Callable[[], bool]) -> None:
        """Train on the remaining batches of the epoch, in an order determined by seed and epoch."""
        position = self.position
        fresh = self.splits.fresh
        data = self.splits.train if fresh is None else fresh(position.epoch)
        order = shuffle(len(data), self.run.config.seed, position.epoch)
        batches = order_batches(data, self.config.batch_size, order)
        self.model.train()
        for indices in batches[position.batch :]:
            start = time.monotonic()
            epochs = position.epoch + position.batch / len(batches)
            loss, norm, state = self.step(data.select(indices), epochs / self.config.epochs)
            position.carried = state if data.continued else None
            position.add_step(loss, norm, len(indices), time.monotonic() - start)
            self.progress.show_step(position.step, len(batches), self.config.epochs, loss)
            is_due = time.monotonic() - self.saved_at >= self.config.checkpoint_every
            is_due, stops = self.processes.agree(is_due, interrupted())
            if is_due:
                self.save()
            self.stop_if(stops)

    def step(self, batch: Sequences, progress: float) -> tuple[float, float, dict[str, Any]]:
        """Take one step of AdamW on a batch.

        Each of several processes runs its share, weighted by its number of sequences.

        Args:
            batch: The whole batch.
            progress: Share of all epochs done, from 0 to 1.

        Returns:
            The loss, the gradient norm before clipping, and the fields of the state after the
            share of this process.
        """
        rate = scheduled_rate(self.config, self.position.step, progress)
        for group, factor in zip(self.optimizer.param_groups, self.factors, strict=True):
            group["lr"] = rate * factor
        self.optimizer.zero_grad()
        self.reseed(self.position.epoch, self.position.batch + 1)
        carried = self.position.carried
        with self.processes.take_share(len(batch)) as share:
            own = batch.select(share.rows).to(self.device)
            before = None
            if carried is not None and not share.is_empty:
                before = carry_state(HiddenState(**carried).to(self.device), len(own))
            prediction, state = self.model.run(own, before)
            loss = self.task.loss(prediction, own) * share.weight
        if self.is_sampled():
            self.position.square_sum += self.square_losses(prediction.detach(), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        total = self.processes.add_gradients(self.model.parameters(), loss.item())
        self.require_finite("the loss", total)
        limit = math.inf if self.config.clip_norm is None else self.config.clip_norm
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), limit).item()
        self.require_finite("the gradient norm", norm)
        self.optimizer.step()
        return total, norm, vars(state.detach()[: 0 if share.is_empty else len(own)])

    def reseed(self, *numbers: int) -> None:
        """Reseed a sampled device that has a seed, so that its shots do not depend on resuming."""
        executor = self.model.qrnn.executor
        if isinstance(executor, Reseedable):
            executor.reseed(*numbers)

    def is_sampled(self) -> bool:
        """Return whether the circuits are sampled, so that the loss has a statistical error."""
        return self.model.qrnn.executor.shots is not None

    def square_losses(self, prediction: Tensor, batch: Sequences) -> float:
        """Sum the squared losses of the single sequences."""
        rows = [slice(row, row + 1) for row in range(len(batch))]
        return sum(self.task.loss(prediction[row], batch.select(row)).item() ** 2 for row in rows)

    def finish_epoch(self) -> None:
        """Validate, keep the best weights, write the epoch's metrics and a checkpoint."""
        start = time.monotonic()
        validation = self.splits.validation
        self.reseed(self.position.epoch, 0)
        size = self.config.evaluation_batch_size
        measures = measure(self.task, self.model, validation, size, self.processes)
        metrics = {
            name: estimate.value for name, estimate in self.task.summarize(measures.values).items()
        }
        for name, value in metrics.items():
            self.require_finite(f"the validation metric {name}", value)
        position = self.position
        last = (position.epoch + (position.batch - 1) / position.batch) / self.config.epochs
        self.keep_best(metrics[self.task.headline], measures.loss)
        row = {
            "epoch": position.epoch + 1,
            "step": position.step,
            "learning_rate": scheduled_rate(self.config, position.step - 1, last),
            **position.estimate_loss(self.is_sampled()),
            "gradient_norm_mean": position.norm_sum / position.batch,
            "gradient_norm_max": position.norm_max,
            **{f"validation_{name}": value for name, value in metrics.items()},
            "seconds": position.seconds + time.monotonic() - start,
        }
        if self.processes.is_first:
            position.metrics_bytes = self.run.append_metrics(row)
            self.run.record_layouts(list_layouts(self.model.qrnn.executor))
        position.begin_epoch()
        self.save()
        self.progress.show_epoch(row, self.task.headline)

    def keep_best(self, value: float, loss: float) -> None:
        """Keep the weights if the headline metric is the best so far; the loss breaks ties.

        An accuracy over a few hundred sequences takes the same value in many epochs.
        """
        score = (value if self.task.higher_is_better else -value, -loss)
        if self.position.best_score is None or score > self.position.best_score:
            self.position.best_score = score
            self.position.best_epoch = self.position.epoch + 1
            self.best_weights = {
                name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()
            }

    def stop_if(self, interrupted: bool) -> None:
        """Write a checkpoint and stop if the user has interrupted the training.

        Raises:
            TrainingInterrupted: ``interrupted`` is true.
        """
        if interrupted:
            self.save()
            raise TrainingInterrupted(
                f"training stopped after epoch {self.position.epoch}, step {self.position.step}; "
                f"continue with 'qrnn resume {self.run.path}'"
            )

    def require_finite(self, what: str, value: float) -> None:
        """Require that ``value``, the loss, the gradient norm or a metric, is finite.

        Raises:
            TrainingDiverged: It is not; the message names the position and the settings to lower.
        """
        if math.isfinite(value):
            return
        clip = self.config.clip_norm
        raise TrainingDiverged(
            f"training diverged in epoch {self.position.epoch + 1} at step "
            f"{self.position.step + 1}: expected {what} to be finite, got {value}. Lower "
            f"train.learning_rate (now {self.config.learning_rate:g}), train.clip_norm (now "
            f"{'none' if clip is None else f'{clip:g}'}) or model.feedback_gain (now "
            f"{self.run.config.model.feedback_gain}) and train in a new folder"
        )

    def save(self) -> None:
        """Write the checkpoint of this position; the number of processes does not change it."""
        position = asdict(self.position)
        if position["carried"] is not None:
            position["carried"] = self.processes.collect_rows(position["carried"])
        if self.processes.is_first:
            write_checkpoint(
                self.run.checkpoint_file,
                Checkpoint(
                    config=self.run.config.model_dump(mode="json"),
                    task=self.task.remember(),
                    data_sha256=self.data_sha256,
                    weights=self.model.state_dict(),
                    best_weights=self.best_weights,
                    optimizer=self.optimizer.state_dict(),
                    random=capture_random_states(),
                    position=position,
                ),
            )
        self.saved_at = time.monotonic()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restore weights, optimizer, random states, metrics and position.

        Raises:
            CheckpointError: The data has changed, or the checkpoint does not fit the model.
        """
        path = self.run.checkpoint_file
        require_same_data(
            f"the run {self.run.path}",
            checkpoint.data_sha256,
            self.data_sha256,
            "restore the data, or train again in a new folder",
        )
        try:
            self.model.load_state_dict(checkpoint.weights)
            self.optimizer.load_state_dict(checkpoint.optimizer)
            self.position = Position(**checkpoint.position)
            if self.position.carried is not None:
                self.position.carried = self.processes.take_rows(self.position.carried)
            self.best_weights = checkpoint.best_weights
            restore_random_states(checkpoint.random)
        except (RuntimeError, ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{path} does not fit the model: {error}") from error
        if self.processes.is_first:
            self.run.truncate_metrics(self.position.metrics_bytes)

"""Run a model on many sequences, in batches and without gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.tasks.base import Sequences, Task, TaskModel
from qrnn_qiskit.training.processes import ALONE, Processes

__all__ = [
    "Inference",
    "Measures",
    "ReadoutRecord",
    "carry_state",
    "infer",
    "measure",
    "order_batches",
    "predict_new",
    "predict_sequences",
    "record_readouts",
]


@dataclass(frozen=True)
class Measures:
    """The quality of predictions of sequences.

    Attributes:
        values: Each metric of the task with one value for each sequence, (N,).
        loss: Mean loss over the sequences.
    """

    values: dict[str, Tensor]
    loss: float


@dataclass(frozen=True)
class Inference(Measures):
    """Predictions of sequences, and their quality.

    Attributes:
        prediction: (N, ...), reduced by ``TaskModel.condense``.
    """

    prediction: Tensor


def order_batches(
    sequences: Sequences, batch_size: int, order: Tensor | None = None
) -> list[Tensor]:
    """Return the positions of the sequences of each batch, (B,) int64.

    Continued sequences are divided into as many parallel streams as a batch has sequences: sequence
    i of a batch continues sequence i of the previous batch. Other sequences follow ``order``, by
    default that of the data. The last batches may be smaller.
    """
    count = len(sequences)
    if not sequences.continued:
        return list(torch.split(torch.arange(count) if order is None else order, batch_size))
    streams = torch.tensor_split(torch.arange(count), min(batch_size, count))
    return [
        torch.stack([stream[step] for stream in streams if step < len(stream)])
        for step in range(len(streams[0]))
    ]


def carry_state(state: HiddenState | None, count: int) -> HiddenState | None:
    """Return the initial state of a batch of ``count`` streams, given the previous final state."""
    return None if state is None else state.detach()[:count]


@torch.no_grad()
def predict_sequences(model: TaskModel, sequences: Sequences, batch_size: int) -> Tensor:
    """Predict all sequences, (N, ...), in evaluation mode (without dropout)."""
    return _join(
        [
            (indices, model.condense(prediction, batch))
            for indices, batch, prediction in _run_batches(model, sequences, batch_size)
        ]
    )


def infer(
    task: Task,
    model: TaskModel,
    sequences: Sequences,
    batch_size: int,
    note: Callable[[int], None] | None = None,
) -> Inference:
    """Predict sequences with known targets in evaluation mode, and measure the predictions.

    ``note`` is called after each batch with the number of batches so far.
    """
    kept: list[tuple[Tensor, Tensor]] = []

    def keep(indices: Tensor, batch: Sequences, prediction: Tensor) -> None:
        kept.append((indices, model.condense(prediction, batch)))
        if note is not None:
            note(len(kept))

    measures = measure(task, model, sequences, batch_size, note=keep)
    return Inference(measures.values, measures.loss, _join(kept))


def predict_new(
    model: TaskModel, sequences: Sequences, batch_size: int, inference: Inference
) -> Tensor:
    """Predict sequences as if they were new inputs, with unknown targets.

    The predictions are those of the ``inference`` unless the model decodes new inputs.
    """
    if model.decodes:
        return predict_sequences(model, sequences.drop_targets(), batch_size)
    return inference.prediction


@torch.no_grad()
def measure(
    task: Task,
    model: TaskModel,
    sequences: Sequences,
    batch_size: int,
    processes: Processes = ALONE,
    note: Callable[[Tensor, Sequences, Tensor], None] | None = None,
) -> Measures:
    """Measure the predictions of sequences with known targets, in evaluation mode.

    Args:
        task: Defines the metrics and the loss.
        model: The model.
        sequences: The sequences.
        batch_size: Sequences per batch.
        processes: Each predicts its share, and all return the measures of the whole.
        note: Called after each batch with the positions of its sequences, the batch and its
            prediction, in the process that made it.
    """
    measured, total = [], 0.0
    for indices, batch, prediction in _run_batches(model, sequences, batch_size, processes):
        measured.append((indices, task.measure(prediction, batch)))
        total += task.loss(prediction, batch).item() * len(batch)
        if note is not None:
            note(indices, batch, prediction)
    parts = processes.collect((measured, total))
    measured = [batch for part, _ in parts for batch in part]
    values = {
        name: _join([(indices, values[name]) for indices, values in measured])
        for name in measured[0][1]
    }
    return Measures(values, sum(part for _, part in parts) / len(sequences))


def _run_batches(
    model: TaskModel, sequences: Sequences, batch_size: int, processes: Processes = ALONE
) -> Iterator[tuple[Tensor, Sequences, Tensor]]:
    model.eval()
    device = next(model.parameters()).device
    state = None
    for indices in order_batches(sequences, batch_size):
        with processes.take_share(len(indices)) as share:
            own = indices[share.rows]
            batch = sequences.select(own)
            carries = sequences.continued and not share.is_empty
            before = carry_state(state, len(batch)) if carries else None
            prediction, state = model.run(batch.to(device), before)
        if not share.is_empty:
            yield own, batch, prediction.cpu()


def _join(parts: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Join rows of batches, each with their positions, in the order of the positions."""
    positions = torch.cat([indices for indices, _ in parts])
    return torch.cat([rows for _, rows in parts])[positions.argsort()]


@dataclass
class ReadoutRecord:
    """Recorded results of the recurrent model.

    Attributes:
        batches: A list of batches for each name: ``readouts`` (B, K) of the last state and
            ``output`` (B, T, readout_size); where they were sampled, ``standard_errors`` and
            ``output_standard_errors`` of the same shapes; and ``angles`` in radians, (B, T, P)
            where a device replayed them, (B, T, 2^m, P) where it ran them in measured mode.
    """

    batches: dict[str, list[Tensor]] = field(default_factory=dict)

    def join(self, batches: list[Tensor] | None = None) -> dict[str, Tensor]:
        """Join the batches of each name along the axis of the sequences.

        ``batches`` are the positions of their sequences from :func:`order_batches`, by which the
        sequences are sorted; unless given, they are in order already.
        """
        joined = {name: torch.cat(parts) for name, parts in self.batches.items()}
        if batches is None:
            return joined
        places = torch.cat(batches).argsort()
        return {name: rows[places] for name, rows in joined.items()}


@contextmanager
def record_readouts(model: TaskModel, *, keeps_output: bool = True) -> Iterator[ReadoutRecord]:
    """Record output and readouts of every batch that passes through the model in this context.

    Without ``keeps_output`` the output of the steps is left out, which may not fit into memory.
    """
    record = ReadoutRecord()

    def note(module: Any, arguments: Any, result: Any) -> None:
        output, state = result
        found = {
            "readouts": state.readouts,
            "output": output if keeps_output else None,
            "standard_errors": state.standard_errors,
            "output_standard_errors": state.output_standard_errors,
            "angles": _align_angles(state, output.shape[1]),
        }
        for name, tensor in found.items():
            if tensor is not None:
                record.batches.setdefault(name, []).append(tensor.detach())

    hook = model.qrnn.register_forward_hook(note)
    try:
        yield record
    finally:
        hook.remove()


def _align_angles(state: HiddenState, steps: int) -> Tensor | None:
    """Align angles of sequences from |0...0> to (B, T, ..., P): step 0 first, 0 past the end."""
    if state.angles is None or state.num_steps is None:
        return None
    width, ends = state.angles.shape[1], state.num_steps[:, None]
    step = torch.arange(steps)
    column = (step + width - ends).clamp(max=width - 1)
    rows = torch.arange(len(state.angles))[:, None]
    aligned = state.angles[rows, column]
    return aligned * (step < ends).reshape(*aligned.shape[:2], *[1] * (aligned.dim() - 2))

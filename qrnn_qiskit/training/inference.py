"""A model over many sequences, in batches and without gradients."""

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
    """How well a model predicts sequences.

    Attributes:
        values: each metric of the task with one value for each sequence, (N,).
        loss: mean over the sequences.
    """

    values: dict[str, Tensor]
    loss: float


@dataclass(frozen=True)
class Inference(Measures):
    """What a model made of sequences, and how well.

    Attributes:
        prediction: (N, ...), condensed as ``TaskModel.condense`` does.
    """

    prediction: Tensor


def order_batches(
    sequences: Sequences, batch_size: int, order: Tensor | None = None
) -> list[Tensor]:
    """The positions of the sequences of each batch, (B,) int64.

    Continued sequences are cut into as many parallel streams as a batch has sequences: sequence i
    of a batch goes on where sequence i of the batch before it ended. Others stand in ``order``, as
    they come unless given. The last batches may be smaller.
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
    """The state to begin a batch of ``count`` streams with, after the batch before it."""
    return None if state is None else state.detach()[:count]


@torch.no_grad()
def predict_sequences(model: TaskModel, sequences: Sequences, batch_size: int) -> Tensor:
    """The predictions of all sequences, (N, ...), in evaluation mode (without dropout)."""
    return _join(
        [
            (indices, model.condense(prediction, batch))
            for indices, batch, prediction in _run_batches(model, sequences, batch_size)
        ]
    )


def infer(task: Task, model: TaskModel, sequences: Sequences, batch_size: int) -> Inference:
    """Predict sequences with known targets, in evaluation mode, and measure the predictions."""
    kept: list[tuple[Tensor, Tensor]] = []

    def keep(indices: Tensor, batch: Sequences, prediction: Tensor) -> None:
        kept.append((indices, model.condense(prediction, batch)))

    measures = measure(task, model, sequences, batch_size, note=keep)
    return Inference(measures.values, measures.loss, _join(kept))


def predict_new(
    model: TaskModel, sequences: Sequences, batch_size: int, inference: Inference
) -> Tensor:
    """The predictions for sequences as if they were new inputs, whose targets nobody knows.

    They are those of the ``inference`` unless the model predicts new inputs in another way.
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

    Of several ``processes`` each predicts its share, and all of them return the measures of the
    whole; the predictions stay where they were made. ``note`` hears of each batch: the positions
    of its sequences, the batch and its prediction.
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
    """Rows of batches, each with their positions, in the order of the positions."""
    positions = torch.cat([indices for indices, _ in parts])
    return torch.cat([rows for _, rows in parts])[positions.argsort()]


@dataclass
class ReadoutRecord:
    """What the recurrent model gave, a list of batches for each name.

    ``readouts`` (B, K) of the last state and ``output`` (B, T, readout_size); with
    ``standard_errors`` and ``output_standard_errors`` in the same shapes where they were sampled,
    and ``angles`` (B, T, P) in radians where a device replayed them, (B, T, 2^m, P) where it ran
    them in measured mode.
    """

    batches: dict[str, list[Tensor]] = field(default_factory=dict)

    def join(self, batches: list[Tensor] | None = None) -> dict[str, Tensor]:
        """The batches of each name joined along the axis of the sequences.

        ``batches`` are the positions of their sequences, as :func:`order_batches` gives them; the
        sequences are put in that order. They are in order already unless given.
        """
        joined = {name: torch.cat(parts) for name, parts in self.batches.items()}
        if batches is None:
            return joined
        places = torch.cat(batches).argsort()
        return {name: rows[places] for name, rows in joined.items()}


@contextmanager
def record_readouts(model: TaskModel) -> Iterator[ReadoutRecord]:
    """Record output and readouts of every batch that passes through the model in this block."""
    record = ReadoutRecord()

    def note(module: Any, arguments: Any, result: Any) -> None:
        output, state = result
        found = {
            "readouts": state.readouts,
            "output": output,
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
    """The angles (B, T, ..., P) of sequences from |0...0>, step 0 first and 0 past the end."""
    if state.angles is None or state.num_steps is None:
        return None
    width, ends = state.angles.shape[1], state.num_steps[:, None]
    step = torch.arange(steps)
    column = (step + width - ends).clamp(max=width - 1)
    rows = torch.arange(len(state.angles))[:, None]
    aligned = state.angles[rows, column]
    return aligned * (step < ends).reshape(*aligned.shape[:2], *[1] * (aligned.dim() - 2))

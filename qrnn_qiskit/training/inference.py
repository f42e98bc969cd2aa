"""A model over many sequences, in batches and without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.tasks.base import Sequences, TaskModel

__all__ = ["ReadoutRecord", "predict_sequences", "record_readouts"]


@torch.no_grad()
def predict_sequences(model: TaskModel, sequences: Sequences, batch_size: int) -> Tensor:
    """The predictions of all sequences, (N, ...), in evaluation mode (without dropout)."""
    model.eval()
    parts = []
    for start in range(0, len(sequences), batch_size):
        batch = sequences.select(slice(start, start + batch_size))
        parts.append(model(batch.inputs, batch.lengths))
    return torch.cat(parts)


@dataclass
class ReadoutRecord:
    """What the recurrent model gave, a list of batches for each name.

    ``readouts`` (B, K) of the last state and ``output`` (B, T, readout_size); with
    ``standard_errors`` and ``output_standard_errors`` in the same shapes where they were sampled,
    and ``angles`` (B, T, P) in radians where a device replayed them, (B, T, 2^m, P) where it ran
    them in measured mode.
    """

    batches: dict[str, list[Tensor]] = field(default_factory=dict)

    def join(self) -> dict[str, Tensor]:
        """The batches of each name joined along the axis of the sequences."""
        return {name: torch.cat(parts) for name, parts in self.batches.items()}


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

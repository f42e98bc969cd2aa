"""Models of records: the probability of each outcome, given the inputs so far and the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from circuits.errors import InvalidValueError
from qrnn_qiskit.executors import runs_compiled
from qrnn_qiskit.heads import StepHead
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.tasks.base import Sequences, TaskModel
from qrnn_qiskit.tasks.copying_memory import OneHot

if TYPE_CHECKING:
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["FilteringModel", "ReadingModel", "RecordEmbedding", "build_model"]


class RecordEmbedding(nn.Module):
    """Encode steps (token, outcome), (B, T, 2) int64, as unit vectors of their tokens.

    Where the model ``reads`` outcomes, that of the step before is appended as -1 or +1, and 0
    before the first step: an input never contains the outcome of its own step.

    Args:
        num_tokens: V.
        reads: Whether the previous outcome is appended; the width is then V + 1.
    """

    def __init__(self, num_tokens: int, reads: bool) -> None:
        super().__init__()
        self.tokens = OneHot(num_tokens)
        self.reads = reads

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (B, T, V) or (B, T, V + 1)."""
        tokens, outcomes = inputs.unbind(-1)
        encoded: Tensor = self.tokens(tokens)
        if not self.reads:
            return encoded
        before = functional.pad(2 * outcomes[:, :-1] - 1, (1, 0))
        return torch.cat((encoded, before[..., None]), dim=-1)


class ReadingModel(TaskModel):
    """A model that reads the outcomes of earlier steps, and whose head gives the log-odds of 1.

    The prediction is (B, T, 2): the logarithms of the probabilities of 0 and of 1.
    """

    def run(self, batch: Sequences, state: HiddenState | None = None) -> tuple[Tensor, HiddenState]:
        """Return the prediction for a batch and the state after it, starting from ``state``."""
        odds, state = super().run(batch, state)
        return functional.logsigmoid(torch.cat((-odds, odds), dim=-1)), state


class FilteringModel(TaskModel):
    """A model of measurements, whose state is conditioned on the record; it needs no head.

    In simulation the prediction is that of :class:`ReadingModel`. A device draws records of its
    own, and these are the prediction, (B, shots, T) uint8, where the task can judge them.

    Args:
        qrnn: The recurrent model.
        embedding: Encodes the steps.
        draws: Whether the task can judge drawn records.
    """

    def __init__(self, qrnn: RecurrentModel, embedding: RecordEmbedding, draws: bool) -> None:
        super().__init__(qrnn, nn.Identity(), embedding)
        self.draws = draws

    def run(self, batch: Sequences, state: HiddenState | None = None) -> tuple[Tensor, HiddenState]:
        """Return the prediction for a batch and the state after it, starting from ``state``."""
        x = self.embed(batch)
        if not runs_compiled(self.qrnn.executor):
            return self._draw(x, batch.lengths), HiddenState(x.new_zeros(len(x), 0))
        outcomes = batch.inputs[..., 1:]
        filtered = self.qrnn.filter(x, outcomes.to(x.dtype), batch.lengths, state)
        recorded = filtered.log_likelihood[..., None].clamp(max=0.0)  # rounding
        # No gradient through the other outcome: no loss reads it, and at a probability of 0 its
        # derivative is infinite.
        other = torch.log(-torch.expm1(recorded.detach()))
        is_one = outcomes == 1
        zero, one = torch.where(is_one, other, recorded), torch.where(is_one, recorded, other)
        return torch.cat((zero, one), dim=-1), filtered.state

    def _draw(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        if self.training or not self.draws:
            what = "trains" if self.training else "predicts"
            raise InvalidValueError(
                f"a model that is conditioned on given records {what} in exact simulation, but the "
                f"device is {self.qrnn.executor.name!r}, which draws records of its own; leave "
                "--on and --gradient out, or run model.draw_records(x) there"
            )
        return self.qrnn.draw_records(x, lengths)[..., 0]


def build_model(
    qrnn_factory: Callable[[int], RecurrentModel], num_tokens: int, draws: bool = False
) -> TaskModel:
    """Build the model of a task of records.

    A model that filters gets the tokens, any other one the previous outcomes too.

    Args:
        qrnn_factory: Builds the recurrent model for inputs of a width.
        num_tokens: V.
        draws: Whether the task can judge records that a device draws.

    Raises:
        ValueError: The model measures more than one bit in a step.
    """
    qrnn = qrnn_factory(num_tokens + 1)
    if qrnn.record_size == 0:
        return ReadingModel(qrnn, StepHead(qrnn, 1), RecordEmbedding(num_tokens, reads=True))
    if qrnn.record_size != 1:
        raise InvalidValueError(
            f"expected a model that measures one bit in each step, as records have, got "
            f"{qrnn.record_size}; set model.num_ancillas=1 and model.num_registers=1"
        )
    qrnn = qrnn_factory(num_tokens)  # only now is the width known
    return FilteringModel(qrnn, RecordEmbedding(num_tokens, reads=False), draws)

"""The model of a task: a recurrent model between an embedding and a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from qrnn_qiskit.tasks.batches import Sequences

if TYPE_CHECKING:
    from qrnn_qiskit.hidden_state import HiddenState
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["TaskModel"]


class TaskModel(nn.Module):
    """A recurrent model between an embedding and a head.

    ``forward(inputs, lengths)`` returns the prediction of the head: (B, C) or (B, H) from the
    last state, (B, T, C) from each step. Floating-point inputs are cast to the dtype of the
    recurrent model; tokens pass through ``embedding``.

    Args:
        qrnn: The recurrent model.
        head: Maps outputs and state of the recurrent model to the prediction.
        embedding: Maps the inputs to those of the recurrent model; the identity unless given.
    """

    decodes: ClassVar[bool] = False
    """Whether new inputs are decoded word by word, unlike the prediction that the loss measures."""

    def __init__(
        self, qrnn: RecurrentModel, head: nn.Module, embedding: nn.Module | None = None
    ) -> None:
        super().__init__()
        reference = next(qrnn.parameters())
        self.embedding = None if embedding is None else embedding.to(reference)
        self.qrnn = qrnn
        self.head = head.to(reference)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Predict new inputs, in the dtype of the parameters."""
        return self.run(Sequences(inputs, torch.empty(len(inputs), 0), lengths))[0]

    def run(self, batch: Sequences, state: HiddenState | None = None) -> tuple[Tensor, HiddenState]:
        """Return the prediction for a batch and the state after it, starting from ``state``."""
        output, state = self.qrnn(self.embed(batch), state, batch.lengths)
        prediction: Tensor = self.head(output, state)
        return prediction, state

    def embed(self, batch: Sequences) -> Tensor:
        """Return the inputs of the recurrent model, (B, T, E) of its dtype."""
        x = batch.inputs if self.embedding is None else self.embedding(batch.inputs)
        return x.to(next(self.qrnn.parameters()).dtype)

    def condense(self, prediction: Tensor, batch: Sequences) -> Tensor:
        """Reduce the prediction of a batch to the part that tables and files keep: here all."""
        return prediction

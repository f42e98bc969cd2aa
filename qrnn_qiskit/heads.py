"""Heads: linear maps from the readouts of a recurrent model to the prediction of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from qrnn_qiskit.hidden_state import HiddenState
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["LastStateHead", "ReadoutScale", "StepHead"]


class ReadoutScale(nn.Module):
    """A factor on readouts before a head, ``readout_scale`` of the recurrent model.

    Readouts of small inputs are small too: with a factor of 5 to 10 a head learns them at a rate
    that also suits its biases.

    Args:
        qrnn: The recurrent model, which has the factor and whether it is learned.
    """

    def __init__(self, qrnn: RecurrentModel) -> None:
        super().__init__()
        self.fixed = qrnn.readout_scale
        self.learned: nn.Parameter | None = None
        if qrnn.learns_readout_scale:
            self.learned = nn.Parameter(torch.tensor(qrnn.readout_scale))

    def forward(self, readouts: Tensor) -> Tensor:
        """Return the readouts times the factor."""
        if self.learned is not None:
            return readouts * self.learned
        return readouts if self.fixed == 1.0 else readouts * self.fixed


class LastStateHead(nn.Module):
    """One prediction for each sequence, from the readouts of its last state.

    Readouts (B, K) give predictions (B, size). Every readout mode and device has these readouts.

    Args:
        qrnn: The recurrent model before the head.
        size: Width of a prediction.
    """

    def __init__(self, qrnn: RecurrentModel, size: int) -> None:
        super().__init__()
        self.scale = ReadoutScale(qrnn)
        self.linear = nn.Linear(qrnn.num_readouts, size)

    def forward(self, output: Tensor, state: HiddenState) -> Tensor:
        """Predict from the last state; the outputs of the steps are not used."""
        prediction: Tensor = self.linear(self.scale(state.readouts))
        return prediction


class StepHead(nn.Module):
    """One prediction for each step, from its output: (B, T, readout_size) gives (B, T, size).

    Args:
        qrnn: The recurrent model before the head.
        size: Width of a prediction.
    """

    def __init__(self, qrnn: RecurrentModel, size: int) -> None:
        super().__init__()
        self.scale = ReadoutScale(qrnn)
        self.linear = nn.Linear(qrnn.readout_size, size)

    def forward(self, output: Tensor, state: HiddenState) -> Tensor:
        """Predict from the output of each step; the last state is not used."""
        prediction: Tensor = self.linear(self.scale(output))
        return prediction

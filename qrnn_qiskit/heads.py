"""Heads: linear maps from the readouts of a recurrent model to the prediction of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from qrnn_qiskit.hidden_state import HiddenState
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["LastStateHead", "StepHead"]


class LastStateHead(nn.Module):
    """One prediction for each sequence, from the readouts of its last state.

    Readouts (B, K) give predictions (B, size). Every readout mode and device has these readouts.

    Args:
        qrnn: The recurrent model before the head.
        size: Width of a prediction.
    """

    def __init__(self, qrnn: RecurrentModel, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(qrnn.num_readouts, size)

    def forward(self, output: Tensor, state: HiddenState) -> Tensor:
        """Predict from the last state; the outputs of the steps are not used."""
        prediction: Tensor = self.linear(state.readouts)
        return prediction


class StepHead(nn.Module):
    """One prediction for each step, from its output: (B, T, readout_size) gives (B, T, size).

    Args:
        qrnn: The recurrent model before the head.
        size: Width of a prediction.
    """

    def __init__(self, qrnn: RecurrentModel, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(qrnn.readout_size, size)

    def forward(self, output: Tensor, state: HiddenState) -> Tensor:
        """Predict from the output of each step; the last state is not used."""
        prediction: Tensor = self.linear(output)
        return prediction

"""Heads: linear maps from the readouts of a recurrent model to the prediction of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from qrnn_qiskit.hidden_state import HiddenState
    from qrnn_qiskit.recurrent import RecurrentModel

__all__ = ["LastStateHead", "StepHead"]


class LastStateHead(nn.Module):
    """One prediction for a sequence, from the readouts of its last state.

    (B, K) readouts give (B, size). Every readout mode and every device has these readouts.
    """

    def __init__(self, qrnn: RecurrentModel, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(qrnn.num_readouts, size)

    def forward(self, output: Tensor, state: HiddenState) -> Tensor:
        """Predict from the last state; the outputs of the steps are not looked at."""
        prediction: Tensor = self.linear(state.readouts)
        return prediction


class StepHead(nn.Module):
    """One prediction for each step, from the output of that step: (B, T, R) gives (B, T, size)."""

    def __init__(self, qrnn: RecurrentModel, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(qrnn.readout_size, size)

    def forward(self, output: Tensor, state: HiddenState) -> Tensor:
        """Predict from the output of each step; the last state is not looked at."""
        prediction: Tensor = self.linear(output)
        return prediction

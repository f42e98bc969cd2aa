"""The ablation without feedback: the controller sees the inputs only."""

from __future__ import annotations

import torch
from torch import Tensor

from qrnn_qiskit.modes.expectation import ExpectationMode

__all__ = ["NoFeedbackMode"]


class NoFeedbackMode(ExpectationMode):
    """The mode "none": expectation values are the output, but do not reach the controller.

    All angles are known before anything runs, so that a device runs all steps in one round.
    """

    name = "none"
    has_feedback = False
    waits_between_steps = False

    def sample_feedback(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Return no values: shape (B, T, 0)."""
        return output[..., :0]

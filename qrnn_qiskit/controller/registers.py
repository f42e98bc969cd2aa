"""The controllers of several registers, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qrnn_qiskit.controller.feedforward import Controller, is_plain
from qrnn_qiskit.engines.contract import ControllerWeights, Kept

__all__ = ["REGISTER_FEEDBACK", "RegisterControllers"]

REGISTER_FEEDBACK = ("own", "shared")


class RegisterControllers(nn.Module):
    """Map [x ; feedback of R registers] to the R P angles of one step, register 0 first.

    Each register has its own :class:`~qrnn_qiskit.controller.Controller`.

    Args:
        controllers: One for each of the R registers, R at least 2. With own feedback it takes
            [x ; the feedback of its register], with shared feedback [x ; that of all registers].
        feedback: One of ``REGISTER_FEEDBACK``.

    Attributes:
        registers: The controllers.
        feedback: "own" or "shared".
        kept: Numbers of one controller that the backward pass keeps.
    """

    def __init__(self, controllers: Sequence[Controller], feedback: str) -> None:
        super().__init__()
        self.registers = nn.ModuleList(controllers)
        self.feedback = feedback
        self.kept: Kept = controllers[0].kept
        self._widths = [controllers[0].input_size]
        self._widths += [controller.feedback_size for controller in controllers]

    def forward(self, inputs: Tensor) -> Tensor:
        """Return angles (..., R P) in radians for inputs (..., E + feedback of all registers)."""
        if self.feedback == "shared":
            return torch.cat([controller(inputs) for controller in self.registers], -1)
        x, *heard = torch.split(inputs, self._widths, -1)
        return torch.cat(
            [
                controller(torch.cat((x, values), -1))
                for controller, values in zip(self.registers, heard, strict=True)
            ],
            -1,
        )

    def find_weights(self) -> ControllerWeights | None:
        """Return the stacked weights of all registers if they determine :meth:`forward`.

        They do where each register hears only itself, and under the conditions of
        :meth:`.Controller.find_weights`.
        """
        if self.feedback == "shared" and any(self._widths[1:]):
            return None
        if not is_plain(self, _FORWARD) or not is_plain(self.registers, nn.ModuleList.forward):
            return None
        if len(self.registers) != len(self._widths) - 1:
            return None
        found: list[ControllerWeights] = []
        for controller in self.registers:
            weights = controller.find_weights() if type(controller) is Controller else None
            if weights is None or weights[:2] != (found or [weights])[0][:2]:
                return None
            found.append(weights)
        activation, dropout = found[0][:2]
        first, first_bias, output, output_bias = zip(*(each[2:] for each in found), strict=True)
        return ControllerWeights(
            activation,
            dropout,
            torch.stack(first),
            torch.stack(first_bias),
            None if output[0] is None else torch.stack(output),
            None if output_bias[0] is None else torch.stack(output_bias),
        )


_FORWARD = RegisterControllers.forward  # as defined here: another one may take its place

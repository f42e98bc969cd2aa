"""The problem that every tool computes in a cell of the table, and the tool for torch modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

INPUT_SIZE = 8
FEEDBACK_GAIN = 0.1  # with weights of the feedback as large as the others, rounding errors grow


@dataclass(frozen=True)
class Problem:
    """A recurrence of n qubits and L layers with an affine controller, and its inputs.

    Attributes:
        num_qubits: n.
        num_layers: L.
        weight: Weights of shape (2 n L, E + 3 n), from [x ; readouts] to angles.
        bias: Bias of shape (2 n L,), in radians.
        x: Inputs of shape (B, T, E).
    """

    num_qubits: int
    num_layers: int
    weight: Array
    bias: Array
    x: Array


class Result(NamedTuple):
    """Readouts (B, T, 3 n), and the derivatives of their mean square by weight and bias."""

    readouts: Array
    by_weight: Array
    by_bias: Array


def draw_problem(num_qubits: int, num_layers: int, batch: int, steps: int) -> Problem:
    """Draw weights as torch's `Linear` does, except for the feedback gain, and normal inputs."""
    generator = np.random.default_rng(0)
    width = INPUT_SIZE + 3 * num_qubits
    bound = width**-0.5
    weight = generator.uniform(-bound, bound, (2 * num_qubits * num_layers, width))
    weight[:, INPUT_SIZE:] *= FEEDBACK_GAIN
    bias = generator.uniform(-bound, bound, len(weight))
    x = generator.standard_normal((batch, steps, INPUT_SIZE))
    parts = (np.ascontiguousarray(part, np.float32) for part in (weight, bias, x))
    return Problem(num_qubits, num_layers, *parts)


class TorchTool:
    """Forward, and forward with backward, of a torch module.

    Args:
        problem: The problem to compute.
        model: Function from x to readouts, or to a tuple that begins with them.
        controller: The affine part of the model.
    """

    compile_seconds = 0.0

    def __init__(self, problem: Problem, model: Callable[[Any], Any], controller: Any) -> None:
        import torch

        self._torch, self._model, self._controller = torch, model, controller
        self._x = torch.from_numpy(problem.x)
        with torch.no_grad():
            controller.weight.copy_(torch.from_numpy(problem.weight))
            controller.bias.copy_(torch.from_numpy(problem.bias))

    def forward(self) -> Array:
        """Return the readouts (B, T, 3 n)."""
        with self._torch.no_grad():
            return np.asarray(self._read())

    def train(self) -> Result:
        """Return the readouts and the gradients of the mean square readout."""
        self._controller.zero_grad()
        readouts = self._read()
        # The loss is not part of any tool, so its derivative is written explicitly.
        readouts.backward(readouts.detach() * (2.0 / readouts.numel()))
        grown = (self._controller.weight.grad, self._controller.bias.grad)
        return Result(*(part.detach().numpy() for part in (readouts, *grown)))

    def _read(self) -> Any:
        output = self._model(self._x)
        return output[0] if isinstance(output, tuple) else output

"""The recurrence in torch, for libraries that carry a state from step to step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from peers.problem import INPUT_SIZE, Problem, TorchTool


class SteppedQRNN(nn.Module, ABC):
    """The recurrence: ``linear`` ansatz, X, Y and Z of every qubit, an affine controller.

    A subclass defines the initial state and one step in its library.
    """

    def __init__(self, input_size: int, num_qubits: int, num_layers: int) -> None:
        super().__init__()
        self.num_qubits, self.num_layers = num_qubits, num_layers
        self.controller = nn.Linear(input_size + 3 * num_qubits, 2 * num_qubits * num_layers)

    @abstractmethod
    def begin(self, batch: int) -> Any:
        """Return |0...0> for every sequence, in the format of the library."""

    @abstractmethod
    def step(self, state: Any, theta: Tensor) -> tuple[Any, Tensor]:
        """Return the state after a step and its readouts (batch, 3 n): X of every qubit, then Y, Z.

        ``theta`` has shape (batch, 2 n L), ordered by layer, qubit, rotation.
        """

    def forward(self, x: Tensor) -> Tensor:
        """Return the readouts (batch, time, 3 n) of inputs (batch, time, input_size)."""
        state, readouts = self.begin(len(x)), read_ground(self.num_qubits, len(x))
        outputs = []
        for inputs in x.unbind(1):
            state, readouts = self.step(state, self.controller(torch.cat((inputs, readouts), 1)))
            outputs.append(readouts)
        return torch.stack(outputs, 1)


def read_ground(num_qubits: int, batch: int) -> Tensor:
    """Return the readouts (batch, 3 n) of |0...0>."""
    ground = torch.tensor([0.0] * (2 * num_qubits) + [1.0] * num_qubits)
    return ground.expand(batch, -1)


def build_stepped(kind: type[SteppedQRNN], problem: Problem) -> TorchTool:
    """Build the recurrence of a problem with a subclass."""
    model = kind(INPUT_SIZE, problem.num_qubits, problem.num_layers)
    return TorchTool(problem, model, model.controller)

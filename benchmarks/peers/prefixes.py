"""The recurrence for libraries that differentiate circuits from |0...0> only.

They give no derivative with respect to the initial state, so step t runs the circuit of all steps
up to t, and the cost is of order T^2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from peers.stepped import read_ground


class ReplayedQRNN(nn.Module):
    """The recurrence that replays the circuit of all steps up to t at each step t.

    Args:
        controller: Module from [x ; readouts] to the angles of a step.
        num_qubits: n.
        prefixes: Functions from angles (batch, t P) to X, Y and Z of every qubit, (batch, 3 n), for
            t = 1 to T.
    """

    def __init__(
        self, controller: nn.Module, num_qubits: int, prefixes: Iterable[Callable[[Tensor], Tensor]]
    ) -> None:
        super().__init__()
        self.controller, self.num_qubits = controller, num_qubits
        self.prefixes = list(prefixes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the readouts (batch, time, 3 n) of inputs (batch, time, input_size)."""
        readouts = read_ground(self.num_qubits, len(x))
        angles, outputs = [], []
        for inputs, prefix in zip(x.unbind(1), self.prefixes, strict=True):
            angles.append(self.controller(torch.cat((inputs, readouts), 1)))
            readouts = prefix(torch.cat(angles, 1)).to(inputs.dtype)
            outputs.append(readouts)
        return torch.stack(outputs, 1)

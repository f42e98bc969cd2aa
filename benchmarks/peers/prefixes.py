"""The recurrence for libraries that differentiate circuits from |0...0> only.

Their derivatives leave out the first state, so step t runs the circuit of all steps up to t, and
the whole is of order T^2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from peers.stepped import read_ground


class ReplayedQRNN(nn.Module):
    """X, Y and Z of every qubit after each prefix, from the angles of all its steps.

    Args:
        controller: From [x ; readouts] to the angles of a step.
        prefixes: For t = 1 to T, the function from angles (batch, t P) to readouts (batch, 3 n).
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

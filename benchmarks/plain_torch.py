"""The baseline: the same recurrent network, gate by gate in torch with ordinary autograd."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PlainTorchQRNN(nn.Module):
    """``linear`` ansatz, RY and RZ and CZ, X, Y and Z of every qubit, one affine controller.

    The state is complex (batch, 2^n); qubit 0 is the least significant bit.
    """

    def __init__(self, input_size: int, num_qubits: int, num_layers: int) -> None:
        super().__init__()
        self.num_qubits, self.num_layers = num_qubits, num_layers
        self.controller = nn.Linear(input_size + 3 * num_qubits, 2 * num_qubits * num_layers)
        self.controlled_signs = []
        index = torch.arange(1 << num_qubits)
        for qubit in range(num_qubits - 1):
            both = (index >> qubit) & (index >> (qubit + 1)) & 1
            self.controlled_signs.append(1.0 - 2.0 * both.float())

    def forward(self, x: Tensor) -> Tensor:
        """Return the readouts (batch, time, 3 n) of inputs (batch, time, input_size)."""
        psi = torch.zeros(len(x), 1 << self.num_qubits, dtype=torch.complex64)
        psi[:, 0] = 1.0
        readouts = self.read(psi)
        outputs = []
        for inputs in x.unbind(1):
            psi = self.step(psi, self.controller(torch.cat((inputs, readouts), 1)))
            readouts = self.read(psi)
            outputs.append(readouts)
        return torch.stack(outputs, 1)

    def step(self, psi: Tensor, theta: Tensor) -> Tensor:
        """Apply all gates of one step, angles ordered by layer, qubit, rotation."""
        angles = iter(theta.unbind(1))
        for _ in range(self.num_layers):
            for qubit in range(self.num_qubits):
                half = next(angles) / 2
                c, s = torch.cos(half)[:, None, None], torch.sin(half)[:, None, None]
                a, b = self.split(psi, qubit)
                psi = torch.stack((c * a - s * b, s * a + c * b), 2).flatten(1)
                phase = torch.exp(0.5j * next(angles))[:, None, None]
                a, b = self.split(psi, qubit)
                psi = torch.stack((phase.conj() * a, phase * b), 2).flatten(1)
            for signs in self.controlled_signs:
                psi = psi * signs
        return psi

    def split(self, psi: Tensor, qubit: int) -> tuple[Tensor, Tensor]:
        """The amplitudes where ``qubit`` is 0 and where it is 1, (batch, high, low) each."""
        halves = psi.view(len(psi), -1, 2, 1 << qubit)
        return halves[:, :, 0], halves[:, :, 1]

    def read(self, psi: Tensor) -> Tensor:
        """X of every qubit, then Y, then Z, (batch, 3 n)."""
        crossed, difference = [], []
        for qubit in range(self.num_qubits):
            a, b = self.split(psi, qubit)
            crossed.append(2.0 * (a.conj() * b).sum((1, 2)))
            difference.append((a.abs().square() - b.abs().square()).sum((1, 2)))
        products = torch.stack(crossed, 1)
        return torch.cat((products.real, products.imag, torch.stack(difference, 1)), 1)

"""The baseline: gate by gate in torch with ordinary autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from peers.problem import Problem, TorchTool
from peers.stepped import SteppedQRNN, build_stepped


class PlainTorchQRNN(SteppedQRNN):
    """The recurrence on a complex state (batch, 2^n); qubit 0 is the least significant bit."""

    def __init__(self, input_size: int, num_qubits: int, num_layers: int) -> None:
        super().__init__(input_size, num_qubits, num_layers)
        self.controlled_signs = []
        index = torch.arange(1 << num_qubits)
        for qubit in range(num_qubits - 1):
            both = (index >> qubit) & (index >> (qubit + 1)) & 1
            self.controlled_signs.append(1.0 - 2.0 * both.float())

    def begin(self, batch: int) -> Tensor:
        """Return |0...0>, complex (batch, 2^n)."""
        psi = torch.zeros(batch, 1 << self.num_qubits, dtype=torch.complex64)
        psi[:, 0] = 1.0
        return psi

    def step(self, state: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Apply all gates of one step and compute its readouts."""
        angles = iter(theta.unbind(1))
        for _ in range(self.num_layers):
            for qubit in range(self.num_qubits):
                half = next(angles) / 2
                c, s = torch.cos(half)[:, None, None], torch.sin(half)[:, None, None]
                a, b = self.split(state, qubit)
                state = torch.stack((c * a - s * b, s * a + c * b), 2).flatten(1)
                phase = torch.exp(0.5j * next(angles))[:, None, None]
                a, b = self.split(state, qubit)
                state = torch.stack((phase.conj() * a, phase * b), 2).flatten(1)
            for signs in self.controlled_signs:
                state = state * signs
        return state, self.read(state)

    def split(self, psi: Tensor, qubit: int) -> tuple[Tensor, Tensor]:
        """Return the amplitudes where ``qubit`` is 0 and where it is 1, (batch, high, low) each."""
        halves = psi.view(len(psi), -1, 2, 1 << qubit)
        return halves[:, :, 0], halves[:, :, 1]

    def read(self, psi: Tensor) -> Tensor:
        """Return X of every qubit, then Y, then Z, as (batch, 3 n)."""
        crossed, difference = [], []
        for qubit in range(self.num_qubits):
            a, b = self.split(psi, qubit)
            crossed.append(2.0 * (a.conj() * b).sum((1, 2)))
            difference.append((a.abs().square() - b.abs().square()).sum((1, 2)))
        products = torch.stack(crossed, 1)
        return torch.cat((products.real, products.imag, torch.stack(difference, 1)), 1)


def build(problem: Problem) -> TorchTool:
    """Build the recurrence of a problem."""
    return build_stepped(PlainTorchQRNN, problem)

"""The states of a batch on their way through time and back, on any device of torch."""

from __future__ import annotations

import torch
from torch import Tensor

from qrnn_qiskit.engines.cpu import Reversible
from qrnn_qiskit.engines.dense.simulator import DenseSimulator

__all__ = ["DenseEvolution"]


class DenseEvolution(Reversible):
    """Complex states (B, 2^n) that :func:`~qrnn_qiskit.engines.cpu.advance` moves on."""

    def __init__(self, simulator: DenseSimulator, vector: Tensor | None, batch_size: int) -> None:
        super().__init__(batch_size)
        self.simulator = simulator
        self._states = simulator.start(vector, batch_size)
        self._angles: list[Tensor] = []
        self._keeps_angles = torch.is_grad_enabled()
        self._back = self._adjoint = self._states[:0]

    def run(self, theta: Tensor) -> Tensor:
        """Apply one step with angles (B, P) and return the readouts (B, K)."""
        angles = theta.detach()
        self._states, readouts = self.simulator.move(self._states, angles)
        self.position += 1
        if self._keeps_angles:
            self._angles.append(angles)
        return readouts

    def vector(self) -> Tensor:
        """The states (B, 2^n), complex, bit q of the index being qubit q."""
        return self._states

    def adjoint(self) -> Tensor:
        """The derivative by the states where the way back stands, (B, 2^n) complex."""
        return self._adjoint

    def _turn_back(self) -> None:
        self._back, self._adjoint = self._states, torch.zeros_like(self._states)

    def _add(self, gradient: Tensor) -> None:
        self._adjoint = self._adjoint + gradient

    def _undo(self, gradient: Tensor | None) -> Tensor:
        theta = self._angles[self._at - 1]
        self._back, self._adjoint, by_theta = self.simulator.undo(
            self._back, self._adjoint, theta, gradient
        )
        self._at -= 1
        return by_theta

"""A recurrent step on any device of torch: its circuit and its readouts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor

from circuits.readout import read_zero_state
from qrnn_qiskit.engines.dense.circuit import DenseCircuit
from qrnn_qiskit.engines.dense.readouts import DenseReadout
from qrnn_qiskit.engines.reversible import Reversible

__all__ = ["DenseEvolution", "DenseSimulator"]


class DenseSimulator:
    """One recurrent step: circuit, angles, readouts.

    Args:
        circuit: The step's circuit on n qubits, without measurements; its P parameters are in the
            order of ``circuit.parameters`` in the angle sets.
        observables: K Hermitian observables on n qubits.
        dtype: torch.float32 or torch.float64, the precision of angles, amplitudes and readouts.
        device: Where the states are.

    Raises:
        UnsupportedCircuitError: A gate or angle that the simulator does not run, by name.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        observables: Sequence[SparsePauliOp],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.dtype = dtype
        self.device = device
        self.num_qubits: int = circuit.num_qubits
        self.circuit = DenseCircuit(circuit, dtype, device)
        self.readout = DenseReadout(observables, self.circuit.groups, dtype, device)
        self._zero_readouts = torch.from_numpy(read_zero_state(observables)).to(device, dtype)

    def start(self, vector: Tensor | None, batch_size: int) -> Tensor:
        """Complex states (B, 2^n): a copy of ``vector``, or |0...0>."""
        if vector is not None:
            return vector.detach().clone()
        shape = (batch_size, 1 << self.num_qubits)
        states = torch.zeros(shape, dtype=self.dtype.to_complex(), device=self.device)
        states[:, 0] = 1.0
        return states

    def read_zero(self, batch_size: int) -> Tensor:
        """Readouts (B, K) of |0...0>, the feedback of the first step."""
        return self._zero_readouts.expand(batch_size, -1)

    def move(self, states: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The states after a step with angles ``theta`` (B, P), and their readouts (B, K)."""
        states = self.circuit.apply(states, self.circuit.prepare(theta))
        states = states / _norms(states)
        return states, self.readout.read(states)

    def undo(
        self, states: Tensor, adjoint: Tensor, theta: Tensor, gradient: Tensor | None
    ) -> tuple[Tensor, ...]:
        """States and adjoint before a step, and the derivative (B, P) by its angles.

        ``gradient`` (B, K) is the derivative by the readouts after it.
        """
        if gradient is not None:
            adjoint = self.readout.pull(states, gradient, adjoint)
        factors = self.circuit.prepare(theta)
        states, adjoint, by_theta = self.circuit.undo(states, adjoint, factors)
        return states / _norms(states), adjoint, by_theta


class DenseEvolution(Reversible):
    """Complex states (B, 2^n) that :func:`~qrnn_qiskit.engines.reversible.advance` moves on."""

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


def _norms(states: Tensor) -> Tensor:
    """(B, 1): rounding takes them off 1, and a long sequence would feel it."""
    norms: Tensor = torch.linalg.vector_norm(states, dim=1, keepdim=True)
    return norms

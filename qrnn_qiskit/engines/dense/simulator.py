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
        device: The device of the states.

    Attributes:
        dtype: The dtype of angles, amplitudes and readouts.
        device: The device of the states.
        num_qubits: n.
        circuit: The circuit as matrices and diagonals.
        readout: The observables.

    Raises:
        UnsupportedCircuitError: The circuit has a gate or an angle that the simulator does not run;
            the message names it.
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
        """Return complex states (B, 2^n): a copy of ``vector``, or |0...0> for None."""
        if vector is not None:
            return vector.detach().clone()
        shape = (batch_size, 1 << self.num_qubits)
        states = torch.zeros(shape, dtype=self.dtype.to_complex(), device=self.device)
        states[:, 0] = 1.0
        return states

    def read_zero(self, batch_size: int) -> Tensor:
        """Return the readouts (B, K) of |0...0>, the feedback of the first step."""
        return self._zero_readouts.expand(batch_size, -1)

    def move(self, states: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return states and readouts (B, K) after a step with angles ``theta`` (B, P)."""
        states = self.circuit.apply(states, self.circuit.prepare(theta))
        states = states / _norms(states)
        return states, self.readout.read(states)

    def undo(
        self, states: Tensor, adjoint: Tensor, theta: Tensor, gradient: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Undo a step on states and adjoint.

        Args:
            states: States (B, 2^n) after the step.
            adjoint: Derivative (B, 2^n) of the loss with respect to them, without the readouts of
                this step.
            theta: Angles (B, P) of the step in radians.
            gradient: Derivative (B, K) with respect to the readouts after the step; None for 0.

        Returns:
            States and adjoint before the step, and the derivative (B, P) with respect to its
            angles.
        """
        if gradient is not None:
            adjoint = self.readout.pull(states, gradient, adjoint)
        factors = self.circuit.prepare(theta)
        states, adjoint, by_theta = self.circuit.undo(states, adjoint, factors)
        return states / _norms(states), adjoint, by_theta


class DenseEvolution(Reversible):
    """Complex states (B, 2^n) that :func:`~qrnn_qiskit.engines.reversible.advance` moves on.

    Args:
        simulator: The step.
        vector: First states (B, 2^n), or None for |0...0>.
        batch_size: B.
    """

    def __init__(self, simulator: DenseSimulator, vector: Tensor | None, batch_size: int) -> None:
        super().__init__(batch_size)
        self.simulator = simulator
        self._states = simulator.start(vector, batch_size)
        self._angles: list[Tensor] = []
        self._keeps_angles = torch.is_grad_enabled()
        self._back = self._adjoint = self._states[:0]

    def run(self, theta: Tensor) -> Tensor:
        """Apply one step with angles (B, P) in radians and return the readouts (B, K)."""
        angles = theta.detach()
        self._states, readouts = self.simulator.move(self._states, angles)
        self.position += 1
        if self._keeps_angles:
            self._angles.append(angles)
        return readouts

    def vector(self) -> Tensor:
        """Return the states (B, 2^n), complex, bit q of the index being qubit q."""
        return self._states

    def adjoint(self) -> Tensor:
        """Return the derivative (B, 2^n), complex, with respect to the states at this step."""
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
    """Return the norms (B, 1), which rounding moves away from 1, a little further in every step."""
    norms: Tensor = torch.linalg.vector_norm(states, dim=1, keepdim=True)
    return norms

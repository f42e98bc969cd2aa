"""Rotations about Pauli strings on dense states, differentiable by torch."""

from __future__ import annotations

import numpy as np
import torch
from qiskit.quantum_info import Pauli
from torch import Tensor

__all__ = ["PauliRotations"]

_HALF_TURN = {"rx": "X", "ry": "Y", "rz": "Z"}


class PauliRotations:
    """Pauli strings P, the product of exp(-i angle/2 P) in time order, and expectation values.

    Args:
        strings: Letters, the last one of qubit 0, as in Qiskit.
        dtype: Real dtype of the angles.
    """

    def __init__(self, strings: list[str], dtype: torch.dtype) -> None:
        self.strings = strings
        matrices = [Pauli(string).to_matrix() for string in strings]
        sources = np.stack([np.abs(matrix).argmax(1) for matrix in matrices])
        factors = np.stack([matrix[np.abs(matrix) > 0] for matrix in matrices])
        self._sources = torch.from_numpy(sources)
        self._factors = torch.from_numpy(factors).to(dtype.to_complex())

    @classmethod
    def of_rotations(cls, names: list[str], num_qubits: int, dtype: torch.dtype) -> PauliRotations:
        """The ``names`` (rx, ry, rz) on every qubit, ordered by qubit, then name."""
        strings = [
            "I" * (num_qubits - 1 - qubit) + _HALF_TURN[name] + "I" * qubit
            for qubit in range(num_qubits)
            for name in names
        ]
        return cls(strings, dtype)

    def __call__(self, states: Tensor, angles: Tensor) -> Tensor:
        """States (B, 2^n) moved on by angles (B, P), or (P,) for all of them."""
        cosine, sine = (angles / 2).cos(), (angles / 2).sin()
        for index in range(len(self.strings)):
            flipped = states[:, self._sources[index]] * self._factors[index]
            turn = torch.complex(torch.zeros_like(sine), -sine)[..., index, None]
            states = cosine[..., index, None] * states + turn * flipped
        return states

    def expect(self, states: Tensor) -> Tensor:
        """The expectation values (B, P) of the strings in pure states (B, 2^n)."""
        flipped = states[:, self._sources] * self._factors
        return (states.conj()[:, None] * flipped).sum(-1).real

    def expect_mixed(self, densities: Tensor) -> Tensor:
        """The expectation values (B, P) of the strings in density matrices (B, 2^n, 2^n)."""
        columns = torch.arange(densities.shape[1])
        moved = densities[:, self._sources, columns]
        return (moved * self._factors).sum(-1).real

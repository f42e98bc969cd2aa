"""Single-qubit rotations and Pauli readouts on dense states, and the base of models using them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor

from circuits import build_readout
from circuits.validation import require_count
from qrnn_qiskit.recurrent import SteppedModel

__all__ = ["PauliModel", "PauliReadout", "apply_gates", "join_gates", "rotate"]

# Qubits whose gates are merged: one 16 x 16 matrix costs less than several torch operations.
_JOINED = 4


def rotate(names: Sequence[str], angles: Tensor) -> Tensor:
    """Multiply the rotations of a qubit, in time order.

    Args:
        names: R names out of rx, ry and rz.
        angles: Angles (..., R) in radians.

    Returns:
        Unitary matrices (..., 2, 2).
    """
    cosine, sine = (angles / 2).cos(), (angles / 2).sin()
    minus, zero = -sine, torch.zeros_like(cosine)
    entries = {
        "rx": (cosine, zero, zero, minus, zero, minus, cosine, zero),
        "ry": (cosine, zero, minus, zero, sine, zero, cosine, zero),
        "rz": (cosine, minus, zero, zero, zero, zero, cosine, sine),
    }
    gates = []
    for index, name in enumerate(names):
        pairs = torch.stack([entry[..., index] for entry in entries[name]], -1)
        gates.append(torch.view_as_complex(pairs.view(*pairs.shape[:-1], 2, 2, 2)))
    return reduce(lambda done, gate: gate @ done, gates)


def apply_gates(states: Tensor, gates: Tensor) -> Tensor:
    """Apply a gate (B, n, 2, 2) to every qubit of states (B, 2^n); qubit 0 is the lowest bit."""
    shape = states.shape
    for first in range(0, gates.shape[1], _JOINED):
        joined = join_gates(gates[:, first : first + _JOINED])
        states = joined[:, None] @ states.reshape(len(states), -1, joined.shape[-1], 1 << first)
    return states.reshape(shape)


def join_gates(gates: Tensor) -> Tensor:
    """Merge gates (..., n, 2, 2) of n qubits to one (..., 2^n, 2^n); qubit 0 is the lowest bit."""
    return reduce(_join, gates.unbind(-3))


def _join(low: Tensor, high: Tensor) -> Tensor:
    product = high[..., :, None, :, None] * low[..., None, :, None, :]
    return product.flatten(-4, -3).flatten(-2)


class PauliReadout:
    """Expectation values of K Pauli strings.

    Args:
        observables: K single Pauli strings with coefficient 1.
        dtype: Real dtype of the states read most often; other dtypes work too.
    """

    def __init__(self, observables: Sequence[SparsePauliOp], dtype: torch.dtype) -> None:
        matrices = [observable.to_matrix() for observable in observables]
        # Each row of a Pauli string has exactly one nonzero entry.
        sources = np.stack([np.abs(matrix).argmax(1) for matrix in matrices])
        size = sources.shape[1]
        self._sources = torch.from_numpy(sources).flatten()
        self._entries = torch.from_numpy(sources * size + np.arange(size)).flatten()
        factors = np.stack([m[np.abs(m) > 0] for m in matrices])
        self._factors = torch.from_numpy(factors).to(dtype.to_complex())

    def of_states(self, states: Tensor) -> Tensor:
        """Compute the values (B, K) in pure states (B, 2^n)."""
        moved = states.index_select(1, self._sources).view(len(states), *self._factors.shape)
        return (states.conj()[:, None] * moved * self._factors.to(states)).sum(-1).real

    def of_densities(self, densities: Tensor) -> Tensor:
        """Compute the values (B, K) in density matrices (B, 2^n, 2^n)."""
        entries = densities.flatten(1).index_select(1, self._entries)
        factors = self._factors.to(entries)
        return (entries.view(len(densities), *factors.shape) * factors).sum(-1).real


class PauliModel(SteppedModel):
    """A model of n qubits on dense states; as in QRNN, its output is X, Y and Z of every qubit.

    Args:
        input_size: Width E of the inputs.
        num_qubits: Number of qubits n.
        dtype: ``torch.float32`` or ``torch.float64``; torch's default dtype unless given.

    Attributes:
        readout: The readout.
        values: Computes its expectation values.
    """

    def __init__(self, input_size: int, num_qubits: int, dtype: torch.dtype | None) -> None:
        super().__init__(input_size)
        self.num_qubits = require_count("num_qubits", num_qubits)
        self.readout = build_readout(None, num_qubits=num_qubits)
        self.values = PauliReadout(self.readout.observables, dtype or torch.get_default_dtype())

    @property
    def num_readouts(self) -> int:
        """The number of readouts, 3n."""
        return len(self.readout.observables)

    @property
    def output_axis(self) -> tuple[str, str]:
        """Axis label and quantity of the output, as for QRNN."""
        return "observable (Pauli, qubit)", "expectation value"

    @property
    def output_labels(self) -> list[str]:
        """The labels of the readouts."""
        return self.readout.labels

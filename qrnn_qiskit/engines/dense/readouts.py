"""Observables of batched states: their values, and the derivative with respect to the states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.quantum_info import Pauli, SparsePauliOp
from torch import Tensor

from qrnn_qiskit.engines.dense.groups import Group

__all__ = ["DenseReadout"]

Complexes = NDArray[np.complex128]


class DenseReadout:
    """K Hermitian observables on n qubits.

    Pauli strings within a group of qubits are read from its reduced density matrix, one matrix
    product for each group. Strings across groups are read together with those that flip the same
    qubits (have X or Y there), which connect the same pairs of amplitudes.

    Args:
        observables: The observables.
        groups: The groups of qubits.
        dtype: The real dtype of the values.
        device: The device of the states.
    """

    def __init__(
        self,
        observables: Sequence[SparsePauliOp],
        groups: Sequence[Group],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.num_observables = len(observables)
        near: dict[Group, Complexes] = {}
        wide: dict[int, Complexes] = {}
        num_qubits = groups[0].num_qubits
        for row, observable in enumerate(observables):
            for pauli, coefficient in zip(observable.paulis, observable.coeffs, strict=True):
                flip, support = _read_masks(pauli)
                host = next((each for each in groups if not support & ~each.mask), None)
                if host is None:
                    entries = wide.setdefault(
                        flip, np.zeros((len(observables), 1 << num_qubits), complex)
                    )
                    entries[row] += coefficient.real * _read_entries(pauli, flip)
                else:
                    part = Pauli((pauli.z[_slice(host)], pauli.x[_slice(host)]))
                    matrices = near.setdefault(
                        host, np.zeros((len(observables), host.dim**2), complex)
                    )
                    matrices[row] += coefficient.real * part.to_matrix().ravel()

        def place(array: Complexes) -> Tensor:
            # Re(conj(O) overlap) is a dot product of (real, imaginary) pairs, so one real matrix
            # product reads all observables.
            pairs = torch.view_as_real(torch.from_numpy(array))
            return pairs.flatten(1).to(device, dtype)

        self._near = {group: place(matrices) for group, matrices in near.items()}
        self._wide = {flip: place(entries) for flip, entries in wide.items()}
        basis = torch.arange(1 << num_qubits, device=device)
        self._partners = {flip: basis ^ flip for flip in wide}

    def read(self, states: Tensor) -> Tensor:
        """Return the values (B, K) of normalized states (B, 2^n)."""
        # The value is the sum of Re(conj(psi_i) O_ij psi_j), and an overlap is psi_i conj(psi_j).
        values = states.real.new_zeros(len(states), self.num_observables)
        for group, weights in self._near.items():
            overlaps = group.contract(states, states)
            values.addmm_(torch.view_as_real(overlaps).flatten(1), weights.T)
        for flip, weights in self._wide.items():
            overlaps = states * states[:, self._partners[flip]].conj()
            values.addmm_(torch.view_as_real(overlaps).flatten(1), weights.T)
        return values

    def pull(self, states: Tensor, weights: Tensor, adjoint: Tensor) -> Tensor:
        """Return ``adjoint`` (B, 2^n) plus the derivative with respect to the states.

        Args:
            states: States (B, 2^n).
            weights: Derivative (B, K) of the loss with respect to the values.
            adjoint: What to add to; it is not changed.
        """
        pulled = adjoint.clone()
        for group, matrices in self._near.items():
            dense = torch.view_as_complex((weights @ matrices).reshape(len(states), -1, 2))
            moved = group.apply(dense.reshape(len(states), group.dim, group.dim), states)
            pulled.add_(moved, alpha=2)
        for flip, entries in self._wide.items():
            factors = torch.view_as_complex((weights @ entries).reshape(len(states), -1, 2))
            pulled.addcmul_(factors, states[:, self._partners[flip]], value=2)
        return pulled


def _slice(group: Group) -> slice:
    """Return the slice of the group's qubits in an array over all qubits."""
    return slice(group.start, group.start + group.size)


def _read_masks(pauli: Pauli) -> tuple[int, int]:
    """Return the mask of the qubits that a string flips (X or Y), and that of all it acts on."""
    flip = sum(1 << qubit for qubit, bit in enumerate(pauli.x) if bit)
    z_mask = sum(1 << qubit for qubit, bit in enumerate(pauli.z) if bit)
    return flip, flip | z_mask


def _read_entries(pauli: Pauli, flip: int) -> Complexes:
    """Return (2^n,), the entry of each row x of a string's matrix, in the column x ^ flip."""
    basis = np.arange(1 << len(pauli.x))
    z_mask = sum(1 << qubit for qubit, bit in enumerate(pauli.z) if bit)
    signs = 1.0 - 2.0 * (np.bitwise_count((basis ^ flip) & z_mask) & 1)
    entries: Complexes = signs * 1j ** ((flip & z_mask).bit_count() % 4)
    return entries

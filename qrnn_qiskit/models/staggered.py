"""The staggered quantum recurrent network of Li et al. (arXiv:2302.03244)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from circuits.errors import InvalidValueError
from circuits.validation import require_count
from qrnn_qiskit.controller import Controller
from qrnn_qiskit.models.dense_qubits import PauliModel, apply_gates, join_gates, rotate
from qrnn_qiskit.recurrent import Step

__all__ = ["StaggeredQRNN", "count_angles"]


def count_angles(num_qubits: int, num_layers: int) -> int:
    """Count the angles of the ansatz: three per qubit and one per bond of the ring, L times."""
    return (3 * num_qubits + len(_list_bonds(num_qubits))) * num_layers


def _list_bonds(num_qubits: int) -> list[tuple[int, int]]:
    return [(q, (q + 1) % num_qubits) for q in range(num_qubits if num_qubits > 2 else 1)]


class StaggeredQRNN(PauliModel):
    """A network of two registers of n/2 qubits: data D, new in every step, and history H.

    A step encodes the input into D, applies the ansatz to D and H, reads the observables, and
    resets n/2 qubits. Staggered means: of the n/2 qubits that are kept, the last one comes from D,
    and the first one of H is reset in its place, so that no qubit has to stay coherent for more
    than n/2 + 1 steps. The ansatz is RX RZ RX on every qubit and RZZ on a ring, with the same
    angles in every step. The memory is the density matrix of H, simulated exactly: qubits 0 to n/2
    - 1 are D, the others H.

    Deviations from the article: a feedforward network maps inputs of any width to the n/2 angles of
    the encoding RY, as pi times a sigmoid; all readouts of QRNN are read instead of one Z, so that
    the head is the same.

    Args:
        input_size: Width E of the inputs.
        num_qubits: Number of qubits n of both registers together, even.
        num_layers: Number of layers of the ansatz.
        controller_hidden: Width of the hidden layer of the encoding network.
        activation, dropout: Activation and dropout of that network.
        dtype: ``torch.float32`` or ``torch.float64``; torch's default dtype unless given.
    """

    kind = "staggered"

    def __init__(
        self,
        input_size: int,
        num_qubits: int,
        num_layers: int = 1,
        *,
        controller_hidden: int = 32,
        activation: str = "gelu",
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        require_count("num_qubits", num_qubits, minimum=2)
        if num_qubits % 2:
            raise InvalidValueError(
                f"expected an even num_qubits, got {num_qubits}: the staggered network divides its "
                "qubits equally into data and history"
            )
        super().__init__(input_size, num_qubits, dtype)
        self.encode = Controller(
            input_size,
            0,
            num_qubits // 2,
            hidden_size=require_count("controller_hidden", controller_hidden),
            activation=activation,
            dropout=dropout,
            dtype=dtype,
        )
        self.num_layers = require_count("num_layers", num_layers)
        angles = torch.empty(num_layers, count_angles(num_qubits, 1), dtype=dtype)
        self.angles = nn.Parameter(angles.uniform_(-math.pi, math.pi))
        signs = 1 - 2 * (torch.arange(1 << num_qubits)[:, None] >> torch.arange(num_qubits) & 1)
        bonds = [signs[:, a] * signs[:, b] for a, b in _list_bonds(num_qubits)]
        self._bonds = torch.stack(bonds, 1).to(self.angles.dtype)  # values (2^n, bonds) of ZZ

    def start(self, batch_size: int) -> Tensor:
        """Return |0...0><0...0| of the history, (B, 2^(n/2), 2^(n/2)) complex."""
        size = 1 << self.num_qubits // 2
        density = torch.zeros(batch_size, size, size, dtype=self.angles.dtype.to_complex())
        density[:, 0, 0] = 1
        return density

    def unitary(self) -> Tensor:
        """Return the ansatz, (2^n, 2^n); angles are ordered by qubit, then those of the bonds."""
        unitary = torch.eye(1 << self.num_qubits, dtype=self.angles.dtype.to_complex())
        for angles in self.angles:
            turns = angles[: 3 * self.num_qubits].view(self.num_qubits, 3)
            phases = self._bonds.to(angles) @ angles[3 * self.num_qubits :] / -2
            turned = join_gates(rotate(("rx", "rz", "rx"), turns)) @ unitary
            unitary = torch.polar(torch.ones_like(phases), phases)[:, None] * turned
        return unitary

    def prepare(self, x: Tensor) -> tuple[Tensor, Step]:
        """Return the states of the data register (B, T, 2^(n/2)), and the step."""
        half = 1 << self.num_qubits // 2
        unitary = self.unitary()
        inverse = unitary.mH
        zero = unitary.new_zeros(1, half)
        zero[0, 0] = 1
        angles = math.pi * self.encode(x).sigmoid()
        gates = rotate(("ry",), angles.flatten(0, 1)[..., None])
        encoded = apply_gates(zero.expand(len(gates), -1), gates)

        def step(history: Tensor, data: Tensor) -> tuple[Tensor, Tensor]:
            # Bits of the index: the history above the data.
            full = torch.einsum("bhk,bd,be->bhdke", history, data, data.conj())
            full = unitary @ full.reshape(-1, half**2, half**2) @ inverse
            return self._stagger(full), self.values.of_densities(full)

        return encoded.view(*x.shape[:2], half), step

    def _stagger(self, full: Tensor) -> Tensor:
        """Keep the history without its first qubit, and the last qubit of the data."""
        kept = 1 << self.num_qubits // 2 - 1
        shape = (len(full), kept, 2, kept, 2)  # later history, its first, later data, its first
        density = full.reshape(*shape, *shape[1:])
        density = torch.einsum("bhidjkidl->bjhlk", density)
        return density.reshape(len(full), 2 * kept, 2 * kept)

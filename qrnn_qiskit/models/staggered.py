"""The staggered quantum recurrent network of Li et al. (arXiv:2302.03244)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from circuits import build_readout
from circuits.validation import require_count
from qrnn_qiskit.controller import Controller
from qrnn_qiskit.models.base import Step, SteppedModel
from qrnn_qiskit.models.paulis import PauliRotations

__all__ = ["StaggeredQRNN", "list_strings"]


def list_strings(num_qubits: int, num_layers: int) -> list[str]:
    """The rotations of the ansatz: RX, RZ, RX on every qubit, then RZZ on a ring, L times."""

    def place(letters: dict[int, str]) -> str:
        return "".join(letters.get(qubit, "I") for qubit in reversed(range(num_qubits)))

    singles = [place({q: letter}) for q in range(num_qubits) for letter in "XZX"]
    bonds = [(q, (q + 1) % num_qubits) for q in range(num_qubits if num_qubits > 2 else 1)]
    return (singles + [place({a: "Z", b: "Z"}) for a, b in bonds]) * num_layers


class StaggeredQRNN(SteppedModel):
    """Two registers of n/2 qubits: data D, which is new in every step, and history H.

    A step encodes the input into D, applies the ansatz to D and H, is read, and resets n/2 qubits.
    Staggered: of the n/2 qubits that stay, the last one comes from D, and the first one of H is
    reset in its place, so that no qubit has to stay coherent for more than n/2 + 1 steps. The
    ansatz is RX RZ RX on every qubit and RZZ on a ring, with the same angles in every step. The
    memory is the density matrix of H, simulated exactly: qubits 0 to n/2 - 1 are D, the others H.

    Deviations from the article: a feedforward network makes the n/2 angles of the encoding RY out
    of inputs of any width, as pi times a sigmoid; all readouts of QRNN are read instead of one Z,
    so that the head is the same.

    Args:
        input_size: Width E of the inputs.
        num_qubits: n of both registers, even.
        num_layers: Layers of the ansatz.
        controller_hidden: Width of the hidden layer of the encoding network.
        activation, dropout: Of that network.
        dtype: torch.float32 or torch.float64; torch's default dtype unless given.
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
        super().__init__(input_size)
        require_count("num_qubits", num_qubits, minimum=2)
        if num_qubits % 2:
            raise ValueError(
                f"num_qubits={num_qubits}: the staggered network halves its qubits into data and "
                "history; an even number is required"
            )
        self.num_qubits = num_qubits
        self.encode = Controller(
            input_size,
            0,
            num_qubits // 2,
            hidden_size=require_count("controller_hidden", controller_hidden),
            activation=activation,
            dropout=dropout,
            dtype=dtype,
        )
        strings = list_strings(num_qubits, require_count("num_layers", num_layers))
        angles = torch.empty(len(strings), dtype=dtype)
        self.angles = nn.Parameter(angles.uniform_(-math.pi, math.pi))
        self.ansatz = PauliRotations(strings, self.angles.dtype)
        self.encoding = PauliRotations.of_rotations(["ry"], num_qubits // 2, self.angles.dtype)
        self.readout = build_readout(None, num_qubits=num_qubits)
        labels = [label for op in self.readout.observables for label in op.paulis.to_labels()]
        self.reading = PauliRotations(labels, self.angles.dtype)

    @property
    def num_readouts(self) -> int:
        """3n: X, Y and Z of every qubit."""
        return 3 * self.num_qubits

    @property
    def output_axis(self) -> tuple[str, str]:
        """As of QRNN."""
        return "observable (Pauli, qubit)", "expectation value"

    @property
    def output_labels(self) -> list[str]:
        """The labels of the readouts."""
        return self.readout.labels

    def start(self, batch_size: int) -> Tensor:
        """|0...0><0...0| of the history, (B, 2^(n/2), 2^(n/2)) complex."""
        size = 1 << self.num_qubits // 2
        density = torch.zeros(batch_size, size, size, dtype=self.angles.dtype.to_complex())
        density[:, 0, 0] = 1
        return density

    def prepare(self, x: Tensor) -> tuple[Tensor, Step]:
        """The angles of the encoding (B, T, n/2), and the step."""
        half = 1 << self.num_qubits // 2
        basis = torch.eye(half**2, dtype=self.angles.dtype.to_complex())
        transposed = self.ansatz(basis, self.angles)  # row x is U |x>
        unitary, inverse = transposed.T, transposed.conj()
        zero = basis.new_zeros(1, half)
        zero[0, 0] = 1

        def step(history: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
            data = self.encoding(zero.expand(len(angles), -1), angles)
            # Bits of the index: history above data.
            full = torch.einsum("bhk,bd,be->bhdke", history, data, data.conj())
            full = unitary @ full.reshape(-1, half**2, half**2) @ inverse
            return self._stagger(full), self.reading.expect_mixed(full)

        return math.pi * self.encode(x).sigmoid(), step

    def _stagger(self, full: Tensor) -> Tensor:
        """What stays: the history without its first qubit, and its last, from the data."""
        kept = 1 << self.num_qubits // 2 - 1
        shape = (len(full), kept, 2, kept, 2)  # later history, its first, later data, its first
        density = full.reshape(*shape, *shape[1:])
        density = torch.einsum("bhidjkidl->bjhlk", density)
        return density.reshape(len(full), 2 * kept, 2 * kept)

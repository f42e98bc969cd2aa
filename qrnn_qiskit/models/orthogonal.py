"""Orthogonal and unitary recurrent networks: scoRNN, and a mesh of plane rotations and phases."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from circuits.validation import require_count
from qrnn_qiskit.recurrent import Step, SteppedModel

__all__ = ["Cayley", "ScoRNN", "UnitaryMesh", "count_mesh", "count_scornn"]


class Cayley(nn.Module):
    """A trainable orthogonal matrix W = (I + A)^-1 (I - A) D (Helfrich et al., arXiv:1707.09520).

    A is skew-symmetric with d(d-1)/2 free entries. D is diagonal with the last ``num_negative``
    entries -1 and the others 1: without it, no W with an eigenvalue -1 could be reached. A is
    initialized to rotations of pairs of units by uniform angles in [0, pi/2], as in that article.
    """

    def __init__(self, size: int, num_negative: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.size = size
        self.num_negative = num_negative
        rows, columns = torch.tril_indices(size, size, -1)
        self._below = (rows, columns)
        self.entries = nn.Parameter(torch.zeros(len(rows), dtype=dtype))
        tangents = (torch.rand(size // 2, dtype=dtype) * math.pi / 4).tan()
        with torch.no_grad():
            paired = (rows == columns + 1) & (columns % 2 == 0)
            self.entries[paired] = tangents

    def forward(self) -> Tensor:
        """Return W, (d, d)."""
        skew = self.entries.new_zeros(self.size, self.size)
        skew = skew.index_put(self._below, self.entries)
        skew = skew - skew.T
        identity = torch.eye(self.size, dtype=skew.dtype)
        signs = torch.ones(self.size, dtype=skew.dtype)
        signs[self.size - self.num_negative :] = -1
        solved: Tensor = torch.linalg.solve(identity + skew, identity - skew)
        return solved * signs


class ScoRNN(SteppedModel):
    """The scaled Cayley orthogonal network (Helfrich, Willmott and Ye, arXiv:1707.09520).

    ``h_t = modReLU(V x_t + W h_(t-1))`` with an orthogonal W, and
    ``modReLU(z) = z/|z| max(0, |z| + b)``.
    Half of D is -1, as in the article for copying memory. h_0 is 0. Deviation: the article trains A
    with a separate learning rate; here all parameters share one.

    Args:
        input_size: Width E of the inputs.
        hidden_size: Number of hidden units d.
        dropout: Probability of dropping an output in training.
        dtype: ``torch.float32`` or ``torch.float64``; torch's default dtype unless given.
    """

    kind = "scornn"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, dropout)
        self.hidden_size = require_count("hidden_size", hidden_size)
        self.recurrence = Cayley(hidden_size, hidden_size // 2, dtype)
        self.input = nn.Linear(input_size, hidden_size, bias=False, dtype=dtype)
        nn.init.xavier_uniform_(self.input.weight)
        self.bias = nn.Parameter(torch.zeros(hidden_size, dtype=dtype))

    @property
    def num_readouts(self) -> int:
        """The hidden units."""
        return self.hidden_size

    def start(self, batch_size: int) -> Tensor:
        """Return zeros (B, d)."""
        return self.bias.new_zeros(batch_size, self.hidden_size)

    def prepare(self, x: Tensor) -> tuple[Tensor, Step]:
        """Return the inputs multiplied by V, and the step."""
        transposed = self.recurrence().T

        def step(hidden: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
            total = torch.addmm(drive, hidden, transposed)
            hidden = total.sign() * (total.abs() + self.bias).relu()
            return hidden, hidden

        return self.input(x), step


class UnitaryMesh(SteppedModel):
    """A unitary network whose recurrence is a mesh of G gates of one parameter each.

    The gates form layers as in the tunable networks of Jing et al. (arXiv:1612.05231): rotations of
    the pairs (0, 1), (2, 3), ...; a phase on every unit; rotations of the pairs (1, 2), (3, 4),
    ...; phases; and so on up to G gates. The rest follows Arjovsky et al.
    (arXiv:1511.06464): h_t = modReLU(V x_t + W h_(t-1)) with complex h and V; the output is the
    real and the imaginary parts.

    Args:
        input_size: Width E of the inputs.
        hidden_size: Number of complex units d, at least 2.
        num_gates: Number of gates G, that of the circuit this network is compared with.
        dropout: Probability of dropping an output in training.
        dtype: Real dtype of the parameters; torch's default dtype unless given.
    """

    kind = "unitary"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_gates: int,
        *,
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, dropout)
        self.hidden_size = require_count("hidden_size", hidden_size, minimum=2)
        self.num_gates = require_count("num_gates", num_gates)
        self.angles = nn.Parameter(torch.empty(num_gates, dtype=dtype).uniform_(-math.pi, math.pi))
        self.input = nn.Linear(input_size, 2 * hidden_size, bias=False, dtype=dtype)
        nn.init.xavier_uniform_(self.input.weight)
        self.bias = nn.Parameter(torch.zeros(hidden_size, dtype=dtype))

    @property
    def num_readouts(self) -> int:
        """Number of readouts: 2d, real and imaginary parts."""
        return 2 * self.hidden_size

    @property
    def output_labels(self) -> list[str]:
        """Labels ``Re 0`` to ``Im d-1``."""
        return [f"{part} {unit}" for part in ("Re", "Im") for unit in range(self.hidden_size)]

    def start(self, batch_size: int) -> Tensor:
        """Return zeros (B, d), complex."""
        size = (batch_size, self.hidden_size)
        return torch.zeros(size, dtype=self.angles.dtype.to_complex())

    def recurrence(self) -> Tensor:
        """Return W, (d, d) complex and unitary."""
        size = self.hidden_size
        matrix = torch.eye(size, dtype=self.angles.dtype.to_complex())
        begin = layer = 0
        while begin < self.num_gates:
            if layer % 2:
                angles = self.angles[begin : begin + size]
                factors = torch.polar(torch.ones_like(angles), angles)
                matrix = torch.cat(
                    (matrix[: len(angles)] * factors[:, None], matrix[len(angles) :])
                )
            else:
                first = 1 if layer % 4 == 2 and size > 2 else 0
                angles = self.angles[begin : begin + (size - first) // 2]
                matrix = _rotate_pairs(matrix, angles, first)
            begin += len(angles)
            layer += 1
        return matrix

    def prepare(self, x: Tensor) -> tuple[Tensor, Step]:
        """Return the inputs multiplied by V, and the step."""
        real, imaginary = self.input(x).chunk(2, -1)
        transposed = self.recurrence().T

        def step(hidden: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
            total = drive + hidden @ transposed
            # The square root has no derivative at 0, and the first total of a zero input is 0.
            size = (total.real**2 + total.imag**2 + 1e-12).sqrt()
            hidden = total * ((size + self.bias).relu() / size)
            return hidden, torch.cat((hidden.real, hidden.imag), 1)

        return torch.complex(real, imaginary), step


def _rotate_pairs(matrix: Tensor, angles: Tensor, first: int) -> Tensor:
    """Rotate the rows (first, first + 1), (first + 2, first + 3), ..., each pair by one angle."""
    end = first + 2 * len(angles)
    pairs = matrix[first:end].reshape(len(angles), 2, -1)
    cosine, sine = angles.cos()[:, None], angles.sin()[:, None]
    upper, lower = pairs[:, 0], pairs[:, 1]
    turned = torch.stack((cosine * upper - sine * lower, sine * upper + cosine * lower), 1)
    return torch.cat((matrix[:first], turned.reshape(end - first, -1), matrix[end:]))


def count_scornn(input_size: int, hidden_size: int) -> int:
    """Count the parameters of :class:`ScoRNN`: A, V and b."""
    return hidden_size * (hidden_size - 1) // 2 + hidden_size * (input_size + 1)


def count_mesh(input_size: int, hidden_size: int, num_gates: int) -> int:
    """Count the parameters of :class:`UnitaryMesh`: the gates, V and b."""
    return num_gates + hidden_size * (2 * input_size + 1)

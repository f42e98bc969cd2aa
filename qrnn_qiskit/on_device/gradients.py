"""Autograd nodes for circuits that a device has run, and the random directions of SPSA.

:func:`follow_partials` chains the partial derivatives of prefix circuits, :func:`follow_shifts`
differentiates dynamic circuits by shifts, and :func:`follow_spsa` serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qrnn_qiskit.backward import Function, once_differentiable
from qrnn_qiskit.executors.gradient_methods import GradientMethod
from qrnn_qiskit.on_device.dynamic_batch import DynamicBatch
from qrnn_qiskit.on_device.prefix_rounds import Rounds

__all__ = [
    "Directions",
    "draw_directions",
    "draw_signs",
    "follow_partials",
    "follow_shifts",
    "follow_spsa",
    "group_copies",
]


@dataclass(frozen=True)
class Directions:
    """Random directions of SPSA for B sequences; each is run by +c and by -c.

    Attributes:
        signs: (k, B, T, ..., P), each -1 or +1, or 0 for an angle that does not run; k = 0 for the
            methods without directions.
        perturbation: The step c in radians.
    """

    signs: Tensor
    perturbation: float

    @property
    def count(self) -> int:
        """The number of directions k per sequence."""
        return len(self.signs)

    @property
    def copies(self) -> int:
        """How often each sequence runs: once by itself, and twice per direction."""
        return 1 + 2 * self.count

    @property
    def offsets(self) -> Tensor:
        """Radians (2k, B, T, ..., P) to add to the angles of the copies, those by +c first."""
        return torch.cat((self.signs, -self.signs)) * self.perturbation


def draw_directions(
    method: GradientMethod | None, valid: Tensor, num_angles: int, dtype: torch.dtype
) -> Directions:
    """Draw the directions that ``method`` takes.

    Args:
        method: The gradient method; None without a gradient.
        valid: (B, T, ...) bool, whether the circuit at this place runs.
        num_angles: P of the circuit of a step.
        dtype: Of the signs.
    """
    count, perturbation = 0, 0.0
    if method is not None:
        count, perturbation = method.num_directions, method.perturbation
    signs = draw_signs((count, *valid.shape, num_angles)).to(dtype)
    return Directions(signs * valid[..., None], perturbation)


def draw_signs(shape: tuple[int, ...]) -> Tensor:
    """Random signs -1 or +1 from torch's global generator."""
    return torch.randint(0, 2, shape) * 2 - 1


def group_copies(size: int, draws: int) -> NDArray[np.int64]:
    """Group numbers of B sequences and of their copies: equal for +c and -c of a direction.

    Args:
        size: The number of sequences B.
        draws: The number of directions k per sequence.

    Returns:
        (B + 2 k B,) int64: the sequences, then the copies by +c, then those by -c.
    """
    pairs = size + np.arange(draws * size)
    return np.concatenate((np.arange(size), pairs, pairs))


class _Partials(Function):
    @staticmethod
    def forward(ctx: Any, angles: Tensor, rounds: Rounds, step: int) -> Tensor:
        ctx.rounds, ctx.step, ctx.width = rounds, step, angles.shape[1]
        return rounds.read(step, angles.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        pulled = ctx.rounds.pull(ctx.step, gradient.double().numpy(), ctx.width)
        return torch.from_numpy(pulled).to(gradient.dtype), None, None


class _Shifts(Function):
    @staticmethod
    def forward(
        ctx: Any, tables: Tensor, batch: DynamicBatch, with_history: bool
    ) -> tuple[Tensor, Tensor]:
        ctx.batch, ctx.with_history = batch, with_history
        return _convert(batch.outcomes, tables), _convert(batch.values, tables)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        outcomes, values = (gradient.double().numpy() for gradient in gradients)
        pulled = ctx.batch.pull(outcomes, values, with_history=ctx.with_history)
        return torch.from_numpy(pulled).to(gradients[0].dtype), None, None


class _Spsa(Function):
    @staticmethod
    def forward(
        ctx: Any, angles: Tensor, measured: Sequence[NDArray[np.float64]], directions: Directions
    ) -> tuple[Tensor, ...]:
        count = directions.count
        found, differences = [], []
        for values in measured:
            centre, *copies = _convert(values, angles).chunk(directions.copies)
            found.append(centre.clone())
            differences.append(torch.stack(copies[:count]) - torch.stack(copies[count:]))
        ctx.save_for_backward(directions.signs, *differences)
        ctx.perturbation = directions.perturbation
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        signs, *differences = ctx.saved_tensors
        slopes = []
        for gradient, difference in zip(gradients, differences, strict=True):
            axes = "tk"[: gradient.dim() - 1]
            slopes.append(torch.einsum(f"b{axes},jb{axes}->jb", gradient, difference))
        slope = torch.stack(slopes).sum(0) / (2.0 * ctx.perturbation)
        pulled: Tensor = torch.einsum("jb,jb...->b...", slope, signs) / len(signs)
        return pulled, None, None


def follow_partials(angles: Tensor, rounds: Rounds, step: int) -> Tensor:
    """The readouts (B, K) of a round, with partial derivatives with respect to all earlier angles.

    The angles so far are (B, S, P).

    Torch chains these derivatives, each taken with the other angles fixed, through the controller
    to the total derivative. With parameter shift the first backward runs every angle of every
    prefix in one job; with "simulator" it simulates the noiseless prefixes at the same angles.
    """
    readouts: Tensor = _Partials.apply(angles, rounds, step)
    return readouts


def follow_shifts(
    tables: Tensor, batch: DynamicBatch, *, with_history: bool
) -> tuple[Tensor, Tensor]:
    """Outcomes (B, T, 2^m) and readouts (B, K), differentiated by the tables in one more job.

    All angles are known before the job runs, so the derivatives with respect to ``tables``
    (B, S, 2^m, P) are total. Torch chains them through the controller, which is evaluated for each
    outcome.
    """
    found: tuple[Tensor, Tensor] = _Shifts.apply(tables, batch, with_history)
    return found


def follow_spsa(
    angles: Tensor, measured: Sequence[NDArray[np.float64]], directions: Directions
) -> tuple[Tensor, ...]:
    """The measured values of B sequences with the gradient of SPSA.

    Each sequence and direction has the gradient (L_+ - L_-) / (2 c) times the direction, with
    (dL/d values) . (values_+ - values_-) for L_+ - L_-. This adds no bias beyond the O(c^2) of
    SPSA, for any head and loss. The copies ran with the feedback of their own readouts, so it is a
    total derivative: the controller must have received detached readouts.

    Args:
        angles: (B, T, ..., P) radians, the angles to differentiate by.
        measured: Arrays (B + 2 k B, ...): the sequences, their copies by +c, then those by -c.
        directions: The k directions.

    Returns:
        The values (B, ...) of each array.
    """
    values: tuple[Tensor, ...] = _Spsa.apply(angles, measured, directions)
    return values


def _convert(values: NDArray[np.float64], like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like.dtype)

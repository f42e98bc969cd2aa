"""Gradients through a replay: by parameter shift, by the simulator, or by SPSA in closed loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qrnn_qiskit.backward import once_differentiable
from qrnn_qiskit.on_device.prefix_rounds import Rounds

__all__ = ["draw_signs", "follow_partials", "follow_spsa", "group_copies"]


def draw_signs(shape: tuple[int, ...]) -> Tensor:
    """Random directions of SPSA: -1 or +1, from torch's global generator."""
    return torch.randint(0, 2, shape) * 2 - 1


def group_copies(size: int, draws: int) -> NDArray[np.int64]:
    """Numbers of the B sequences, then of their copies by +c and by -c, equal in each pair."""
    pairs = size + np.arange(draws * size)
    return np.concatenate((np.arange(size), pairs, pairs))


class _Partials(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, angles: Tensor, rounds: Rounds, step: int) -> Tensor:
        ctx.rounds, ctx.step, ctx.width = rounds, step, angles.shape[1]
        return rounds.read(step, angles.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        pulled = ctx.rounds.pull(ctx.step, gradient.double().numpy(), ctx.width)
        return torch.from_numpy(pulled).to(gradient.dtype), None, None


class _Spsa(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, angles: Tensor, rounds: Rounds, signs: Tensor, step: float) -> Tensor:
        values = torch.from_numpy(rounds.values).to(angles.dtype)
        centre, *copies = values.chunk(1 + 2 * len(signs))
        draws = len(signs)
        ctx.save_for_backward(torch.stack(copies[:draws]) - torch.stack(copies[draws:]), signs)
        ctx.step = step
        return centre.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        differences, signs = ctx.saved_tensors
        slopes = torch.einsum("btk,jbtk->jb", gradient, differences) / (2.0 * ctx.step)
        pulled: Tensor = torch.einsum("jb,jbtp->btp", slopes, signs) / len(signs)
        return pulled, None, None, None


def follow_partials(angles: Tensor, rounds: Rounds, step: int) -> Tensor:
    """The readouts (B, K) of a round with their partial derivatives by all angles so far (B, S, P).

    Torch chains these derivatives, at fixed other angles, through the controller to the total
    derivative. Parameter shift runs every angle of every prefix in one job in the first backward;
    the simulator runs the noiseless prefix at the same angles.
    """
    readouts: Tensor = _Partials.apply(angles, rounds, step)
    return readouts


def follow_spsa(angles: Tensor, rounds: Rounds, signs: Tensor, perturbation: float) -> Tensor:
    """The readouts (B, T, K) of all rounds, whose gradient by the angles (B, T, P) is SPSA's.

    The k directions ``signs`` (k, B, T, P) were run forth and back beside the sequences, feedback
    included. With output_+ and output_- of a direction the gradient is
    (dL/d output) . (output_+ - output_-) / (2 c) times the direction, for each sequence by itself:
    (L_+ - L_-) / (2 c) up to the c^2 that SPSA has as its bias, whatever head and loss follow.
    It is a total derivative, so the controller must have seen detached readouts.
    """
    output: Tensor = _Spsa.apply(angles, rounds, signs, perturbation)
    return output

"""Linear networks with a diagonal recurrence: the linear recurrent unit and a state-space layer.

Both are banks of d damped oscillators, ``h_t = lambda h_(t-1) + b_t`` with complex h and a drive
b_t linear in the input. They show what a bank of filters does without qubits.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from circuits.errors import InvalidValueError
from circuits.validation import require_count
from qrnn_qiskit.batch_random import Dropout
from qrnn_qiskit.checks import check_batch, check_number
from qrnn_qiskit.controller import INPUT_GAIN, resolve_frequencies
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.recurrent import RecurrentModel, recall_memory

__all__ = ["LRU", "DiagonalModel", "DiagonalSSM", "Recurrence"]

_DECAY = 1e-4  # at the start of DiagonalSSM: after 1,000 steps 90 % of an input is left


class Recurrence(torch.autograd.Function):
    """``h_t = factor h_(t-1) + drive_t`` for all steps, with ``h_0 = 0`` before the first one.

    One operation in place for each step, forward and backward. A scan by chunks needs only sqrt(T)
    operations in a row, but it and autograd's own records of T steps pass over all states several
    times, which takes longer on a CPU. Nothing is divided: no power of a factor overflows.

    Args:
        factor: (d,) complex.
        drive: (T, B, 2d), the real and the imaginary part of each entry in turn. It is overwritten.

    Returns:
        The states (T, B, 2d), in the same order.
    """

    @staticmethod
    def forward(factor: Tensor, drive: Tensor) -> Tensor:
        """Run all steps."""
        for before, after in pairwise(_pair(drive).unbind()):
            after.addcmul_(factor, before)
        return drive

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Keep the states for the gradient of the factor."""
        ctx.mark_dirty(output)
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Run the adjoint recurrence from the last step to the first."""
        factor, states = ctx.saved_tensors
        conjugate = factor.conj().resolve_conj()
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        moments = zip(pairwise(_pair(gradient).unbind()), _pair(states).unbind(), strict=False)
        of_factor = torch.zeros_like(_pair(states[0]))
        for (before, after), state in reversed(list(moments)):
            of_factor.addcmul_(after, state.conj())
            before.addcmul_(conjugate, after)
        return of_factor.sum(0), gradient


def _pair(values: Tensor) -> Tensor:
    """View (..., 2d) real numbers as (..., d) complex ones."""
    return torch.view_as_complex(values.view(*values.shape[:-1], -1, 2))


class DiagonalModel(RecurrentModel):
    """A bank of d oscillators; output and readouts are the real and imaginary part of each in turn.

    The read-out matrix of these layers is that of the head: a matrix in between would add
    parameters and no expressive power. Without a nonlinearity the readouts are a linear function
    of the inputs.

    Args:
        input_size: Width E of the inputs.
        hidden_size: Number of oscillators d.
        dropout: Probability of dropping an output in training.
        dtype: Real dtype of the parameters; torch's default dtype unless given.
    """

    def __init__(
        self, input_size: int, hidden_size: int, dropout: float, dtype: torch.dtype | None
    ) -> None:
        super().__init__()
        self.input_size = require_count("input_size", input_size)
        self.hidden_size = require_count("hidden_size", hidden_size)
        check_number("dropout", dropout, minimum=0.0, below=1.0)
        self.input = nn.Parameter(torch.empty(2 * hidden_size, input_size, dtype=dtype))
        self.dropout = Dropout(dropout)

    @abstractmethod
    def exponents(self) -> Tensor:
        """Return the logarithms of the eigenvalues lambda, (d,) complex."""

    @abstractmethod
    def repeated(self) -> list[nn.Parameter]:
        """List the parameters that act on the state in every step."""

    def weight(self) -> Tensor:
        """Return the map from inputs to states, (2d, E), rows in the order of the readouts."""
        return self.input

    @staticmethod
    @abstractmethod
    def count(input_size: int, hidden_size: int) -> int:
        """Return the number of trainable parameters of this size."""

    @property
    def num_readouts(self) -> int:
        """Number of readouts: 2d, real and imaginary parts."""
        return 2 * self.hidden_size

    def forward(
        self, x: Tensor, state: HiddenState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, HiddenState]:
        """Run sequences; see :meth:`RecurrentModel.forward`."""
        ends = check_batch(x, lengths, self.input_size, self.input.dtype)
        batch_size, steps = x.shape[:2]
        factor = self.exponents().exp()
        drive = nn.functional.linear(x.transpose(0, 1), self.weight())
        if state is not None:
            memory = recall_memory(state, (batch_size, 2 * self.hidden_size))
            carried = torch.view_as_real(factor * _pair(memory)).flatten(1)
            drive = torch.cat(((drive[0] + carried)[None], drive[1:]))
        states = Recurrence.apply(factor, drive)
        last = torch.tensor([steps] * batch_size if ends is None else ends)
        memory = states[last - 1, torch.arange(batch_size)]
        output = states.transpose(0, 1)
        if ends is not None:
            output = output * (torch.arange(steps) < last[:, None])[..., None]
        dropped = self.dropout(output)
        readouts = memory if dropped is output else dropped[torch.arange(batch_size), last - 1]
        return dropped, HiddenState(readouts, memory=memory)


class LRU(DiagonalModel):
    """The linear recurrent unit (Orvieto et al., arXiv:2303.06349).

    ``h_t = lambda h_(t-1) + gamma B x_t`` with ``lambda = exp(-exp(nu) + i exp(theta))``, so that
    ``|lambda|`` stays below 1, and a trained gamma that starts as ``sqrt(1 - |lambda|^2)``.
    Deviations from the article: one layer, without the gated network that follows each layer there;
    the matrices C and D are left to the head, which does not see the input.

    Args:
        input_size, hidden_size, dropout, dtype: As in :class:`DiagonalModel`.
        radius: ``|lambda|`` starts between these two, uniformly on the ring.
        max_phase: The phases of lambda start between 0 and this, in radians per step.

    Raises:
        TypeError, ValueError: An argument is out of range.
    """

    kind = "lru"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        radius: Sequence[float] = (0.9, 0.999),
        max_phase: float = 2 * math.pi,
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, dropout, dtype)
        low, high = _check_radius(radius)
        check_number("max_phase", max_phase, minimum=1e-6)
        chosen, turned = torch.rand(2, hidden_size, dtype=dtype).clamp(min=1e-6)
        squares = low**2 + chosen * (high**2 - low**2)
        self.nu = nn.Parameter((-squares.log() / 2).log())
        self.theta = nn.Parameter((max_phase * turned).log())
        self.gamma = nn.Parameter((1 - squares).log() / 2)  # its logarithm
        nn.init.normal_(self.input, std=1 / math.sqrt(2 * input_size))

    def exponents(self) -> Tensor:
        """Return log lambda, (d,) complex."""
        return torch.complex(-self.nu.exp(), self.theta.exp())

    def repeated(self) -> list[nn.Parameter]:
        """List nu and theta."""
        return [self.nu, self.theta]

    def weight(self) -> Tensor:
        """Return gamma B, (2d, E)."""
        return self.input * self.gamma.exp().repeat_interleave(2)[:, None]

    @staticmethod
    def count(input_size: int, hidden_size: int) -> int:
        """Count the parameters: nu, theta, gamma and B."""
        return hidden_size * (3 + 2 * input_size)


class DiagonalSSM(DiagonalModel):
    """A diagonal state-space layer with the oscillator start of QRNN.

    ``h_t = exp(-exp(nu) + i omega) h_(t-1) + B x_t`` with trained nu, omega and B, as in the
    diagonal layers of Gu et al. (arXiv:2206.11893) with a time step of 1. At the start of
    :mod:`qrnn_qiskit.controller.starts` a qubit collects the same sum of
    x_t exp(i omega (T - t)) to first order in B, so that this network is QRNN without its
    saturation, entanglers and feedback.
    Almost nothing is forgotten at the start: ``|lambda|`` is exp(-0.0001).

    Args:
        input_size, hidden_size, dropout, dtype: As in :class:`DiagonalModel`.
        frequencies: omega in radians per step, of d oscillators in place of n qubits; see
            :func:`~qrnn_qiskit.controller.resolve_frequencies`.
        input_gain: Root mean square of B; 0.05 by default.

    Raises:
        TypeError, ValueError: An argument is out of range.
    """

    kind = "ssm"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        frequencies: str | ArrayLike | None = None,
        input_gain: float | None = None,
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, dropout, dtype)
        gain = INPUT_GAIN if input_gain is None else input_gain
        check_number("input_gain", gain, minimum=0.0)
        found = resolve_frequencies(frequencies, hidden_size)
        self.omega = nn.Parameter(torch.tensor(found, dtype=dtype))
        self.nu = nn.Parameter(torch.full((hidden_size,), math.log(_DECAY), dtype=dtype))
        with torch.no_grad():
            weights = self.input.normal_()
            weights *= gain / weights.square().mean().sqrt()

    def exponents(self) -> Tensor:
        """Return log lambda, (d,) complex."""
        return torch.complex(-self.nu.exp(), self.omega)

    def repeated(self) -> list[nn.Parameter]:
        """List nu and omega."""
        return [self.nu, self.omega]

    @staticmethod
    def count(input_size: int, hidden_size: int) -> int:
        """Count the parameters: nu, omega and B."""
        return hidden_size * (2 + 2 * input_size)


def _check_radius(radius: Sequence[float]) -> tuple[float, float]:
    if len(radius) != 2:
        raise InvalidValueError(
            f"expected radius as two numbers, the least and the largest |lambda|, got {radius!r}"
        )
    low, high = radius
    check_number("radius[0]", low, minimum=0.0, below=1.0)
    check_number("radius[1]", high, minimum=0.0, below=1.0)
    if not 0.0 <= low < high:
        raise InvalidValueError(
            f"expected radius to increase, from the least |lambda| to the largest, got {radius!r}"
        )
    return float(low), float(high)

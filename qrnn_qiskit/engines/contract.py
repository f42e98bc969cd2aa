"""The types that every engine takes and returns, and the conventions that all engines share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

# Kinds of controllers as the kernels number them. GIVEN: there is no controller, the angles are an
# input of the kernel.
GIVEN, LINEAR, RELU, GELU, GLU = 0, 1, 2, 3, 4

# The kind of each activation by its public name.
KINDS = {"linear": LINEAR, "relu": RELU, "gelu": GELU, "glu": GLU}

# Rounded cosines and sines make a step not quite unitary: at constant angles every step changes the
# norm by the same factor, and the error grows with the number of steps. States are therefore scaled
# to norm 1 once in this many steps, forward and backward. Readouts are divided by the squared norm
# in every step, which costs nothing: their kernels compute it anyway.
NORM_STEPS = 8


class ControllerWeights(NamedTuple):
    """The standard controller, theta = output act(first [x ; z] + first_bias) + output_bias.

    W is the width of the first layer and H that of the hidden layer: W = 2 H for "glu", W = H for
    "relu" and "gelu", W = P for "linear", which has no hidden layer. Where R > 1 registers run side
    by side, R is the first axis of each tensor.

    Attributes:
        activation: "linear" (theta = first [x ; z] + first_bias), "relu", "gelu" or "glu".
        dropout: Probability of dropping a hidden unit.
        first: Weights (W, E + K) of the first layer, or (W, E) without feedback.
        first_bias: Its biases (W,).
        output: Weights (P, H) of the output layer, or None for "linear".
        output_bias: Its biases (P,) in radians, or None for "linear".
    """

    activation: str
    dropout: float
    first: Tensor
    first_bias: Tensor
    output: Tensor | None
    output_bias: Tensor | None

    def select(self, register: int) -> ControllerWeights:
        """Return the weights of one of several registers."""
        return self._replace(
            first=self.first[register],
            first_bias=self.first_bias[register],
            output=None if self.output is None else self.output[register],
            output_bias=None if self.output_bias is None else self.output_bias[register],
        )


def count_registers(first: Tensor | None) -> int:
    """Return R, the number of registers whose first weights are in one tensor."""
    return first.shape[0] if isinstance(first, Tensor) and first.dim() == 3 else 1


class Recurrence(NamedTuple):
    """The results of a run of the recurrence.

    Where R > 1 registers run side by side, readouts and angles are R times as wide, register 0
    first.

    Attributes:
        output: Readouts (B, T, K) of every step; past the end of a sequence they have no meaning.
        readouts: Readouts (B, K) at the end of each sequence.
        vector: The states (B, 2^n) at the end of each sequence, complex, bit q of the index being
            qubit q; (B, R, 2^n) for R > 1.
        theta: Angles (B, T, P) in radians, without gradient; None unless requested.
    """

    output: Tensor
    readouts: Tensor
    vector: Tensor
    theta: Tensor | None


class Kept(NamedTuple):
    """The amount of numbers of a controller, that of one register, that backward needs.

    Attributes:
        of_step: Numbers per step of a sequence.
        of_block: Numbers per block of sequences, one for each weight of the controller.
    """

    of_step: int = 0
    of_block: int = 0


NOTHING_KEPT = Kept()


def real_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    """Return the NumPy dtype of torch.float32 or torch.float64."""
    return np.dtype("float32" if dtype == torch.float32 else "float64")

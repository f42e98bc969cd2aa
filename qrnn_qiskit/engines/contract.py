"""What every engine takes and returns, and the conventions that all engines share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

# Kinds of controllers; GIVEN is none, for angles that are there already.
GIVEN, LINEAR, RELU, GELU, GLU = 0, 1, 2, 3, 4

# Of activations, as the kernels have them.
KINDS = {"linear": LINEAR, "relu": RELU, "gelu": GELU, "glu": GLU}

# Rounded cosines and sines make every step change the norm by the same tiny factor; it is set to 1
# once in so many steps. Readouts are divided by the norm in every step.
NORM_STEPS = 8


class ControllerWeights(NamedTuple):
    """The standard controller, theta = output act(first [x ; z] + first_bias) + output_bias.

    Attributes:
        activation: "linear" (theta = first [x ; z] + first_bias), "relu", "gelu" or "glu".
        dropout: Probability of dropping a hidden unit.
        first: (W, E + K), or (W, E) for no feedback.
        first_bias: (W,).
        output: (P, H), or None for "linear".
        output_bias: (P,), or None for "linear".
    """

    activation: str
    dropout: float
    first: Tensor
    first_bias: Tensor
    output: Tensor | None
    output_bias: Tensor | None


class Recurrence(NamedTuple):
    """What a run of the recurrence returns.

    Attributes:
        output: (B, T, K) readouts of every step; past a sequence's end they mean nothing.
        readouts: (B, K) readouts at each sequence's end.
        vector: (B, 2^n) complex, the state at each sequence's end.
        theta: (B, T, P) angles in radians, without gradient, where they were asked for.
    """

    output: Tensor
    readouts: Tensor
    vector: Tensor
    theta: Tensor | None


class Kept(NamedTuple):
    """Numbers that backward needs of a controller.

    Attributes:
        of_step: For each step of each sequence.
        of_block: For each block of sequences: as many as the controller's weights.
    """

    of_step: int = 0
    of_block: int = 0


NOTHING_KEPT = Kept()


def real_dtype(dtype: torch.dtype) -> np.dtype[Any]:
    """NumPy's name of torch.float32 or torch.float64."""
    return np.dtype("float32" if dtype == torch.float32 else "float64")

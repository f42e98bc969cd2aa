"""The classical controller: a feedforward network from input and readouts to circuit angles."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS = ("linear", "relu", "gelu", "glu")


class Controller(nn.Module):
    """Map [x_t ; feedback] to the P angles of one step.

    This is theta_t = f(e_t, z_(t-1)) of arXiv:2510.25557.

    Args:
        input_size: Width E of x_t.
        feedback_size: Width of the feedback (K readouts, m bits, or 0).
        num_angles: P.
        hidden_size: Width of the hidden layer; unused by ``linear``.
        activation: "linear" (one affine map), "relu", "gelu" or "glu".
        dropout: Probability of dropping a hidden unit, in training mode.
        feedback_gain: Factor on the initial weights of the feedback. The feedback loop is what
            makes gradients explode over long sequences, so long tasks start it small.
        angle_gain: Factor on the initial weights of the output layer.
    """

    def __init__(
        self,
        input_size: int,
        feedback_size: int,
        num_angles: int,
        *,
        hidden_size: int = 32,
        activation: str = "gelu",
        dropout: float = 0.0,
        feedback_gain: float = 1.0,
        angle_gain: float = 1.0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.feedback_size = feedback_size
        self.activation = activation
        self.dropout = dropout
        width = input_size + feedback_size
        self.layers: nn.Sequential
        if activation == "linear":
            first = last = nn.Linear(width, num_angles, dtype=dtype, device=device)
            self.layers = nn.Sequential(last)
        else:
            gated = 2 if activation == "glu" else 1
            first = nn.Linear(width, gated * hidden_size, dtype=dtype, device=device)
            last = nn.Linear(hidden_size, num_angles, dtype=dtype, device=device)
            nonlinear = {"relu": nn.ReLU, "gelu": nn.GELU, "glu": nn.GLU}[activation]()
            self.layers = nn.Sequential(first, nonlinear, nn.Dropout(dropout), last)
        with torch.no_grad():
            first.weight[:, input_size:] *= feedback_gain
            last.weight *= angle_gain

    def forward(self, inputs: Tensor) -> Tensor:
        """Return angles (..., P) in radians for inputs (..., E + feedback)."""
        angles: Tensor = self.layers(inputs)
        return angles

    def drive(self, x: Tensor) -> Tensor:
        """Return the first layer without feedback, (..., W), for inputs (..., E)."""
        first = self._first
        return functional.linear(x, first.weight[:, : self.input_size], first.bias)

    @property
    def feedback_weight(self) -> Tensor:
        """(W, feedback), the part of the first layer that reads the feedback."""
        return self._first.weight[:, self.input_size :]

    @property
    def output_layer(self) -> tuple[Tensor | None, Tensor | None]:
        """Weight (P, H) and bias (P,) from the hidden layer to the angles; None for ``linear``."""
        if self.activation == "linear":
            return None, None
        last = self.layers[-1]
        return last.weight, last.bias  # type: ignore[return-value]

    def draw_masks(self, batch_size: int, num_steps: int) -> Tensor | None:
        """Draw the dropout factors (B, T, H) of a sequence; None where nothing is dropped."""
        weight, _ = self.output_layer
        if weight is None or not self.training or self.dropout == 0.0:
            return None
        return functional.dropout(
            weight.new_ones(batch_size, num_steps, weight.shape[1]), self.dropout
        )

    @property
    def _first(self) -> nn.Linear:
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        return first

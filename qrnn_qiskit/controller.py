"""The classical controller: a feedforward network from input and readouts to circuit angles."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qrnn_qiskit.batch_random import Dropout
from qrnn_qiskit.engines.contract import NOTHING_KEPT, ControllerWeights, Kept

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
            self.layers = nn.Sequential(first, nonlinear, Dropout(dropout), last)
        self._built = tuple(self.layers)
        # Asked for in every call: their dictionaries stay, whatever is registered.
        self._hooks = [
            hooks
            for module in (self, self.layers, *self._built)
            for hooks in (
                module._forward_pre_hooks,
                module._forward_hooks,
                module._backward_pre_hooks,
                module._backward_hooks,
            )
        ]
        with torch.no_grad():
            first.weight[:, input_size:] *= feedback_gain
            last.weight *= angle_gain
        # For backward: the input, and of a hidden layer its values and their derivatives by the
        # first layer, with dropout its factors as drawn and as laid out; then the sums of what
        # belongs to each weight.
        factors = 2 * hidden_size if dropout > 0.0 else 0
        hidden = 0 if first is last else hidden_size + first.out_features + factors
        self.kept = Kept(
            of_step=width + hidden,
            of_block=sum(parameter.numel() for parameter in self.parameters()),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return angles (..., P) in radians for inputs (..., E + feedback)."""
        angles: Tensor = self.layers(inputs)
        return angles

    @property
    def keeps_layers(self) -> bool:
        """Whether the layers are those of the constructor, and :meth:`weights` theirs."""
        layers = self._modules["layers"]  # every call asks, and an attribute is found slowly
        return type(layers) is nn.Sequential and tuple(layers._modules.values()) == self._built

    def find_weights(self) -> ControllerWeights | None:
        """The weights, where they tell all that :meth:`forward` does.

        So they do if the layers are those of the constructor, without hooks on any of them.
        """
        return None if any(self._hooks) or not self.keeps_layers else self.weights()

    @property
    def first(self) -> Tensor:
        """The constructor's first weight, which has the dtype and the device of all."""
        weight: Tensor = self._built[0].weight  # type: ignore[assignment]
        return weight

    def weights(self) -> ControllerWeights:
        """The constructor's layers, as the compiled recurrence takes them.

        Dropout is 0 outside of training.
        """
        first, last = self._built[0], self._built[-1]
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        is_linear = self.activation == "linear"
        dropout = 0.0
        if not is_linear:
            dropping = self._built[2]
            assert isinstance(dropping, nn.Dropout)
            dropout = dropping.p if dropping.training else 0.0
        return ControllerWeights(
            activation=self.activation,
            dropout=dropout,
            first=first.weight,
            first_bias=first.bias,
            output=None if is_linear else last.weight,
            output_bias=None if is_linear else last.bias,
        )


def count_kept(controller: nn.Module) -> Kept:
    """Numbers of a controller that backward needs; 0 of one's own, which does not tell."""
    return controller.kept if isinstance(controller, Controller) else NOTHING_KEPT

"""The classical controller: a feedforward network from input and readouts to circuit angles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as of_all

from circuits.validation import require_count, require_name
from qrnn_qiskit.batch_random import Dropout
from qrnn_qiskit.checks import check_number
from qrnn_qiskit.engines.contract import NOTHING_KEPT, ControllerWeights, Kept

ACTIVATIONS = ("linear", "relu", "gelu", "glu")

# The hooks on all modules of the process: only the entries of these dictionaries ever change.
_HOOKS_OF_ALL = [
    of_all._global_forward_pre_hooks,
    of_all._global_forward_hooks,
    of_all._global_backward_pre_hooks,
    of_all._global_backward_hooks,
]
_CALL, _INNER_CALL = nn.Module.__call__, nn.Module._call_impl


class Controller(nn.Module):
    """Map [x_t ; feedback] to the P angles of one step.

    This is theta_t = f([e_t ; z_(t-1)]) of arXiv:2510.25557.

    Args:
        input_size: Width E of x_t.
        feedback_size: Width of the feedback (K readouts, m bits, or 0).
        num_angles: P.
        hidden_size: Width of the hidden layer; None for no hidden layer, as with "linear".
        activation: "linear" (one affine map), "relu", "gelu" or "glu".
        dropout: Probability of dropping a hidden unit, in training mode.
        feedback_gain: Factor on the initial weights of the feedback. The feedback loop makes
            gradients of long sequences explode, so long tasks start it small.
        angle_gain: Factor on the initial weights of the output layer.
        dtype: Dtype of the weights.
        device: Torch device of the weights.

    Raises:
        TypeError, ValueError: An unknown activation, or a number out of range.
    """

    def __init__(
        self,
        input_size: int,
        feedback_size: int,
        num_angles: int,
        *,
        hidden_size: int | None = 32,
        activation: str = "gelu",
        dropout: float = 0.0,
        feedback_gain: float = 1.0,
        angle_gain: float = 1.0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        activation = require_name("activation", activation, ACTIVATIONS)
        if hidden_size is None:
            activation, hidden_size = "linear", 1
        require_count("controller_hidden", hidden_size)
        check_number("dropout", dropout, minimum=0.0, below=1.0)
        check_number("feedback_gain", feedback_gain)
        check_number("angle_gain", angle_gain)
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
        with torch.no_grad():
            first.weight[:, input_size:] *= feedback_gain
            last.weight *= angle_gain
        # Numbers kept for the backward pass. Of each step: the input; with a hidden layer, its
        # values and their derivatives with respect to the first layer; with dropout, its factors as
        # drawn and as laid out. Of each block of sequences: a sum for each weight.
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
        """Whether the layers are still those of the constructor, so that :meth:`weights` holds."""
        layers = self._modules["layers"]  # in every call, and attributes of modules are slow
        return type(layers) is nn.Sequential and tuple(layers._modules.values()) == self._built

    def find_weights(self) -> ControllerWeights | None:
        """Return the weights if they determine :meth:`forward`, otherwise None.

        They do where the layers are those of the constructor and nothing about them has changed:
        their classes, their ``forward``, the form of the activation, weights that are plain
        tensors, and no hook on any of them or on all modules of the process.
        """
        if any(_HOOKS_OF_ALL) or nn.Module.__call__ is not _CALL:
            return None
        if nn.Module._call_impl is not _INNER_CALL or not self.keeps_layers:
            return None
        for module in (self, self._modules["layers"], *self._built):
            assert module is not None
            if not is_plain(module, _FORWARDS.get(type(module))):
                return None
        weights = self.weights()
        given = weights[2:] if len(self._built) > 1 else weights[2:4]
        for weight in given:
            if type(weight) is not nn.Parameter and type(weight) is not Tensor:
                return None  # a missing bias, a parametrization, a tensor subclass
        return weights if weights.activation else None

    @property
    def first(self) -> Tensor:
        """The constructor's first weight, which has the dtype and the device of them all."""
        first = self._built[0]
        weight: Any = first._parameters.get("weight")
        if weight is None:  # a parametrization computes it
            weight = first.weight
        return weight  # type: ignore[no-any-return]

    def weights(self) -> ControllerWeights:
        """Return the constructor's layers in the form that the compiled recurrence takes.

        Dropout is 0 outside of training.
        """
        # Modules look their parameters up slowly, and every call comes here.
        first: Any = self._built[0]._parameters
        if len(self._built) == 1:
            return ControllerWeights(
                "linear", 0.0, first.get("weight"), first.get("bias"), None, None
            )
        _, nonlinear, dropping, last = self._built
        assert isinstance(dropping, nn.Dropout)
        return ControllerWeights(
            _name_activation(nonlinear),
            dropping.p if dropping.training else 0.0,
            first.get("weight"),
            first.get("bias"),
            last._parameters.get("weight"),
            last._parameters.get("bias"),
        )


# The forward of each class as torch defines it: another one may have taken its place since.
_FORWARDS: dict[type, Callable[..., Any]] = {
    kind: kind.forward
    for kind in (Controller, nn.Sequential, nn.Linear, nn.ReLU, nn.GELU, nn.GLU, Dropout)
}


def is_plain(module: nn.Module, forward: Callable[..., Any] | None) -> bool:
    """Return whether a module has no hooks and still computes ``forward``, that of its class."""
    own, kind = module.__dict__, type(module)
    return not (
        own["_forward_hooks"]
        or own["_forward_pre_hooks"]
        or own["_backward_hooks"]
        or own["_backward_pre_hooks"]
        or "forward" in own
        or kind.forward is not forward
    )


def _name_activation(module: nn.Module) -> str:
    """Return the name of an activation that the kernels compute, or "" for any other."""
    kind = type(module)
    if kind is nn.GELU:
        return "gelu" if module.approximate == "none" else ""
    if kind is nn.GLU:
        return "glu" if module.dim == -1 else ""
    return "relu" if kind is nn.ReLU else ""


def count_kept(controller: nn.Module) -> Kept:
    """Count the numbers of a controller, or of one register's, that the backward pass keeps.

    They are 0 for a custom module.
    """
    kept = getattr(controller, "kept", None)
    return kept if isinstance(kept, Kept) else NOTHING_KEPT

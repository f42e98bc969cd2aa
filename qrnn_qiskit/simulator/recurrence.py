"""The whole recurrence of the standard controller as one differentiable torch operation.

Forward keeps the last state only; backward undoes it step by step, together with the adjoint state
(the derivative of the loss by the amplitudes). Memory is inputs, angles, readouts and controller
activations of all steps with their derivatives, and three states whatever the number of steps.

What lies between input and readouts is in the compiled call, and nothing here is done step by step:
a short sequence costs little more than the few torch operations around it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from qrnn_qiskit.draws import Draws
from qrnn_qiskit.simulator.engine import Simulator
from qrnn_qiskit.simulator.lanes import allocate_pair
from qrnn_qiskit.simulator.network import GELU, GLU, LINEAR, RELU

_KINDS = {"linear": LINEAR, "relu": RELU, "gelu": GELU, "glu": GLU}
_NO_RESIDUAL = np.zeros((0, 0))


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
        theta: (B, T, P) angles in radians, without gradient.
    """

    output: Tensor
    readouts: Tensor
    vector: Tensor
    theta: Tensor


def run_recurrence(
    simulator: Simulator,
    weights: ControllerWeights,
    x: Tensor,
    readouts: Tensor,
    vector: Tensor | None,
    ends: list[int] | None,
) -> Recurrence:
    """Run controller and circuit over all steps.

    Args:
        simulator: The compiled step.
        weights: The controller.
        x: (B, T, E) inputs.
        readouts: (B, K) readouts of the first state, the feedback of the first step.
        vector: (B, 2^n) complex first states, or None for |0...0>.
        ends: The last valid step of each sequence, counted from 1, or None for T.
    """
    output, vector, theta = _Recurrence.apply(simulator, ends, vector, x, readouts, *weights)
    if ends is None:
        final = output[:, -1].clone()  # a state is of its own: who changes the output keeps it
    else:
        final = output[torch.arange(len(x)), torch.tensor(ends) - 1]
    return Recurrence(output, final, vector, theta)


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        simulator: Simulator,
        ends: list[int] | None,
        vector: Tensor | None,
        x: Tensor,
        readouts: Tensor,
        activation: str,
        dropout: float,
        first: Tensor,
        first_bias: Tensor,
        *outer: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, steps, width = x.shape
        network = simulator.make_network(
            _KINDS[activation],
            width,
            first.detach().numpy(),
            first_bias.detach().numpy(),
            *(None if weight is None else weight.detach().numpy() for weight in outer),
        )
        trace = simulator.allocate_trace(network, batch, steps)
        trace.inputs[:, :, :width] = x.detach().numpy()
        if trace.inputs.shape[2] > width:
            trace.inputs[:, 0, width:] = readouts.detach().numpy()
        drops = dropout > 0.0 and network.kind != LINEAR
        if drops:
            factors = torch.from_numpy(trace.hidden)
            factors.copy_(Draws().keep(steps, factors[:, 0], dropout).transpose(0, 1))
        states = simulator.pack(vector, batch)
        last_steps = np.full(batch, steps) if ends is None else np.asarray(ends, np.int64)
        last = np.empty((batch, 2 << simulator.num_qubits), simulator.real)
        simulator.run(states, _NO_RESIDUAL, network, last_steps, trace, last, drops)
        ctx.simulator, ctx.network, ctx.ends = simulator, network, last_steps
        ctx.set_materialize_grads(False)
        theta, *saved, values = map(torch.from_numpy, trace)
        ctx.mark_non_differentiable(theta)
        # The network is a view of the weights; saved as themselves, torch sees when they change.
        ctx.save_for_backward(first, outer[0], theta, *saved, torch.from_numpy(states))
        return values, simulator.view_complex(last), theta

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, by_values: Tensor | None, by_vector: Tensor | None, _theta: None
    ) -> tuple[Tensor | None, ...]:
        first, _output, theta, inputs, hidden, slope, states = ctx.saved_tensors
        simulator, network = ctx.simulator, ctx.network
        back, adjoint = allocate_pair(tuple(states.shape), simulator.real)
        back[:] = states.numpy()
        if by_values is None:
            by_values = theta.new_zeros(*theta.shape[:2], simulator.num_readouts)
        by_last = np.zeros((0, 0), simulator.real)
        if by_vector is not None:
            by_last = simulator.view_real(by_vector)
        gradients = simulator.reverse(
            back,
            adjoint,
            _NO_RESIDUAL,
            network,
            ctx.ends,
            theta.numpy(),
            slope.numpy(),
            by_values.contiguous().numpy(),
            by_last,
        )
        by_theta, by_layer, by_readouts = map(torch.from_numpy, gradients)
        _, _, needs_vector, needs_x, needs_readouts, *_ = ctx.needs_input_grad
        width = network.input_size
        return (
            None,
            None,
            simulator.unpack(adjoint, len(theta)) if needs_vector else None,
            by_layer @ first[:, :width] if needs_x else None,
            by_readouts[:, 0] if needs_readouts and width < first.shape[1] else None,
            None,
            None,
            *_pull_layer(by_layer, inputs),
            *((None, None) if network.kind == LINEAR else _pull_layer(by_theta, hidden)),
        )


def _pull_layer(by_result: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives by weight and bias of a layer from ``vectors`` (B, T, in) to (B, T, out)."""
    flat = by_result.flatten(0, 1)
    return flat.t() @ vectors.flatten(0, 1), flat.sum(0)

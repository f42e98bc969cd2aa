"""The whole recurrence of the standard controller as one differentiable torch operation.

Forward keeps the last state only; backward undoes it step by step, together with the adjoint state
(the derivative of the loss by the amplitudes). Memory is inputs, angles, readouts, controller
activations and three states, whatever the number of steps: what is larger is made for a window of
steps at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from qrnn_qiskit.draws import Draws
from qrnn_qiskit.simulator.engine import Array, Simulator
from qrnn_qiskit.simulator.lanes import allocate_aligned
from qrnn_qiskit.simulator.network import GELU, GLU, LINEAR, RELU

_KINDS = {"linear": LINEAR, "relu": RELU, "gelu": GELU, "glu": GLU}
_WINDOW = 128  # steps that share temporary memory


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
    return Recurrence(*_Recurrence.apply(simulator, ends, vector, x, readouts, *weights))


def _windows(num_steps: int) -> list[tuple[int, int]]:
    return [(start, min(start + _WINDOW, num_steps)) for start in range(0, num_steps, _WINDOW)]


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
        output: Tensor | None,
        output_bias: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        batch, steps, width = x.shape
        from_input, feedback = first[:, :width], first[:, width:]
        network = simulator.make_network(
            _KINDS[activation],
            feedback.detach().numpy(),
            None if output is None else output.detach().numpy(),
            None if output_bias is None else output_bias.detach().numpy(),
        )
        is_linear = network.kind == LINEAR
        states = simulator.pack(vector, batch)
        trace = simulator.allocate_trace(network, batch, steps)
        # The kernel puts what it computes from the first layer where it found it.
        layer = torch.from_numpy(trace.theta if is_linear else trace.slope)
        torch.addmm(first_bias, x.flatten(0, 1), from_input.t(), out=layer.view(-1, layer.shape[2]))
        if feedback.shape[1]:
            layer[:, 0].addmm_(readouts, feedback.t())
        drops = dropout > 0.0 and not is_linear
        if drops:
            factors = torch.from_numpy(trace.hidden)
            factors.copy_(Draws().keep(steps, factors[:, 0], dropout).transpose(0, 1))
        last_steps = np.full(batch, steps) if ends is None else np.asarray(ends, np.int64)
        last = np.empty((batch, 2 << simulator.num_qubits), simulator.real)
        simulator.run(
            states, simulator.start_residual(states), network, last_steps, trace, last, drops
        )
        ctx.simulator, ctx.network, ctx.ends = simulator, network, last_steps
        ctx.from_zero = vector is None
        ctx.set_materialize_grads(False)
        theta, values = torch.from_numpy(trace.theta), torch.from_numpy(trace.values)
        ctx.mark_non_differentiable(theta)
        # The output may be what backward reads; saved as itself, torch sees when it was changed.
        by_sequence = simulator.combine(trace.values)
        output_values = values if by_sequence is trace.values else torch.from_numpy(by_sequence)
        final = by_sequence[np.arange(batch), last_steps - 1]
        saved = map(torch.from_numpy, (states, trace.hidden, trace.slope))
        ctx.save_for_backward(x, readouts, first, theta, values, *saved)
        return output_values, torch.from_numpy(final), simulator.view_complex(last), theta

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        output_gradient: Tensor | None,
        final_gradient: Tensor | None,
        vector_gradient: Tensor | None,
        _theta: None,
    ) -> tuple[Tensor | None, ...]:
        x, readouts, first, theta, values, states, hidden, slope = ctx.saved_tensors
        simulator, network = ctx.simulator, ctx.network
        batch, steps, width = x.shape
        feedback = first[:, width:]
        back = allocate_aligned(tuple(states.shape), simulator.real)
        back[:] = states.numpy()
        adjoint = allocate_aligned(back.shape, simulator.real)
        residual = simulator.start_residual(back)
        by_last = np.zeros((0, 0), simulator.real)
        if vector_gradient is not None:
            by_last = simulator.view_real(vector_gradient)
        weights = _collect(simulator, output_gradient, final_gradient, ctx.ends, values.shape[1])

        is_linear = network.kind == LINEAR
        by_x = torch.empty_like(x) if ctx.needs_input_grad[3] else None
        by_input, by_bias = x.new_zeros(len(first), width), x.new_zeros(len(first))
        by_strings = x.new_zeros(len(first), values.shape[2])
        by_output, by_output_bias = (
            x.new_zeros(network.output.shape),
            x.new_zeros(network.bias.size),
        )
        fed = np.zeros((batch, 1, simulator.num_strings), simulator.real)
        by_layer = x.new_zeros(0)
        for start, stop in reversed(_windows(steps)):
            gradients = simulator.reverse(
                back,
                adjoint,
                residual,
                fed,
                network,
                (start, stop),
                ctx.ends,
                theta.numpy(),
                slope.numpy(),
                weights,
                by_last,
            )
            by_theta, by_layer = map(torch.from_numpy, gradients)
            flat = by_layer.flatten(0, 1)
            by_input.addmm_(flat.t(), x[:, start:stop].flatten(0, 1))
            by_bias += flat.sum(0)
            if by_x is not None:
                by_x[:, start:stop] = by_layer @ first[:, :width]
            if feedback.shape[1]:
                since = max(start, 1)
                hearing = by_layer[:, since - start :].mT
                by_strings += torch.bmm(hearing, values[:, since - 1 : stop - 1]).sum(0)
            if not is_linear:
                angles = by_theta.flatten(0, 1)
                by_output.addmm_(angles.t(), hidden[:, start:stop].flatten(0, 1))
                by_output_bias += angles.sum(0)
        by_first, by_readouts = by_input, None
        if feedback.shape[1]:
            by_feedback = torch.from_numpy(simulator.combine(by_strings.numpy()))
            by_feedback = by_feedback.addmm(by_layer[:, 0].t(), readouts)
            by_first = torch.cat((by_input, by_feedback), 1)
            if ctx.needs_input_grad[4]:
                by_readouts = by_layer[:, 0] @ feedback
        by_vector = None if ctx.from_zero else simulator.unpack(adjoint, batch)
        of_output = (None, None) if is_linear else (by_output, by_output_bias)
        return None, None, by_vector, by_x, by_readouts, None, None, by_first, by_bias, *of_output


def _collect(
    simulator: Simulator,
    output_gradient: Tensor | None,
    final_gradient: Tensor | None,
    ends: Array,
    num_steps: int,
) -> Array:
    """The derivative of the loss by the values of the Pauli strings of every step, (B, T, S)."""
    if output_gradient is not None and final_gradient is None:
        return simulator.distribute(output_gradient.numpy())
    pulls = np.zeros((len(ends), num_steps, simulator.num_readouts), simulator.real)
    if output_gradient is not None:
        pulls[:] = output_gradient.numpy()
    if final_gradient is not None:
        pulls[np.arange(len(ends)), ends - 1] += final_gradient.numpy()
    return simulator.distribute(pulls)

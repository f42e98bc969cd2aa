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
from torch.nn import functional

from qrnn_qiskit.draws import Draws
from qrnn_qiskit.simulator.engine import Array, Simulator, Trace
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


def _copy_aligned(states: Tensor, simulator: Simulator) -> Array:
    copy: Array = allocate_aligned(tuple(states.shape), simulator.real)
    copy[:] = states.numpy()
    return copy


def _last_indices(ends: list[int] | None, num_steps: int, batch_size: int) -> Array:
    """Index of each sequence's last valid step."""
    return np.asarray([num_steps] * batch_size if ends is None else ends) - 1


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
        states = simulator.pack(vector, batch)
        residual = simulator.start_residual(states)
        last_steps = np.asarray(ends or [], np.int64)
        last = allocate_aligned(states.shape, simulator.real) if ends else states
        trace = simulator.allocate_trace(steps, batch, network)
        draws = Draws() if dropout and network.kind != LINEAR else None
        masks = torch.zeros(0, 0, 0, dtype=x.dtype)
        for start, stop in _windows(steps):
            drive = functional.linear(x[:, start:stop].transpose(0, 1), from_input, first_bias)
            if feedback.shape[1] and start == 0:
                drive[0] += functional.linear(readouts, feedback)
            elif feedback.shape[1]:
                drive[0] += torch.from_numpy(trace.values[start - 1] @ network.feedback_t)
            if draws is not None:
                units = x.new_empty(batch, network.output.shape[1])
                masks = draws.keep(stop - start, units, dropout).contiguous()
            simulator.run(
                states,
                residual,
                network,
                drive.contiguous().numpy(),
                masks.numpy(),
                last_steps - start,
                last,
                trace.window(start, stop),
            )
        ctx.simulator, ctx.network, ctx.ends = simulator, network, last_steps
        ctx.last_indices = _last_indices(ends, steps, batch)
        ctx.from_zero = vector is None
        ctx.set_materialize_grads(False)
        theta = torch.from_numpy(trace.theta).transpose(0, 1)
        ctx.mark_non_differentiable(theta)
        values = simulator.combine(trace.values)
        final = torch.from_numpy(values[ctx.last_indices, np.arange(batch)])
        # The output may share its memory with what backward reads. Saved as itself, torch sees
        # when a caller has changed it; as NumPy's transpose it is no view that torch protects.
        by_sequence = torch.from_numpy(values.swapaxes(0, 1))
        strings = by_sequence if values is trace.values else torch.from_numpy(trace.values)
        ctx.shares_output = strings is by_sequence
        saved = (torch.from_numpy(array) for array in (states, *trace[:-1]))
        ctx.save_for_backward(x, readouts, first, *saved, strings)
        return by_sequence, final, simulator.unpack(last, batch), theta

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        output_gradient: Tensor | None,
        final_gradient: Tensor | None,
        vector_gradient: Tensor | None,
        _theta: None,
    ) -> tuple[Tensor | None, ...]:
        x, readouts, first, states, *arrays = ctx.saved_tensors
        simulator, network = ctx.simulator, ctx.network
        trace = Trace(*(array.detach().numpy() for array in arrays))
        if ctx.shares_output:
            trace = trace._replace(values=trace.values.swapaxes(0, 1))
        batch, steps, width = x.shape
        from_input, feedback = first[:, :width], first[:, width:]
        back = _copy_aligned(states, simulator)
        residual = simulator.start_residual(back)
        adjoint = last = allocate_aligned(back.shape, simulator.real)
        ends = ctx.ends if vector_gradient is not None else ctx.ends[:0]
        if vector_gradient is not None:
            last = simulator.pack(vector_gradient, batch)
            adjoint = adjoint if ends.size else last

        by_x = torch.zeros_like(x) if ctx.needs_input_grad[3] else None
        by_input, by_feedback = torch.zeros_like(from_input), torch.zeros_like(feedback)
        by_first_bias = x.new_zeros(len(first))
        by_output = x.new_zeros(*network.output.shape)
        by_output_bias = x.new_zeros(*network.bias.shape)
        fed: Array | None = None
        layer = x.new_zeros(0)
        for start, stop in reversed(_windows(steps)):
            pulls = np.zeros((stop - start, batch, simulator.num_readouts), simulator.real)
            if output_gradient is not None:
                pulls[:] = output_gradient[:, start:stop].transpose(0, 1).numpy()
            if final_gradient is not None:
                rows = np.flatnonzero((start <= ctx.last_indices) & (ctx.last_indices < stop))
                pulls[ctx.last_indices[rows] - start, rows] += final_gradient.numpy()[rows]
            weights = simulator.distribute(pulls)
            if fed is not None:
                weights[-1] += fed
            window = trace.window(start, stop)
            by_theta, by_layer = simulator.reverse(
                back,
                adjoint,
                residual,
                network,
                window.theta,
                window.slope,
                weights,
                ends - start,
                last,
            )
            layer, flat = torch.from_numpy(by_layer), torch.from_numpy(by_layer).flatten(0, 1)
            by_input += flat.T @ x[:, start:stop].transpose(0, 1).flatten(0, 1)
            by_first_bias += flat.sum(0)
            if by_x is not None:
                by_x[:, start:stop] = (layer @ from_input).transpose(0, 1)
            if feedback.shape[1]:
                since = max(start, 1)
                heard = torch.from_numpy(trace.values[since - 1 : stop - 1]).flatten(0, 1)
                by_strings = layer[since - start :].flatten(0, 1).T @ heard
                by_feedback += torch.from_numpy(simulator.combine(by_strings.numpy()))
                fed = by_layer[0] @ network.feedback
            if network.kind != LINEAR:
                angles = torch.from_numpy(by_theta).flatten(0, 1)
                by_output += angles.T @ torch.from_numpy(window.hidden).flatten(0, 1)
                by_output_bias += angles.sum(0)
        by_readouts = None
        if feedback.shape[1]:
            by_feedback += layer[0].T @ readouts
            by_readouts = layer[0] @ feedback
        by_vector = None if ctx.from_zero else simulator.unpack(adjoint, batch)
        by_first = torch.cat((by_input, by_feedback), 1)
        of_output = (None, None) if network.kind == LINEAR else (by_output, by_output_bias)
        return (
            None,
            None,
            by_vector,
            by_x,
            by_readouts,
            None,
            None,
            by_first,
            by_first_bias,
            *(of_output),
        )

"""The whole recurrence of the standard controller on a GPU as one differentiable operation.

As :mod:`qrnn_qiskit.engines.cpu.recurrence` on the CPU: one kernel runs all steps forward, another
one undoes them together with the adjoint state, and no state of an earlier step is stored.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qrnn_qiskit.backward import Function, once_differentiable
from qrnn_qiskit.batch_random import Draws
from qrnn_qiskit.engines.contract import KINDS, ControllerWeights, Recurrence
from qrnn_qiskit.engines.gpu.arrays import Network, Trace
from qrnn_qiskit.engines.gpu.simulator import KernelSimulator
from qrnn_qiskit.interop.plain_tensors import to_plain

__all__ = ["run_recurrence"]


def run_recurrence(
    simulator: KernelSimulator,
    weights: ControllerWeights,
    x: Tensor,
    readouts: Tensor | None,
    vector: Tensor | None,
    ends: list[int] | None,
    wants_angles: bool = False,
) -> Recurrence:
    """Run controller and circuit over all steps; all tensors are on the simulator's device.

    Args:
        simulator: The compiled step.
        weights: The controller.
        x: Inputs (B, T, E).
        readouts: Readouts (B, K) of the first state, the feedback of the first step; those of
            |0...0> for None.
        vector: First states (B, 2^n), complex, or None for |0...0>.
        ends: The last valid step of each sequence, counted from 1, or None for T.
        wants_angles: Whether to return the angles.
    """
    if readouts is None:
        readouts = simulator.read_zero(len(x))
    last_steps = torch.tensor([x.shape[1]] * len(x) if ends is None else ends)
    last_steps = last_steps.to(x.device, torch.int32)
    output, last, theta = _Recurrence.apply(simulator, last_steps, vector, x, readouts, *weights)
    if ends is None:
        final = output[:, -1].clone()  # a copy: changing the output does not change the state
    else:
        final = output[torch.arange(len(x), device=x.device), last_steps - 1]
    return Recurrence(output, final, last, theta if wants_angles else None)


class _Recurrence(Function):
    @staticmethod
    def forward(
        ctx: Any,
        simulator: KernelSimulator,
        ends: Tensor,
        vector: Tensor | None,
        x: Tensor,
        readouts: Tensor,
        activation: str,
        dropout: float,
        first: Tensor,
        first_bias: Tensor,
        output: Tensor | None,
        output_bias: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, steps, width = x.shape
        kind = KINDS[activation]
        network = _describe(width, first, output)
        forward = network._replace(
            first=first.detach().t().contiguous(),
            first_bias=first_bias.detach().contiguous(),
            output=None if output is None else output.detach().t().contiguous(),
            output_bias=None if output_bias is None else output_bias.detach().contiguous(),
        )
        trace = simulator.allocate_trace(forward, batch, steps)
        trace.inputs[:, :, :width] = x.detach()
        if network.num_heard:
            trace.inputs[:, 0, width:] = readouts.detach()
        drops = dropout > 0.0 and trace.hidden is not None
        if drops:
            assert trace.hidden is not None
            draws = Draws(x.device)
            trace.hidden.copy_(draws.keep(steps, trace.hidden[:, 0], dropout).transpose(0, 1))
        states = simulator.start(vector, batch)
        last = simulator.run(kind, forward, trace, states, ends, drops)
        ctx.simulator, ctx.kind, ctx.network = simulator, kind, network
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(trace.theta)
        ctx.save_for_backward(
            first, output, ends, states, trace.theta, trace.inputs, trace.hidden, trace.slope
        )
        return trace.readouts, torch.complex(*last.unbind(1)), trace.theta

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, by_values: Tensor | None, by_vector: Tensor | None, _theta: None
    ) -> tuple[Tensor | None, ...]:
        first, output, ends, states, theta, inputs, hidden, slope = ctx.saved_tensors
        simulator, network = ctx.simulator, ctx.network
        width = network.num_inputs - network.num_heard
        if by_values is None:
            num_readouts = simulator.observables.num_observables
            by_values = theta.new_zeros(*theta.shape[:2], num_readouts)
        by_values = to_plain("a gradient", by_values)
        network = network._replace(
            first=first[:, width:].contiguous(),
            output=None if output is None else output.contiguous(),
        )
        by_start, by_theta, by_layer, by_readouts = simulator.reverse(
            ctx.kind,
            network,
            Trace(theta, inputs, hidden, slope, by_values),
            states.clone(),
            ends,
            by_values.contiguous(),
            None if by_vector is None else simulator.start(by_vector, len(theta)),
        )
        _, _, needs_vector, needs_x, needs_readouts, *_ = ctx.needs_input_grad
        return (
            None,
            None,
            torch.complex(*by_start.unbind(1)) if needs_vector else None,
            by_layer @ first[:, :width] if needs_x else None,
            by_readouts if needs_readouts and network.num_heard else None,
            None,
            None,
            *_pull_layer(by_layer.flatten(0, 1), inputs.flatten(0, 1)),
            *(
                (None, None)
                if hidden is None
                else _pull_layer(by_theta.flatten(0, 1), hidden.flatten(0, 1))
            ),
        )


def _describe(input_size: int, first: Tensor, output: Tensor | None) -> Network:
    """Return the sizes of a controller with a first layer (W, E + K) and an output layer (P, H)."""
    return Network(
        num_inputs=first.shape[1],
        num_heard=first.shape[1] - input_size,
        width=len(first),
        num_units=0 if output is None else output.shape[1],
        num_angles=len(first) if output is None else len(output),
        first=first,
        first_bias=None,
        output=None,
        output_bias=None,
    )


def _pull_layer(by_result: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return the derivatives with respect to the weights and biases of a layer.

    Args:
        by_result: Derivatives (B T, out) by the results of the layer.
        vectors: What it was applied to, (B T, in).
    """
    return torch.mm(by_result.t(), vectors), by_result.sum(0)

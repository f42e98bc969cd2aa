"""The whole recurrence of the standard controller as one differentiable torch operation.

Forward keeps the last state only; backward undoes it step by step, together with the adjoint state
(the derivative of the loss by the amplitudes). Memory is inputs, angles, readouts, controller
activations and three states, whatever the number of steps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from qrnn_qiskit.simulator.engine import Array, Simulator
from qrnn_qiskit.simulator.lanes import allocate_aligned
from qrnn_qiskit.simulator.network import GELU, GLU, LINEAR, RELU

_KINDS = {"linear": LINEAR, "relu": RELU, "gelu": GELU, "glu": GLU}
_NO_MASKS = (0, 0, 0)


class Recurrence(NamedTuple):
    """What a run of the recurrence returns.

    Attributes:
        output: (B, T, K) readouts of every step; past a sequence's end they mean nothing.
        vector: (B, 2^n) complex, the state at each sequence's end.
        theta: (B, T, P) angles in radians, without gradient.
    """

    output: Tensor
    vector: Tensor
    theta: Tensor


def run_recurrence(
    simulator: Simulator,
    activation: str,
    vector: Tensor | None,
    drive: Tensor,
    feedback: Tensor,
    output: Tensor | None,
    bias: Tensor | None,
    masks: Tensor | None,
    ends: list[int] | None,
) -> Recurrence:
    """Run theta_t = output act(drive_t + feedback z_(t-1)) + bias and the circuit for T steps.

    Args:
        simulator: The compiled step.
        activation: "linear" (theta_t = drive_t + feedback z_(t-1)), "relu", "gelu" or "glu".
        vector: (B, 2^n) complex first states, or None for |0...0>.
        drive: (B, T, W) first layer without feedback, but for the first step with it.
        feedback: (W, K), or (W, 0) for no feedback.
        output: (P, H), or None for "linear".
        bias: (P,), or None for "linear".
        masks: (B, T, H) dropout factors, or None.
        ends: The last valid step of each sequence, counted from 1, or None for T.
    """
    return Recurrence(
        *_Recurrence.apply(
            simulator, _KINDS[activation], ends, masks, vector, drive, feedback, output, bias
        )
    )


def _as_array(tensor: Tensor) -> Array:
    array: Array = np.ascontiguousarray(tensor.detach().numpy())
    return array


def _copy_aligned(states: Tensor, simulator: Simulator) -> Array:
    copy: Array = allocate_aligned(tuple(states.shape), simulator.real)
    copy[:] = states.numpy()
    return copy


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        simulator: Simulator,
        kind: int,
        ends: list[int] | None,
        masks: Tensor | None,
        vector: Tensor | None,
        drive: Tensor,
        feedback: Tensor,
        output: Tensor | None,
        bias: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch = len(drive)
        network = simulator.make_network(
            kind,
            _as_array(feedback),
            None if output is None else _as_array(output),
            None if bias is None else _as_array(bias),
        )
        states = simulator.pack(vector, batch)
        dropped = np.zeros(_NO_MASKS, simulator.real) if masks is None else _as_array(masks)
        last_steps = np.asarray(ends or [], np.int64)
        residual = simulator.start_residual(states)
        trace = simulator.run(states, residual, network, _as_array(drive), dropped, last_steps)
        values = torch.from_numpy(trace.values)
        theta = torch.from_numpy(trace.theta)
        ctx.simulator, ctx.network, ctx.ends = simulator, network, last_steps
        ctx.from_zero = vector is None
        ctx.save_for_backward(
            torch.from_numpy(states),
            theta,
            torch.from_numpy(trace.hidden),
            torch.from_numpy(trace.slope),
            values,
        )
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(theta)
        readouts = torch.from_numpy(simulator.combine(trace.values))
        return readouts, simulator.unpack(trace.last, batch), theta

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, output_gradient: Tensor | None, vector_gradient: Tensor | None, _theta: None
    ) -> tuple[Tensor | None, ...]:
        states, theta, hidden, slope, values = ctx.saved_tensors
        simulator, network = ctx.simulator, ctx.network
        batch, steps = theta.shape[:2]
        if output_gradient is None:
            output_gradient = theta.new_zeros(batch, steps, simulator.num_readouts)
        back = _copy_aligned(states, simulator)
        adjoint = allocate_aligned(back.shape, simulator.real)
        last = adjoint
        if vector_gradient is not None:
            last = simulator.pack(vector_gradient, batch)
            if not ctx.ends.size:
                adjoint = last
        ends = ctx.ends if vector_gradient is not None else ctx.ends[:0]
        theta_gradient, drive_gradient = simulator.reverse(
            back,
            adjoint,
            simulator.start_residual(back),
            network,
            theta.numpy(),
            slope.numpy(),
            output_gradient.numpy(),
            ends,
            last,
        )
        angles = torch.from_numpy(theta_gradient)
        drive = torch.from_numpy(drive_gradient)
        vector = None if ctx.from_zero else simulator.unpack(adjoint, batch)
        feedback = drive.new_zeros(drive.shape[2], 0)
        if network.feedback.shape[1]:
            by_strings = drive[:, 1:].flatten(0, 1).T @ values[:, :-1].flatten(0, 1)
            feedback = torch.from_numpy(simulator.combine(by_strings.numpy()))
        output = bias = None
        if network.kind != LINEAR:
            flat = angles.flatten(0, 1)
            output, bias = flat.T @ hidden.flatten(0, 1), flat.sum(0)
        return None, None, None, None, vector, drive, feedback, output, bias

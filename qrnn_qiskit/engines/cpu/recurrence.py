"""The whole recurrence of the standard controller as one differentiable torch operation.

Forward keeps only the last states; backward undoes them step by step, together with the adjoint
(the derivative of the loss with respect to the amplitudes). The states take four arrays for any
number of steps. What grows with the steps is the readouts and, where backward may follow, the
cosines and sines of the angles, the controller's inputs, its hidden layer with its derivatives, and
dropout factors.

Everything between input and readouts is in the compiled call, and nothing here is done step by
step: a short sequence costs little more than the few torch operations around it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qrnn_qiskit.backward import Function, once_differentiable
from qrnn_qiskit.batch_random import Draws
from qrnn_qiskit.checks import check_finite
from qrnn_qiskit.engines.contract import (
    KINDS,
    ControllerWeights,
    Recurrence,
    count_registers,
)
from qrnn_qiskit.engines.cpu.call_records import Backward, Forward
from qrnn_qiskit.engines.cpu.memory_layout import Plan
from qrnn_qiskit.engines.cpu.simulator import Simulator, find, lay_out, make_plain


def run_recurrence(
    simulator: Simulator,
    weights: ControllerWeights,
    x: Tensor,
    readouts: Tensor | None,
    vector: Tensor | None,
    ends: list[int] | None,
    wants_angles: bool = False,
) -> Recurrence:
    """Run controller and circuit over all steps.

    Args:
        simulator: The compiled step.
        weights: The controller; those of R registers are stacked along a first axis, and the
            registers run side by side, each with its own feedback.
        x: Inputs (B, T, E).
        readouts: Readouts (B, R K) of the first state, the feedback of the first step; those of
            |0...0> for None.
        vector: First states (B, 2^n), or (B, R, 2^n) of R registers, complex; None for |0...0>.
        ends: The last valid step of each sequence, counted from 1, or None for T.
        wants_angles: Whether to return the angles.

    Raises:
        TypeError: A tensor has another dtype than the simulator or is not on the CPU.
        ValueError: A weight or a part of the state does not fit the inputs, or an input is NaN or
            infinite.
    """
    keeps = torch.is_grad_enabled()  # always False inside of a Function
    return Recurrence(
        *_Recurrence.apply(simulator, keeps, wants_angles, ends, vector, x, readouts, *weights)
    )


class _Recurrence(Function):
    @staticmethod
    def forward(
        ctx: Any,
        simulator: Simulator,
        keeps: bool,
        wants_angles: bool,
        ends: list[int] | None,
        vector: Tensor | None,
        x: Tensor,
        readouts: Tensor | None,
        activation: str,
        dropout: float,
        *weights: Tensor | None,
    ) -> tuple[Tensor | None, ...]:
        dtype = simulator.dtype
        keeps = keeps and any(ctx.needs_input_grad)
        registers = count_registers(weights[0])
        plan = Plan.find(
            simulator,
            kind=KINDS[activation],
            inputs=x.shape,
            first=weights[0].shape if isinstance(weights[0], Tensor) else (),
            keeps=keeps,
            drops=dropout > 0.0,
            has_vector=vector is not None,
            has_readouts=readouts is not None,
            registers=registers,
        )
        x = lay_out("x", x, x.shape, dtype)
        fed = simulator.zero_readouts
        if registers > 1:
            fed = fed.repeat(1, registers)
        if readouts is not None:
            fed = lay_out("state.readouts", readouts, plan.of_readouts, dtype)
        if vector is not None:
            vector = lay_out("state.vector", vector, plan.of_vector, dtype.to_complex())
        first, first_bias, output, output_bias = (
            None if shape is None else lay_out(f"the controller's {name}", weight, shape, dtype)
            for name, weight, shape in zip(
                ControllerWeights._fields[2:], weights, plan.of_layers, strict=True
            )
        )
        last_steps = None if ends is None else torch.tensor(ends, device="cpu")
        piece = simulator.allocate((plan.numbers,))
        factors = _draw_factors(simulator, plan, x, dropout)
        theta = simulator.allocate(plan.of_theta) if wants_angles else None
        values = simulator.allocate(plan.of_values)
        final = simulator.allocate(plan.of_readouts)
        last = simulator.allocate(plan.of_vector, dtype.to_complex())
        base = find(piece)
        is_finite = simulator.run(
            plan.sizes,
            plan.work,
            Forward(
                first=find(first),
                output=find(output),
                ends=find(last_steps),
                slope=plan.slope and base + plan.slope,  # 0, no address, for what is not kept
                turns=plan.turns and base + plan.turns,
                states=base,
                theta=find(theta),
                x=find(x),
                first_bias=find(first_bias),
                output_bias=find(output_bias),
                fed=find(fed),
                start=find(vector),
                factors=find(factors),
                inputs=plan.inputs and base + plan.inputs,
                hidden=plan.hidden and base + plan.hidden,
                values=find(values),
                final=find(final),
                vector=find(last),
            ),
        )
        if not is_finite:
            check_finite(x)  # the kernels know only that there is NaN or infinity, not where
        ctx.set_materialize_grads(False)
        if theta is not None:
            ctx.mark_non_differentiable(theta)
        if keeps:
            ctx.simulator, ctx.plan, ctx.ends = simulator, plan, last_steps
            # Detached views of the weights: torch still notices when a weight is changed in place,
            # and the views keep the old memory when model.to(dtype) replaces a module's weights.
            views = (None if weight is None else weight.detach() for weight in (first, output))
            ctx.save_for_backward(*views, piece)
        return values, final, last, theta

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        by_values: Tensor | None,
        by_final: Tensor | None,
        by_vector: Tensor | None,
        _theta: None,
    ) -> tuple[Tensor | None, ...]:
        simulator, plan = ctx.simulator, ctx.plan
        # Hooks on saved tensors may return another layout; another dtype is refused.
        first, output, piece = (
            None if saved is None else lay_out("a saved tensor", saved, shape, simulator.dtype)
            for saved, shape in zip(ctx.saved_tensors, plan.of_saved, strict=True)
        )
        assert first is not None
        assert piece is not None
        _, _, _, _, needs_vector, needs_x, needs_fed, _, _, *need_weights = ctx.needs_input_grad
        given = [
            None if each is None else make_plain(each) for each in (by_values, by_final, by_vector)
        ]
        pair = simulator.allocate(plan.of_pair)
        sums = by_weights = None
        if any(need_weights):
            sums = simulator.allocate(plan.of_sums)
            by_weights = simulator.allocate(plan.of_by_weights)
        by_x = simulator.allocate(plan.of_by_x) if needs_x else None
        by_fed = simulator.allocate(plan.of_readouts) if needs_fed and plan.hears else None
        by_start = None
        if needs_vector:
            by_start = simulator.allocate(plan.of_vector, simulator.dtype.to_complex())
        base, back = find(piece), find(pair)
        simulator.reverse(
            plan.sizes,
            plan.work,
            Backward(
                first=find(first),
                output=find(output),
                ends=find(ctx.ends),
                slope=plan.slope and base + plan.slope,
                turns=base + plan.turns,
                inputs=base + plan.inputs,
                hidden=plan.hidden and base + plan.hidden,
                states=base,
                back=back,
                adjoint=back + plan.apart,
                by_values=find(given[0]),
                by_final=find(given[1]),
                by_vector=find(given[2]),
                by_x=find(by_x),
                by_fed=find(by_fed),
                by_start=find(by_start),
                sums=find(sums),
                by_weights=find(by_weights),
            ),
        )
        layers = plan.split(by_weights)
        if by_x is not None and plan.registers > 1:
            by_x = by_x.sum(0)
        return None, None, None, None, by_start, by_x, by_fed, None, None, *layers


def _draw_factors(simulator: Simulator, plan: Plan, x: Tensor, probability: float) -> Tensor | None:
    """Draw the dropout factors (B, T, R H) of the hidden layer, or return None for no dropout."""
    if plan.of_factors is None:
        return None
    check_finite(x)  # the kernels check too late: the random state would have moved on by then
    steps, *of_step = plan.of_factors
    like = simulator.allocate(tuple(of_step))
    return Draws().keep(steps, like, probability).transpose(0, 1).contiguous()

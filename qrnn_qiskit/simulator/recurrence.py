"""The whole recurrence of the standard controller as one differentiable torch operation.

Forward keeps the last state only; backward undoes it step by step, together with the adjoint state
(the derivative of the loss by the amplitudes). Memory is inputs, angles, their cosines and sines
(for whole blocks of sequences), readouts and controller activations of all steps with their
derivatives, and four arrays of states whatever the number of steps.

What lies between input and readouts is in the compiled call, and nothing here is done step by step:
a short sequence costs little more than the few torch operations around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from qrnn_qiskit.backward import once_differentiable
from qrnn_qiskit.draws import Draws
from qrnn_qiskit.simulator.engine import Simulator, find, lay_out, make_plain
from qrnn_qiskit.simulator.handover import GIVEN_VECTOR, ZERO, Backward, Forward
from qrnn_qiskit.simulator.network import GELU, GLU, LINEAR, RELU

# Of activations, as the kernels have them.
KINDS = {"linear": LINEAR, "relu": RELU, "gelu": GELU, "glu": GLU}


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
    readouts: Tensor | None,
    vector: Tensor | None,
    ends: list[int] | None,
) -> Recurrence:
    """Run controller and circuit over all steps.

    Args:
        simulator: The compiled step.
        weights: The controller.
        x: (B, T, E) inputs.
        readouts: (B, K) readouts of the first state, the feedback of the first step; those of
            |0...0> for None.
        vector: (B, 2^n) complex first states, or None for |0...0>.
        ends: The last valid step of each sequence, counted from 1, or None for T.

    Raises:
        TypeError, ValueError: A weight or a part of the state does not fit the inputs.
    """
    keeps = torch.is_grad_enabled()  # inside of a Function it never is
    return Recurrence(*_Recurrence.apply(simulator, keeps, ends, vector, x, readouts, *weights))


def _lay_out_layers(
    simulator: Simulator, kind: int, width: int, weights: Sequence[Any]
) -> list[Tensor | None]:
    """Weights as :class:`ControllerWeights` has them, for inputs of this width."""
    first = weights[0]
    rows, seen = first.shape if isinstance(first, Tensor) and first.dim() == 2 else (0, 0)
    heard = simulator.num_readouts if seen != width else 0
    units = rows // 2 if kind == GLU else rows
    layer = {LINEAR: simulator.num_parameters, GLU: 2 * units}.get(kind, units)
    shapes = [(layer, width + heard), (layer,)]
    if kind != LINEAR:
        shapes += [(simulator.num_parameters, units), (simulator.num_parameters,)]
    laid: list[Tensor | None] = [
        lay_out(f"the controller's {name}", weight, shape, simulator.dtype)
        for name, weight, shape in zip(ControllerWeights._fields[2:], weights, shapes, strict=False)
    ]
    return laid + [None] * (4 - len(laid))


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        simulator: Simulator,
        keeps: bool,
        ends: list[int] | None,
        vector: Tensor | None,
        x: Tensor,
        readouts: Tensor | None,
        activation: str,
        dropout: float,
        *weights: Tensor | None,
    ) -> tuple[Tensor, ...]:
        kind = KINDS[activation]
        batch, steps, width = x.shape
        x = lay_out("x", x, (batch, steps, width), simulator.dtype)
        fed = simulator.zero_readouts
        if readouts is not None:
            shape = (batch, simulator.num_readouts)
            fed = lay_out("state.readouts", readouts, shape, simulator.dtype)
        if vector is not None:
            shape = (batch, 1 << simulator.num_qubits)
            vector = lay_out("state.vector", vector, shape, simulator.dtype.to_complex())
        layers = _lay_out_layers(simulator, kind, width, weights)
        first, first_bias, output, output_bias = layers
        assert first is not None
        layer, seen = first.shape
        units = 0 if output is None else output.shape[1]
        keeps = keeps and any(ctx.needs_input_grad)
        drops = dropout > 0.0 and units > 0

        def allocate(size: int, is_needed: bool) -> Tensor | None:
            return simulator.allocate((batch * steps, size)) if is_needed else None

        inputs = allocate(seen, keeps)
        hidden = allocate(units, drops or (keeps and units > 0))
        if drops and hidden is not None:
            factors = hidden.view(batch, steps, units)
            factors.copy_(Draws().keep(steps, factors[:, 0], dropout).transpose(0, 1))
        theta = simulator.allocate((batch, steps, simulator.num_parameters))
        values = simulator.allocate((batch, steps, simulator.num_readouts))
        last_steps = None if ends is None else torch.tensor(ends, device="cpu")
        kept, (slope, turns, states) = simulator.allocate_together(
            (batch * steps, layer) if keeps and units else (0,),
            simulator.shape_turns(batch, steps) if keeps else (0,),
            simulator.shape_states(batch),
        )
        final = simulator.allocate((batch, simulator.num_readouts))
        last = simulator.allocate_vector(batch)
        run = Forward(
            threads=simulator.count_threads(batch, steps),
            kind=kind,
            batch=batch,
            steps=steps,
            angles=simulator.num_parameters,
            readouts=simulator.num_readouts,
            width=width,
            heard=seen - width,
            layer=layer,
            units=units,
            first=find(first),
            output=find(output),
            ends=find(last_steps),
            slope=slope,
            turns=turns,
            states=states,
            origin=ZERO if vector is None else GIVEN_VECTOR,
            drops=int(drops),
            x=find(x),
            first_bias=find(first_bias),
            output_bias=find(output_bias),
            rows=len(fed),
            fed=find(fed),
            start=find(vector),
            theta=find(theta),
            inputs=find(inputs),
            hidden=find(hidden),
            values=find(values),
            final=find(final),
            vector=find(last),
        )
        simulator.run(run)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(theta)
        if keeps:
            ctx.simulator, ctx.run, ctx.ends = simulator, run, last_steps
            # Views of the weights: torch sees when those change, and they stay where a module's
            # weights are exchanged for those of another dtype.
            views = (None if weight is None else weight.detach() for weight in (first, output))
            ctx.save_for_backward(*views, inputs, hidden, kept)
            ctx.kept = find(kept), kept.shape
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
        simulator = ctx.simulator
        first, output, inputs, hidden, kept = _lay_out_saved(ctx)
        run, (address, _) = ctx.run, ctx.kept
        moved = find(kept) - address  # hooks may have had it elsewhere meanwhile
        run = run._replace(
            first=find(first),
            output=find(output),
            slope=run.slope and run.slope + moved,
            turns=run.turns + moved,
            states=run.states + moved,
        )
        _, _, _, needs_vector, needs_x, needs_fed, *_ = ctx.needs_input_grad
        given = [
            None if each is None else make_plain(each) for each in (by_values, by_final, by_vector)
        ]
        pair = simulator.allocate_pair(run.batch)
        by_theta = simulator.allocate((run.batch * run.steps, run.angles))
        by_layer = simulator.allocate((len(by_theta), run.layer)) if run.units else by_theta
        by_fed = simulator.allocate((run.batch, run.readouts)) if needs_fed and run.heard else None
        by_start = simulator.allocate_vector(run.batch) if needs_vector else None
        simulator.reverse(
            Backward.of(
                run,
                back=find(pair),
                adjoint=find(pair) + pair.nbytes // 2,
                by_values=find(given[0]),
                by_final=find(given[1]),
                by_vector=find(given[2]),
                by_theta=find(by_theta),
                by_layer=find(by_layer),
                by_fed=find(by_fed),
                by_start=find(by_start),
            )
        )
        return (
            None,
            None,
            None,
            by_start,
            _pull_inputs(by_layer, first, run) if needs_x else None,
            by_fed,
            None,
            None,
            *pull_layer(by_layer, inputs),
            *(pull_layer(by_theta, hidden) if run.units else (None, None)),
        )


def _lay_out_saved(ctx: Any) -> list[Any]:
    """What forward saved; hooks may return it in another layout, but not in another dtype."""
    run, simulator = ctx.run, ctx.simulator
    rows = run.batch * run.steps
    shapes = [
        (run.layer, run.width + run.heard),
        (run.angles, run.units),
        (rows, run.width + run.heard),
        (rows, run.units),
        ctx.kept[1],
    ]
    return [
        None if saved is None else lay_out("a saved tensor", saved, shape, simulator.dtype)
        for saved, shape in zip(ctx.saved_tensors, shapes, strict=True)
    ]


def pull_layer(by_result: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives by weight and bias of a layer from ``vectors`` (B T, in) to (B T, out)."""
    return torch.mm(by_result.t(), vectors), by_result.sum(0)


def _pull_inputs(by_layer: Tensor, first: Tensor, run: Forward) -> Tensor:
    """The derivative (B, T, E) by the inputs, from that by the first layer."""
    return (by_layer @ first[:, : run.width]).view(run.batch, run.steps, run.width)

"""Sequences of measured mode on an executor of dynamic circuits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from qrnn_qiskit.executors.gradient_methods import GradientMethod, choose_gradient
from qrnn_qiskit.executors.protocol import DynamicExecutor
from qrnn_qiskit.hidden_state import HiddenState, check_history, close_history
from qrnn_qiskit.on_device.dynamic_batch import DynamicBatch
from qrnn_qiskit.on_device.dynamic_function import DynamicCircuits
from qrnn_qiskit.on_device.dynamic_gradients import follow_shifts, follow_spsa
from qrnn_qiskit.on_device.gradients import draw_signs, group_copies

__all__ = ["Simulate", "run_on_device"]

# From tables (B, T, 2^m, P) and the steps of each sequence to outcomes (B, T, 2^m) and readouts
# (B, K), simulated with gradient from |0...0> on.
Simulate = Callable[[Tensor, Sequence[int]], tuple[Tensor, Tensor]]


def run_on_device(
    circuits: DynamicCircuits,
    executor: DynamicExecutor,
    tables: Tensor,
    state: HiddenState | None,
    ends: Sequence[int],
    simulate: Simulate,
) -> tuple[Tensor, HiddenState, int | None]:
    """Run sequences in one job.

    Args:
        circuits: The dynamic circuits of the model.
        executor: Where they run; its ``gradient`` says how backward gets its derivatives.
        tables: (B, T, 2^m, P) radians.
        state: State with the tables of all steps before, which run again; |0...0> unless given.
        ends: Valid steps of each sequence, from 1 to T.
        simulate: For the gradient "simulator".

    Returns:
        Outcomes (B, T, 2^m), 0 past the end of a sequence; the state after each sequence's last
        valid step; and the executions of a sequence, None where they are exact.
    """
    size, steps = tables.shape[:2]
    last = torch.tensor(ends)
    before = torch.zeros(size, dtype=torch.int64)
    history = tables.new_zeros(size, 0, *tables.shape[2:])
    if state is not None:
        check_history(state, size, len(circuits.observables), tuple(tables.shape[2:]), tables.dtype)
        assert state.angles is not None
        assert state.num_steps is not None
        before, history = state.num_steps, state.angles
    method = None
    if torch.is_grad_enabled() and (tables.requires_grad or history.requires_grad):
        method = choose_gradient(executor)
    signs = _draw_directions(method, tables, before, last)
    width = history.shape[1]
    whole = torch.cat((history, tables), 1)
    run = whole.detach().double().repeat(1 + 2 * len(signs), 1, 1, 1)
    if method is not None and len(signs):
        run[size:, width:] += method.perturbation * torch.cat((signs, -signs)).flatten(0, 1)
    starts, stops = (width - before).numpy(), (width + last).numpy()
    copies = 1 + 2 * len(signs)
    batch = DynamicBatch(
        circuits,
        executor,
        run.numpy(),
        np.tile(starts, copies),
        np.tile(stops, copies),
        steps,
        group_copies(size, len(signs)),
    )
    if method is not None and len(signs):
        outcomes, readouts = follow_spsa(tables, batch, signs, method.perturbation)
    else:
        outcomes, readouts = follow_shifts(whole, batch, with_history=history.requires_grad)
    if method is not None and method.name == "simulator":
        outcomes, readouts = _follow_simulator(
            whole, before, last, simulate, (outcomes.detach(), readouts.detach())
        )
    errors = batch.standard_errors
    return (
        outcomes,
        HiddenState(
            readouts,
            standard_errors=None if errors is None else _read_errors(errors[:size], tables),
            angles=close_history(whole, before, last, steps),
            num_steps=before + last,
        ),
        batch.shots,
    )


def _draw_directions(
    method: GradientMethod | None, tables: Tensor, before: Tensor, last: Tensor
) -> Tensor:
    """Signs (k, B, T, 2^m, P) of SPSA, 0 where a table is not run; (0, ...) without SPSA."""
    draws = method.draws if method is not None and method.name == "spsa" else 0
    signs = draw_signs((draws, *tables.shape)).to(tables.dtype)
    step = torch.arange(tables.shape[1])
    valid = (step < last[:, None])[:, :, None].repeat(1, 1, tables.shape[2])
    valid[before == 0, 0, 1:] = False  # in |0...0> the register is 0
    return signs * valid[:, :, :, None]


def _follow_simulator(
    tables: Tensor,
    before: Tensor,
    last: Tensor,
    simulate: Simulate,
    measured: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """The values of the device with the derivatives of the simulation at the same angles."""
    total = before + last
    steps = measured[0].shape[1]
    width = tables.shape[1] - steps
    row = torch.arange(len(tables))[:, None]
    column = torch.arange(int(total.max())) + (width - before)[:, None]
    outcomes, readouts = simulate(
        tables[row, column.clamp(max=tables.shape[1] - 1)], total.tolist()
    )
    place = before[:, None] + torch.arange(steps)
    valid = (torch.arange(steps) < last[:, None])[:, :, None]
    outcomes = outcomes[row, place.clamp(max=outcomes.shape[1] - 1)] * valid
    return (
        measured[0] + outcomes - outcomes.detach(),
        measured[1] + readouts - readouts.detach(),
    )


def _read_errors(errors: np.ndarray[tuple[int, ...], np.dtype[np.float64]], like: Tensor) -> Tensor:
    return torch.from_numpy(errors).to(like.dtype)

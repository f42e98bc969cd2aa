"""Sequences of measured mode on an executor of dynamic circuits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from qrnn_qiskit.executors.gradient_methods import choose_gradient
from qrnn_qiskit.executors.protocol import DynamicExecutor
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.on_device.dynamic_batch import DynamicBatch
from qrnn_qiskit.on_device.dynamic_function import DynamicCircuits
from qrnn_qiskit.on_device.gradients import (
    Directions,
    draw_directions,
    follow_shifts,
    follow_spsa,
    group_copies,
)
from qrnn_qiskit.on_device.history import check_history, close_history

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
        executor: Where they run; its ``gradient`` is the gradient method of backward.
        tables: (B, T, 2^m, P) radians.
        state: State with the tables of all previous steps, which run again; |0...0> by default.
        ends: Valid steps of each sequence, from 1 to T.
        simulate: The simulation that the gradient method "simulator" differentiates.

    Returns:
        Outcomes (B, T, 2^m), 0 past the end of a sequence; the state after each sequence's last
        valid step; and the executions per sequence, or None where the values are exact.
    """
    last = torch.tensor(ends)
    before, history = _open_state(circuits, state, tables)
    whole = torch.cat((history, tables), 1)
    method = None
    if torch.is_grad_enabled() and whole.requires_grad:
        method = choose_gradient(executor)
    runs = _find_runs(tables, before, last, circuits.measurement.bit_feedback)
    directions = draw_directions(method, runs, tables.shape[3], tables.dtype)
    batch = _run_batch(circuits, executor, whole, before, last, directions)
    if directions.count:
        outcomes, readouts = follow_spsa(tables, (batch.outcomes, batch.values), directions)
    else:
        outcomes, readouts = follow_shifts(whole, batch, with_history=history.requires_grad)
    if method is not None and method.uses_simulator:
        outcomes, readouts = _follow_simulator(
            whole, before, last, simulate, (outcomes.detach(), readouts.detach())
        )
    errors = None
    if batch.standard_errors is not None:
        errors = torch.from_numpy(batch.standard_errors[: len(tables)]).to(tables.dtype)
    bit_errors = None
    if batch.bit_errors is not None:
        bit_errors = torch.from_numpy(batch.bit_errors[: len(tables)]).to(tables.dtype)
    closed = HiddenState(
        readouts,
        standard_errors=errors,
        output_standard_errors=bit_errors,
        angles=close_history(whole, before, last, tables.shape[1]),
        num_steps=before + last,
    )
    return outcomes, closed, batch.shots


def _open_state(
    circuits: DynamicCircuits, state: HiddenState | None, tables: Tensor
) -> tuple[Tensor, Tensor]:
    """Steps so far (B,) and their tables (B, S, 2^m, P)."""
    if state is None:
        before = torch.zeros(len(tables), dtype=torch.int64)
        return before, tables.new_zeros(len(tables), 0, *tables.shape[2:])
    angles = tuple(tables.shape[2:])
    check_history(state, len(tables), len(circuits.observables), angles, tables.dtype)
    assert state.angles is not None
    assert state.num_steps is not None
    return state.num_steps, state.angles


def _find_runs(tables: Tensor, before: Tensor, last: Tensor, has_feedback: bool) -> Tensor:
    """Whether the branch of each table can run, (B, T, 2^m) bool."""
    step = torch.arange(tables.shape[1])
    runs = (step < last[:, None])[:, :, None].repeat(1, 1, tables.shape[2])
    runs[before == 0, 0, 1:] = False  # in |0...0> the register is 0
    if not has_feedback:
        runs[:, :, 1:] = False  # one branch, that of the value 0
    return runs


def _run_batch(
    circuits: DynamicCircuits,
    executor: DynamicExecutor,
    whole: Tensor,
    before: Tensor,
    last: Tensor,
    directions: Directions,
) -> DynamicBatch:
    """Run the tables ``whole`` (B, S, 2^m, P), then their perturbed copies, in one job."""
    size, copies = len(whole), directions.copies
    steps = directions.signs.shape[2]  # T; the columns before them are the history
    width = whole.shape[1] - steps
    tables = whole.detach().double().repeat(copies, 1, 1, 1)
    tables[size:, width:] += directions.offsets.flatten(0, 1)
    return DynamicBatch(
        circuits,
        executor,
        tables.numpy(),
        np.tile((width - before).numpy(), copies),
        np.tile((width + last).numpy(), copies),
        steps,
        group_copies(size, directions.count),
    )


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
    # x - x.detach() is 0 and has the derivatives of x.
    return (
        measured[0] + outcomes - outcomes.detach(),
        measured[1] + readouts - readouts.detach(),
    )

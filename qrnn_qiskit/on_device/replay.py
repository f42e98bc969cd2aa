"""Replay: the recurrence in T rounds of prefix circuits on any executor.

No QPU can read expectation values and let the state go on, so step t runs the prefix circuit
U(theta_1) ... U(theta_t) anew (expectation mode of arXiv:2510.25557). A round is one job; without
feedback all angles are known beforehand and one job has all rounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qrnn_qiskit.checks import check_angles
from qrnn_qiskit.executors.gradient_methods import GradientError, GradientMethod, choose_gradient
from qrnn_qiskit.executors.protocol import Executor
from qrnn_qiskit.hidden_state import HiddenState, check_history, close_history
from qrnn_qiskit.on_device.gradients import (
    draw_signs,
    follow_partials,
    follow_spsa,
    group_copies,
)
from qrnn_qiskit.on_device.prefix_rounds import Replay, Rounds

__all__ = ["Replay", "replay"]


def replay(
    circuits: Replay,
    executor: Executor,
    controller: nn.Module,
    x: Tensor,
    state: HiddenState | None,
    ends: Sequence[int] | None,
    has_feedback: bool,
) -> tuple[Tensor, HiddenState, Tensor]:
    """Run sequences on an executor.

    Args:
        circuits: The prefix circuits.
        executor: Where they run; its ``gradient`` says how backward gets its derivatives.
        controller: From (B, E + feedback) to (B, P) angles in radians.
        x: (B, T, E), T being the largest of ``ends``.
        state: State with the angle history of each sequence; |0...0> unless given.
        ends: Valid steps of each sequence; all T unless given.
        has_feedback: Whether the controller sees the readouts of the step before.

    Returns:
        Output (B, T, K), 0 past the end of a sequence; the state after each sequence's last valid
        step; and the angles (B, T, P) of these steps without gradient.

    Raises:
        GradientError: A gradient that only measured mode has.
    """
    batch_size, steps = x.shape[:2]
    last = np.full(batch_size, steps) if ends is None else np.asarray(ends)
    before, history, readouts = _open_state(circuits, state, x)
    method = choose_gradient(executor) if _needs_gradient(controller, x) else None
    if method is not None and method.name == "coordinates":
        raise GradientError(
            f"{executor.name!r} asks for {executor.gradient!r}, which is of readout='measured'; a "
            "replay takes spsa, parameter-shift or simulator"
        )
    signs = _draw_directions(method, x, last, circuits.ansatz.num_parameters)
    if len(signs):  # SPSA differentiates by the angles of these steps alone
        history, readouts = history.detach(), readouts.detach()
    offsets = torch.cat((signs, -signs)) * (method.perturbation if method is not None else 0.0)
    copies = 1 + len(offsets)
    groups = group_copies(batch_size, len(signs))
    rounds = Rounds(circuits, executor, np.tile(before, copies), np.tile(last, copies), groups)
    feedback = [readouts] * copies
    angles = history.detach().repeat(copies, 1, 1)
    outputs: list[Tensor] = []
    graph = history
    for step, inputs in enumerate(x.unbind(1)):
        drives = [torch.cat((inputs, z), 1) if has_feedback else inputs for z in feedback]
        theta, *others = _steer(controller, drives)
        check_angles(theta, (batch_size, circuits.ansatz.num_parameters), x.dtype)
        moved = [other + offset for other, offset in zip(others, offsets[:, :, step], strict=True)]
        angles = torch.cat((angles, torch.cat((theta.detach(), *moved))[:, None]), 1)
        graph = torch.cat((graph, theta[:, None]), 1)
        if has_feedback:
            rounds.run([step], angles.double().numpy())
            feedback = list(rounds.read(step, x.dtype).chunk(copies))
            if not len(signs):
                outputs.append(follow_partials(graph, rounds, step))
                feedback = outputs[-1:]
    if not has_feedback:
        rounds.run(range(steps), angles.double().numpy())
        width = history.shape[1] + 1
        outputs = [follow_partials(graph[:, : width + t], rounds, t) for t in range(steps)]
    theta = graph[:, history.shape[1] :]
    if method is not None and len(signs):
        output = follow_spsa(theta, rounds, signs, method.perturbation)
    else:
        output = torch.stack(outputs, 1)
    return output, _close_state(rounds, output, graph, before, last), theta.detach()


def _needs_gradient(controller: nn.Module, x: Tensor) -> bool:
    return torch.is_grad_enabled() and (
        x.requires_grad or any(parameter.requires_grad for parameter in controller.parameters())
    )


def _draw_directions(
    method: GradientMethod | None, x: Tensor, last: NDArray[np.int64], num_angles: int
) -> Tensor:
    """Signs (k, B, T, P) of SPSA, 0 past the end of a sequence; (0, B, T, P) without SPSA."""
    draws = method.draws if method is not None and method.name == "spsa" else 0
    signs = draw_signs((draws, *x.shape[:2], num_angles)).to(x.dtype)
    valid = torch.arange(x.shape[1]) < torch.from_numpy(last)[:, None]
    return signs * valid[None, :, :, None]


def _steer(controller: nn.Module, drives: Sequence[Tensor]) -> list[Tensor]:
    """The angles of each copy; dropout masks are those of the first, which alone has a graph."""
    random = torch.get_rng_state()
    angles = [controller(drives[0])]
    for drive in drives[1:]:
        torch.set_rng_state(random)
        with torch.no_grad():
            angles.append(controller(drive))
    return angles


def _open_state(
    circuits: Replay, state: HiddenState | None, x: Tensor
) -> tuple[NDArray[np.int64], Tensor, Tensor]:
    """Steps so far (B,), angle history (B, S, P) and readouts (B, K) of the start."""
    num_angles = circuits.ansatz.num_parameters
    if state is None:
        zero = torch.from_numpy(circuits.read_zero()).to(x.dtype)
        return (
            np.zeros(len(x), np.int64),
            x.new_zeros(len(x), 0, num_angles),
            zero.repeat(len(x), 1),
        )
    check_history(state, len(x), len(circuits.observables), (num_angles,), x.dtype)
    assert state.angles is not None
    assert state.num_steps is not None
    return state.num_steps.numpy(), state.angles, state.readouts


def _close_state(
    rounds: Rounds,
    output: Tensor,
    angles: Tensor,
    before: NDArray[np.int64],
    last: NDArray[np.int64],
) -> HiddenState:
    """The state after each sequence's last valid step, its angle history set flush right."""
    row = torch.arange(len(last))
    end, start = torch.from_numpy(last), torch.from_numpy(before)
    errors = None
    if rounds.errors is not None:
        errors = torch.from_numpy(rounds.errors[: len(last)]).to(output.dtype)
    return HiddenState(
        output[row, end - 1],
        standard_errors=None if errors is None else errors[row, end - 1],
        output_standard_errors=errors,
        angles=close_history(angles, start, end, output.shape[1]),
        num_steps=start + end,
    )

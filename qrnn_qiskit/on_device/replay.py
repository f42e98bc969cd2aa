"""Replay: the recurrence in T rounds of prefix circuits on any executor.

A QPU cannot read expectation values and then continue with the same state. Step t therefore runs
the prefix circuit U(theta_1) ... U(theta_t) from the start (expectation mode of arXiv:2510.25557).
A round is one job. Without feedback all angles are known in advance, and one job has all rounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qrnn_qiskit.checks import check_angles
from qrnn_qiskit.executors.gradient_methods import (
    GradientMethod,
    choose_gradient,
    require_replayable,
)
from qrnn_qiskit.executors.protocol import Executor
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.on_device.gradients import (
    Directions,
    draw_directions,
    follow_partials,
    follow_spsa,
    group_copies,
)
from qrnn_qiskit.on_device.prefix_rounds import PrefixCircuits, Rounds, close_state

__all__ = ["replay"]


def replay(
    circuits: PrefixCircuits,
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
        executor: Where they run; its ``gradient`` is the gradient method of backward.
        controller: From (B, E + feedback) to (B, P) angles in radians.
        x: (B, T, E), where T is the largest of ``ends``.
        state: State with the angle history of each sequence; |0...0> by default.
        ends: Valid steps of each sequence; all T by default.
        has_feedback: Whether the controller receives the readouts of the previous step.

    Returns:
        Output (B, T, K), 0 past the end of a sequence; the state after each sequence's last valid
        step; and the angles (B, T, P) of these steps without gradient.

    Raises:
        GradientError: The gradient method applies only to measured mode.
    """
    last = torch.full((len(x),), x.shape[1]) if ends is None else torch.tensor(ends)
    before, history, readouts = circuits.open_state(state, x)
    method = _choose_method(executor) if _needs_gradient(controller, x) else None
    valid = torch.arange(x.shape[1]) < last[:, None]
    directions = draw_directions(method, valid, circuits.ansatz.num_parameters, x.dtype)
    if directions.count:  # SPSA differentiates only by the angles of these steps
        history, readouts = history.detach(), readouts.detach()
    copies = directions.copies
    groups = group_copies(len(x), directions.count)
    rounds = Rounds(
        circuits, executor, before.repeat(copies).numpy(), last.repeat(copies).numpy(), groups
    )
    path = _Path(controller, history, directions)
    if has_feedback:
        outputs = _run_with_feedback(path, rounds, x, readouts)
    else:
        outputs = _run_in_one_job(path, rounds, x)
    theta = path.graph[:, history.shape[1] :]
    if directions.count:
        (output,) = follow_spsa(theta, [rounds.values], directions)
    else:
        output = torch.stack(outputs, 1)
    errors = None
    if rounds.errors is not None:
        errors = torch.from_numpy(rounds.errors[: len(x)]).to(output.dtype)
    return output, close_state(output, errors, path.graph, before, last), theta.detach()


class _Path:
    """The angles of all steps so far, of B sequences and of R - B perturbed copies.

    Args:
        controller: From the drive to the angles of a step.
        history: (B, S, P) radians, the angles before the first step.
        directions: How the copies differ from their sequences.

    Attributes:
        graph: (B, S, P) radians with gradient, the angles of the sequences.
        angles: (R, S, P) radians without gradient, those of the sequences and of their copies.
    """

    def __init__(self, controller: nn.Module, history: Tensor, directions: Directions) -> None:
        self.directions = directions
        self.graph = history
        self.angles = history.detach().repeat(directions.copies, 1, 1)
        self._controller = controller
        self._offsets = directions.offsets

    def steer(self, step: int, drives: Sequence[Tensor]) -> None:
        """Append the angles of ``step``: ``drives`` has (B, E + feedback) for each copy."""
        theta, *others = _control(self._controller, drives)
        check_angles(theta, (len(self.graph), self.graph.shape[2]), drives[0].dtype)
        moved = [
            other + offset for other, offset in zip(others, self._offsets[:, :, step], strict=True)
        ]
        angles = torch.cat((theta.detach(), *moved))
        self.angles = torch.cat((self.angles, angles[:, None]), 1)
        self.graph = torch.cat((self.graph, theta[:, None]), 1)

    def read(self) -> NDArray[np.float64]:
        """The angles (R, S, P) in radians, as executors take them."""
        return self.angles.double().numpy()


def _run_with_feedback(path: _Path, rounds: Rounds, x: Tensor, readouts: Tensor) -> list[Tensor]:
    """Run one job per step; return the readouts (B, K) of each step, none with SPSA."""
    outputs: list[Tensor] = []
    feedback = [readouts] * path.directions.copies
    for step, inputs in enumerate(x.unbind(1)):
        path.steer(step, [torch.cat((inputs, z), 1) for z in feedback])
        rounds.run([step], path.read())
        if path.directions.count:
            feedback = list(rounds.read(step, x.dtype).chunk(path.directions.copies))
        else:
            outputs.append(follow_partials(path.graph, rounds, step))
            feedback = outputs[-1:]
    return outputs


def _run_in_one_job(path: _Path, rounds: Rounds, x: Tensor) -> list[Tensor]:
    """Run all steps in one job; return the readouts (B, K) of each step, none with SPSA."""
    width = path.graph.shape[1] + 1
    for step, inputs in enumerate(x.unbind(1)):
        path.steer(step, [inputs] * path.directions.copies)
    rounds.run(range(x.shape[1]), path.read())
    if path.directions.count:
        return []
    return [follow_partials(path.graph[:, : width + t], rounds, t) for t in range(x.shape[1])]


def _choose_method(executor: Executor) -> GradientMethod | None:
    if executor.gradient is not None:
        require_replayable(executor.name, executor.gradient)
    return choose_gradient(executor)


def _needs_gradient(controller: nn.Module, x: Tensor) -> bool:
    return torch.is_grad_enabled() and (
        x.requires_grad or any(parameter.requires_grad for parameter in controller.parameters())
    )


def _control(controller: nn.Module, drives: Sequence[Tensor]) -> list[Tensor]:
    """The angles of each copy; all share the dropout masks of the first, which has the graph."""
    random = torch.get_rng_state()
    angles = [controller(drives[0])]
    for drive in drives[1:]:
        torch.set_rng_state(random)
        with torch.no_grad():
            angles.append(controller(drive))
    return angles

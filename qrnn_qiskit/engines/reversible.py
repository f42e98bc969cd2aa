"""States that move forward and backward in time, for every engine that undoes its steps.

A :class:`Reversible` owns the states of one batch while they move through time. Torch's graph holds
no state vector: the nodes of consecutive steps are chained by an empty *token*, and backward undoes
one step after the other on a copy of the last states, together with the adjoint (the derivative of
the loss by the amplitudes).

The token carries no number. It makes every node an input of the next one, so that torch runs the
backward nodes in reverse time order, which undoing needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qrnn_qiskit.backward import Function, once_differentiable


class Reversible(ABC):
    """The states of one batch between two steps, with their backward pass.

    Use it through :func:`advance` and :func:`read_vector`, which pass on the token that keeps
    torch's graph in time order.

    Args:
        batch_size: B.

    Attributes:
        batch_size: B.
        position: Steps applied so far.
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.position = 0
        # The backward pass: torch's number of it, the step that it has come back to, and the
        # derivatives with respect to states of earlier steps, which are added to the adjoint once
        # it gets there.
        self._pass: int | None = None
        self._at = 0
        self._waiting: dict[int, list[tuple[NDArray[np.int64], Tensor]]] = {}

    @abstractmethod
    def run(self, theta: Tensor) -> Tensor:
        """Apply one step with angles (B, P) in radians and return the readouts (B, K)."""

    @abstractmethod
    def vector(self) -> Tensor:
        """Return the states (B, 2^n), complex, bit q of the index being qubit q."""

    @abstractmethod
    def adjoint(self) -> Tensor:
        """Return the derivative (B, 2^n), complex, with respect to the states at this step."""

    @abstractmethod
    def _turn_back(self) -> None:
        """Begin backward: copy the last states, and set their adjoint to 0."""

    @abstractmethod
    def _add(self, gradient: Tensor) -> None:
        """Add (B, 2^n) to the adjoint."""

    @abstractmethod
    def _undo(self, gradient: Tensor | None) -> Tensor:
        """Undo step ``_at``.

        Args:
            gradient: Derivative (B, K) of the loss with respect to the readouts after the step;
                None for 0.

        Returns:
            The derivative (B, P) with respect to the angles of the step.
        """

    def receive(self, position: int, rows: NDArray[np.int64], gradient: Tensor) -> None:
        """Take the derivative of the loss with respect to the states of some sequences.

        Args:
            position: The step, counted from 1, after which the states were read.
            rows: The sequences.
            gradient: The derivative (rows, 2^n), complex.
        """
        self._enter_pass()
        self._waiting.setdefault(position, []).append((rows, gradient))

    def reverse(self, position: int, gradient: Tensor | None) -> Tensor:
        """Undo step ``position``, counted from 1, and all later ones.

        Args:
            position: The step.
            gradient: Derivative (B, K) of the loss with respect to the readouts after the step;
                None for 0.

        Returns:
            The derivative (B, P) with respect to the angles of the step.
        """
        self._enter_pass()
        self._rewind(position)
        return self._undo(gradient)

    def gradient_of_start(self) -> Tensor:
        """Return the derivative (B, 2^n), complex, with respect to the first states."""
        self._enter_pass()
        self._rewind(0)
        return self.adjoint()

    def _enter_pass(self) -> None:
        """Start from the last states again when torch runs a new backward pass."""
        # A graph may be differentiated more than once (retain_graph), and nothing else shows that
        # a node belongs to a new pass.
        current = torch._C._current_graph_task_id()
        if current == self._pass:
            return
        self._pass = current
        self._at = self.position
        self._turn_back()
        self._waiting = {}

    def _rewind(self, position: int) -> None:
        """Undo the steps after ``position``, and add the derivatives that wait there.

        The loss need not depend on the last steps. Torch then does not run their nodes, and the
        steps are undone here.
        """
        while self._at > position:
            self._undo(None)
        for rows, gradient in self._waiting.pop(position, []):
            full = gradient.new_zeros(self.batch_size, gradient.shape[1])
            full[torch.from_numpy(rows)] = gradient
            self._add(full)


class _Begin(Function):
    @staticmethod
    def forward(ctx: Any, evolution: Reversible, vector: Tensor) -> Tensor:
        ctx.evolution = evolution
        return torch.empty(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _token: Tensor) -> tuple[None, Tensor]:
        return None, ctx.evolution.gradient_of_start()


class _Advance(Function):
    @staticmethod
    def forward(
        ctx: Any, evolution: Reversible, token: Tensor, theta: Tensor
    ) -> tuple[Tensor, Tensor]:
        values = evolution.run(theta)
        ctx.set_materialize_grads(False)
        ctx.evolution, ctx.position = evolution, evolution.position
        ctx.save_for_backward(token)
        return token.clone(), values

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, _token: Tensor | None, gradient: Tensor | None
    ) -> tuple[None, Tensor, Tensor]:
        (token,) = ctx.saved_tensors
        return None, token, ctx.evolution.reverse(ctx.position, gradient)


class _ReadVector(Function):
    @staticmethod
    def forward(ctx: Any, evolution: Reversible, token: Tensor, rows: NDArray[np.int64]) -> Tensor:
        ctx.evolution, ctx.position, ctx.rows = evolution, evolution.position, rows
        ctx.save_for_backward(token)
        return evolution.vector()[torch.from_numpy(rows)]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        (token,) = ctx.saved_tensors
        ctx.evolution.receive(ctx.position, ctx.rows, gradient)
        return None, token, None


def open_token(evolution: Reversible, vector: Tensor | None) -> Tensor:
    """Return the first token of an evolution that begins with ``vector``.

    With a ``vector`` the token depends on it, so that its gradient is computed.
    """
    if vector is None:
        return torch.empty(0)
    token: Tensor = _Begin.apply(evolution, vector)
    return token


def advance(evolution: Reversible, token: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Apply one step with angles ``theta`` (B, P) in radians.

    Returns:
        The next token, and the readouts (B, K) after the step.
    """
    token, values = _Advance.apply(evolution, token, theta)
    return token, values


def read_vector(evolution: Reversible, token: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """Return the present states of some sequences as a differentiable tensor.

    Args:
        evolution: The states.
        token: Its last token.
        rows: The sequences, integers (rows,).

    Returns:
        States (rows, 2^n), complex, bit q of the index being qubit q.
    """
    vector: Tensor = _ReadVector.apply(evolution, token, rows)
    return vector

"""States that move through time and back, whichever engine moves them.

A :class:`Reversible` owns the state of one batch while it moves through time. Torch's graph holds
no state vector: the nodes of consecutive steps are chained by an empty *token*, and backward undoes
one step after the other on a copy of the last state, together with the adjoint state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qrnn_qiskit.backward import once_differentiable


class Reversible(ABC):
    """The states of one batch between two steps, and their way back.

    Use :func:`advance` and :func:`read_vector`; they thread the token that keeps torch's graph in
    time order.
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.position = 0
        # Backward: where it stands, and what waits to be added to the adjoint.
        self._pass: int | None = None
        self._at = 0
        self._waiting: dict[int, list[tuple[NDArray[np.int64], Tensor]]] = {}

    @abstractmethod
    def run(self, theta: Tensor) -> Tensor:
        """Apply one step with angles (B, P) and return the readouts (B, K)."""

    @abstractmethod
    def vector(self) -> Tensor:
        """The states (B, 2^n), complex, bit q of the index being qubit q."""

    @abstractmethod
    def adjoint(self) -> Tensor:
        """The derivative by the states where the way back stands, (B, 2^n) complex."""

    @abstractmethod
    def _turn_back(self) -> None:
        """Begin the way back: a copy of the last states, and no derivative by them yet."""

    @abstractmethod
    def _add(self, gradient: Tensor) -> None:
        """Add (B, 2^n) to the adjoint."""

    @abstractmethod
    def _undo(self, gradient: Tensor | None) -> Tensor:
        """Undo step ``_at``: from the derivative by its readouts to that by its angles."""

    def receive(self, position: int, rows: NDArray[np.int64], gradient: Tensor) -> None:
        """Take the derivative of the loss by the states of ``rows`` after step ``position``."""
        self._enter_pass()
        self._waiting.setdefault(position, []).append((rows, gradient))

    def reverse(self, position: int, gradient: Tensor | None) -> Tensor:
        """Undo step ``position``: from the derivative by its readouts to that by its angles."""
        self._enter_pass()
        self._rewind(position)
        return self._undo(gradient)

    def gradient_of_start(self) -> Tensor:
        """The derivative by the states before the first step, (B, 2^n) complex."""
        self._enter_pass()
        self._rewind(0)
        return self.adjoint()

    def _enter_pass(self) -> None:
        """Start from the last state again when torch runs a new backward pass."""
        current = torch._C._current_graph_task_id()
        if current == self._pass:
            return
        self._pass = current
        self._at = self.position
        self._turn_back()
        self._waiting = {}

    def _rewind(self, position: int) -> None:
        """Undo the steps that the loss does not depend on, and add what waits at ``position``."""
        while self._at > position:
            self._undo(None)
        for rows, gradient in self._waiting.pop(position, []):
            full = gradient.new_zeros(self.batch_size, gradient.shape[1])
            full[torch.from_numpy(rows)] = gradient
            self._add(full)


class _Begin(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, evolution: Reversible, vector: Tensor) -> Tensor:
        ctx.evolution = evolution
        return torch.empty(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _token: Tensor) -> tuple[None, Tensor]:
        return None, ctx.evolution.gradient_of_start()


class _Advance(torch.autograd.Function):
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


class _ReadVector(torch.autograd.Function):
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
    """The first token of an evolution that begins with ``vector``."""
    if vector is None:
        return torch.empty(0)
    token: Tensor = _Begin.apply(evolution, vector)
    return token


def advance(evolution: Reversible, token: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Apply one step with angles ``theta`` (B, P); return the next token and readouts (B, K)."""
    token, values = _Advance.apply(evolution, token, theta)
    return token, values


def read_vector(evolution: Reversible, token: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """Return the present states (rows, 2^n) of some sequences as a differentiable tensor."""
    vector: Tensor = _ReadVector.apply(evolution, token, rows)
    return vector

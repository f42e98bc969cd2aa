"""One step at a time, for controllers that are not the standard one.

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
from qrnn_qiskit.engines.cpu.blocks import pack_states, unpack_states
from qrnn_qiskit.engines.cpu.call_records import Backward, Forward, Sizes
from qrnn_qiskit.engines.cpu.layers import GIVEN
from qrnn_qiskit.engines.cpu.simulator import Simulator, find, lay_out, make_plain


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


class Evolution(Reversible):
    """States in lane vectors, moved by the compiled kernels."""

    def __init__(self, simulator: Simulator, vector: Tensor | None, batch_size: int) -> None:
        super().__init__(batch_size)
        self.simulator = simulator
        self._states = self._pack(vector)
        self._residual = simulator.allocate_residual(batch_size)
        self._sizes = Sizes(
            threads=simulator.count_threads(batch_size, 1),
            kind=GIVEN,
            batch=batch_size,
            steps=1,
            angles=simulator.num_parameters,
            readouts=simulator.num_readouts,
        ).record()
        self._turns: list[Tensor] = []
        self._keeps_turns = torch.is_grad_enabled()
        # Backward: a copy of the states at `_at`, and their adjoint.
        self._back = self._adjoint = self._states[:0]

    def run(self, theta: Tensor) -> Tensor:
        """Apply one step with angles (B, P) and return the readouts (B, K)."""
        simulator = self.simulator
        shape = (self.batch_size, simulator.num_parameters)
        angles = lay_out("angles", theta, shape, simulator.dtype)
        values = simulator.allocate((self.batch_size, simulator.num_readouts))
        turns = None
        if self._keeps_turns:
            turns = simulator.allocate(simulator.shape_turns(self.batch_size, 1))
        simulator.run(
            self._sizes,
            Forward(
                turns=find(turns),
                states=find(self._states),
                theta=find(angles),
                residual=find(self._residual),
                values=find(values),
            ),
        )
        self.position += 1
        if turns is not None:
            self._turns.append(turns)
        return values

    def vector(self) -> Tensor:
        """The states (B, 2^n), complex, bit q of the index being qubit q."""
        return self._unpack(self._states)

    def adjoint(self) -> Tensor:
        """The derivative by the states where the way back stands, (B, 2^n) complex."""
        return self._unpack(self._adjoint)

    def _turn_back(self) -> None:
        if not len(self._back):
            size = self._states.numel()
            pair = self.simulator.allocate(self.simulator.shape_pair(self.batch_size))
            self._back, self._adjoint = (row[:size].view_as(self._states) for row in pair.unbind())
        self._back.copy_(self._states)
        self._adjoint.zero_()

    def _add(self, gradient: Tensor) -> None:
        self._adjoint += self._pack(gradient)

    def _undo(self, gradient: Tensor | None) -> Tensor:
        by_values = None if gradient is None else make_plain(gradient)
        by_theta = self.simulator.allocate((self.batch_size, self.simulator.num_parameters))
        self.simulator.reverse(
            self._sizes,
            Backward(
                turns=find(self._turns[self._at - 1]),
                back=find(self._back),
                adjoint=find(self._adjoint),
                by_values=find(by_values),
                by_theta=find(by_theta),
            ),
        )
        self._at -= 1
        return by_theta

    def _pack(self, vector: Tensor | None) -> Tensor:
        simulator = self.simulator
        packed = pack_states(vector, self.batch_size, simulator.num_qubits, simulator.real)
        return torch.from_numpy(packed)

    def _unpack(self, states: Tensor) -> Tensor:
        return unpack_states(states.numpy(), self.batch_size, self.simulator.num_qubits)


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


def begin(simulator: Simulator, vector: Tensor | None, batch_size: int) -> tuple[Evolution, Tensor]:
    """Start an evolution from complex states (B, 2^n), or from |0...0>; return its first token."""
    evolution = Evolution(simulator, vector, batch_size)
    return evolution, open_token(evolution, vector)


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

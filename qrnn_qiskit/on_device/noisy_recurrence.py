"""Expectation mode on the exact noisy simulator of a device: one pass of T steps with gradient.

A QPU replays the prefix circuits U(theta_1) ... U(theta_t). In simulation the density matrix goes
on from the gates that a prefix shares with all longer ones (its *trunk*); the gates that only this
prefix ends with (its *tail*), and the noisy final measurement, act on a copy. Usually a prefix is
all trunk, but a compiler may merge or route gates across the end of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qrnn_qiskit.backward import Function, once_differentiable
from qrnn_qiskit.checks import check_angles, check_fit
from qrnn_qiskit.engines.cpu.noisy_program import NoisyProgram, from_lanes, pack_zero, to_lanes
from qrnn_qiskit.executors.gradient_methods import GradientError
from qrnn_qiskit.executors.protocol import Executor
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.on_device.prefix_rounds import PrefixCircuits, close_state

__all__ = [
    "NoisySegment",
    "NoisyStep",
    "Sampler",
    "StepwiseExecutor",
    "no_gradient",
    "run_noisy",
]

Drawn = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class NoisySegment:
    """Consecutive operations of a compiled circuit, with their angles.

    Attributes:
        program: The operations, with Q angles.
        columns: The columns of the parameter values that the angles depend on.
        slopes: (columns, Q): angles = values[:, columns] @ slopes + offsets.
        offsets: (Q,) radians.
    """

    program: NoisyProgram
    columns: NDArray[np.int64]
    slopes: NDArray[np.float64]
    offsets: NDArray[np.float64]

    def evaluate(self, values: Tensor) -> Tensor:
        """Return the angles (B, Q) at the parameter values (B, P), differentiable."""
        slopes, offsets = (
            torch.from_numpy(each).to(values.dtype) for each in (self.slopes, self.offsets)
        )
        start = int(self.columns[0]) if len(self.columns) else 0
        stop = start + len(self.columns)
        if np.array_equal(self.columns, np.arange(start, stop)):
            return values[:, start:stop] @ slopes + offsets
        return values[:, torch.from_numpy(self.columns)] @ slopes + offsets

    def find_angles(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the angles (B, Q) as :meth:`evaluate` does, without gradient."""
        angles: NDArray[np.float64] = self.evaluate(torch.from_numpy(values)).numpy()
        return angles


@dataclass(frozen=True, eq=False)
class NoisyStep:
    """One step of a part of a recurrence, with the readouts of its prefix circuit.

    Attributes:
        trunk: The operations that all longer prefixes share.
        tail: The other operations of this prefix; None where there are none.
        functionals: (4^N, k) readouts as linear functions of the Pauli coefficients, final
            measurement and readout error included.
        columns: (k,) the indices of these among all K readouts.
    """

    trunk: NoisySegment
    tail: NoisySegment | None
    functionals: NDArray[np.float64]
    columns: NDArray[np.int64]


class Sampler(Protocol):
    """Samples the readouts of one step after the other, without a gradient."""

    def advance(self, values: NDArray[np.float64]) -> Drawn:
        """Run the next step at the values (B, P) so far; see :meth:`.draw_readouts`."""
        ...


@runtime_checkable
class StepwiseExecutor(Executor, Protocol):
    """An executor that runs prefix circuits as one recurrence with an exact gradient."""

    def compile_steps(
        self, circuits: PrefixCircuits, num_steps: int, dtype: torch.dtype
    ) -> list[list[NoisyStep]]:
        """Return the T steps, each in parts whose readouts are added up.

        A part is a set of qubits without a gate to the others, or a copy of the circuit with
        another weight.
        """
        ...

    def open_sampler(
        self, circuits: PrefixCircuits, num_steps: int, batch_size: int
    ) -> Sampler | None:
        """Return what samples the T steps of large circuits; None where they are exact."""
        ...

    def draw_readouts(
        self, circuits: PrefixCircuits, step: int, states: Sequence[NDArray[np.float64]]
    ) -> Drawn:
        """Draw the readouts (B, K) after ``step`` (from 1), with their standard errors.

        ``states`` are the Pauli coefficients (B, 4^N) of each part.
        """
        ...

    def count_steps(self, circuits: PrefixCircuits, num_steps: int, batch_size: int) -> None:
        """Count the work of a pass."""
        ...


def no_gradient(name: str) -> GradientError:
    """Return the error of a gradient through trajectories on the device ``name``."""
    return GradientError(
        f"{name!r} samples trajectories of circuits of this size, which have no exact gradient; "
        "open it with a gradient method (--gradient simulator or spsa on the command line), or "
        "run it under torch.no_grad()"
    )


def run_noisy(
    circuits: PrefixCircuits,
    executor: StepwiseExecutor,
    controller: nn.Module,
    x: Tensor,
    state: HiddenState | None,
    ends: Sequence[int] | None,
    has_feedback: bool,
) -> tuple[Tensor, HiddenState, Tensor]:
    """Run sequences; see :func:`qrnn_qiskit.on_device.replay.replay`."""
    last = torch.full((len(x),), x.shape[1]) if ends is None else torch.tensor(ends)
    before, history, readouts = circuits.open_state(state, x)
    # Sequences that continue after different numbers of steps run different prefix circuits.
    places, parts = [], []
    for count in sorted(set(before.tolist())):
        rows = (before == count).nonzero()[:, 0]
        past = history[rows, history.shape[1] - count :]
        run = _Pass(circuits, executor, controller, has_feedback)
        parts.append(run.run(x[rows], past, readouts[rows]))
        places.append(rows)
    order = torch.cat(places).argsort()
    output, theta, spread = (torch.cat(each)[order] for each in zip(*parts, strict=True))
    errors = None
    if executor.shots is not None:
        errors = spread * (torch.arange(x.shape[1]) < last[:, None])[:, :, None]
    closed = close_state(output, errors, torch.cat((history, theta), 1), before, last)
    return output, closed, theta.detach()


class _Pass:
    """One pass through sequences with equally many steps before it."""

    def __init__(
        self,
        circuits: PrefixCircuits,
        executor: StepwiseExecutor,
        controller: nn.Module,
        has_feedback: bool,
    ) -> None:
        self._circuits = circuits
        self._executor = executor
        self._controller = controller
        self._has_feedback = has_feedback

    def run(self, x: Tensor, past: Tensor, readouts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return output (B, T, K), angles (B, T, P) and standard errors (B, T, K)."""
        batch_size, before = past.shape[:2]
        total = before + x.shape[1]
        sampler = self._executor.open_sampler(self._circuits, total, batch_size)
        if sampler is not None:
            return self._sample(sampler, x, past, readouts)
        steps = self._executor.compile_steps(self._circuits, total, x.dtype)
        _check_memory(steps, batch_size, x.dtype)
        states = [_pack(each.trunk.program, batch_size, x.dtype) for each in steps[0]]
        values = past.reshape(batch_size, -1)
        outputs, errors = [], []
        for step, parts in enumerate(steps):
            if step >= before:
                values = torch.cat((values, self._control(x[:, step - before], readouts)), 1)
            exact, finals = torch.zeros_like(readouts), []
            for part, each in enumerate(parts):
                states[part], found, final = _advance(each, states[part], values)
                exact = exact.index_add(1, torch.from_numpy(each.columns), found)
                finals.append(final)
            if step < before:
                continue
            readouts = exact
            if self._executor.shots is not None:
                drawn, error = self._executor.draw_readouts(
                    self._circuits,
                    step + 1,
                    [
                        _unpack(final, part.trunk.program, batch_size)
                        for final, part in zip(finals, parts, strict=True)
                    ],
                )
                # The value is drawn, and its derivative is that of the exact expectation value.
                readouts = exact + (torch.from_numpy(drawn).to(x.dtype) - exact).detach()
                errors.append(torch.from_numpy(error).to(x.dtype))
            outputs.append(readouts)
        self._executor.count_steps(self._circuits, total, batch_size)
        output = torch.stack(outputs, 1)
        stacked = torch.stack(errors, 1) if errors else torch.zeros_like(output)
        theta = values.reshape(batch_size, total, -1)[:, before:]
        return output, theta, stacked

    def _sample(
        self, sampler: Sampler, x: Tensor, past: Tensor, readouts: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run the steps by a sampler; see :meth:`run`."""
        if torch.is_grad_enabled() and any(p.requires_grad for p in self._controller.parameters()):
            raise no_gradient(self._executor.name)
        batch_size, before = past.shape[:2]
        values = past.reshape(batch_size, -1)
        outputs, errors = [], []
        for step in range(before + x.shape[1]):
            if step >= before:
                values = torch.cat((values, self._control(x[:, step - before], readouts)), 1)
            drawn, error = sampler.advance(values.double().numpy())
            if step >= before:
                readouts = torch.from_numpy(drawn).to(x.dtype)
                outputs.append(readouts)
                errors.append(torch.from_numpy(error).to(x.dtype))
        self._executor.count_steps(self._circuits, before + x.shape[1], batch_size)
        theta = values.reshape(batch_size, before + x.shape[1], -1)[:, before:]
        return torch.stack(outputs, 1), theta, torch.stack(errors, 1)

    def _control(self, x: Tensor, readouts: Tensor) -> Tensor:
        """Return the angles (B, P) of a step."""
        inputs = torch.cat((x, readouts), 1) if self._has_feedback else x
        theta: Tensor = self._controller(inputs)
        check_angles(theta, (len(x), self._circuits.ansatz.num_parameters), x.dtype)
        return theta


def _advance(step: NoisyStep, state: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    trunk = step.trunk.evaluate(values)
    tail = None if step.tail is None else step.tail.evaluate(values)
    moved: tuple[Tensor, Tensor, Tensor] = _Advance.apply(step, state, trunk, tail)
    return moved


class _Advance(Function):
    """Move states (blocks, 1, 4^N * lanes) on and read them."""

    @staticmethod
    def forward(
        ctx: Any, step: NoisyStep, state: Tensor, trunk: Tensor, tail: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch_size = len(trunk)
        moved = state.numpy().copy()
        step.trunk.program.run(moved, trunk.detach().numpy())
        final = moved
        if step.tail is not None:
            assert tail is not None
            final = moved.copy()
            step.tail.program.run(final, tail.detach().numpy())
        functionals = step.functionals.astype(moved.dtype)
        lanes = moved.shape[2] // len(functionals)
        coefficients = from_lanes(final.reshape(len(moved), -1, lanes), batch_size)
        readouts = torch.from_numpy(coefficients @ functionals)
        new = torch.from_numpy(moved)
        read = torch.from_numpy(final.copy() if final is moved else final)
        ctx.step, ctx.lanes = step, lanes
        ctx.mark_non_differentiable(read)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(state, new, trunk, tail)
        return new, readouts, read

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, by_state: Tensor | None, by_readouts: Tensor | None, _: Tensor | None
    ) -> tuple[None, Tensor, Tensor, Tensor | None]:
        step = ctx.step
        state, new, trunk, tail = ctx.saved_tensors
        start = state.numpy()
        by_final = np.zeros_like(start)
        if by_readouts is not None:
            functionals = step.functionals.astype(start.dtype)
            pulled = by_readouts.numpy() @ functionals.T
            by_lane = to_lanes(pulled, len(start), ctx.lanes, start.dtype)
            by_final[:] = by_lane.reshape(start.shape)
        by_tail = None
        if step.tail is not None:
            found = step.tail.program.pull(new.numpy(), tail.numpy(), by_final)
            by_tail = torch.from_numpy(np.ascontiguousarray(found))
        if by_state is not None:
            by_final += by_state.numpy()
        found = step.trunk.program.pull(start, trunk.numpy(), by_final)
        return None, torch.from_numpy(by_final), torch.from_numpy(found.copy()), by_tail


def _pack(program: NoisyProgram, batch_size: int, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(pack_zero(batch_size, program.num_qubits, 1, dtype))


def _unpack(state: Tensor, program: NoisyProgram, batch_size: int) -> NDArray[np.float64]:
    """Return the Pauli coefficients (B, 4^N) of states in blocks."""
    split = state.double().numpy().reshape(len(state), 4**program.num_qubits, -1)
    return np.ascontiguousarray(from_lanes(split, batch_size))


def _check_memory(
    steps: Sequence[Sequence[NoisyStep]], batch_size: int, dtype: torch.dtype
) -> None:
    """Refuse a batch that does not fit: backward keeps two states per step and part."""
    sizes = [part.trunk.program.num_qubits for part in steps[0]]
    kept = 2 * len(steps) + 2 if torch.is_grad_enabled() else 4
    check_fit(
        kept * batch_size * dtype.itemsize * sum(4**size for size in sizes),
        f"noisy simulation of {len(sizes)} part(s) of up to {max(sizes)} qubits needs",
        f"for the density matrices of {batch_size} sequence(s), {len(steps)} step(s) of each",
        "Take fewer qubits, a smaller batch or shorter sequences.",
    )

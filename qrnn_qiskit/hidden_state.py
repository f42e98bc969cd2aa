"""The hidden state that a model returns and accepts, and the checks of a state passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from circuits.errors import InvalidTypeError, InvalidValueError
from qrnn_qiskit.interop.plain_tensors import check_stored
from qrnn_qiskit.interop.pytrees import register

__all__ = [
    "HiddenState",
    "check_conditioned",
    "check_density",
    "check_history",
    "check_state",
    "check_trajectories",
    "close_history",
]


@register(angles=True, output_standard_errors=False)
@dataclass(eq=False)  # not frozen: tools that move a batch build a dataclass anew field by field
class HiddenState:
    """State of a batch after its last valid step; fields that do not apply are None.

    Torch treats it as a container of its tensors; see :mod:`qrnn_qiskit.interop.pytrees`. Two
    states are equal only if they are the same object.

    Attributes:
        readouts: (batch, K) real, the readouts of the last state.
        vector: (batch, 2^n) complex, the state in simulations of the modes "expectation" and
            "none"; bit q of the index is qubit q. With R > 1 registers it is (batch, R, 2^n), and
            the state is the tensor product.
        density: (batch, 2^m, 2^n, 2^n) complex, one unnormalized density matrix for each last
            outcome, in exact simulations of measured mode. With R > 1 registers of own feedback it
            is (batch, R, 2^m, 2^n, 2^n); those of shared feedback are one state of R n qubits.
        trajectories: (batch, N, 2^n) complex, the states in simulations of measured mode by N
            trajectories; they have no gradient. (batch, R, N, 2^n) with R > 1 registers of own
            feedback.
        registers: (batch, N) int64, the last outcome of each trajectory; (batch, R, N) for R > 1.
            Beside a ``vector`` that was conditioned on a record, (batch,) int64, the value of the
            record's last bits; (batch, R) for R > 1.
        standard_errors: (batch, K) standard errors of ``readouts`` where they were sampled.
        output_standard_errors: (batch, time, readout_size) standard errors of the output where it
            was sampled.
        angles: Angles in radians of all steps since |0...0>, on a device: (batch, steps, P) where
            it replays sequences, (batch, steps, 2^m, P) in measured mode, R P instead of P for R
            registers. Zeros stand before the angles of a sequence with fewer steps.
        num_steps: (batch,) int64, the number of steps of each sequence in ``angles``.
        memory: (batch, ...) memory of the models of :mod:`qrnn_qiskit.models`.
    """

    readouts: Tensor
    vector: Tensor | None = None
    density: Tensor | None = None
    trajectories: Tensor | None = None
    registers: Tensor | None = None
    standard_errors: Tensor | None = None
    output_standard_errors: Tensor | None = None
    angles: Tensor | None = None
    num_steps: Tensor | None = None
    memory: Tensor | None = None

    def detach(self) -> HiddenState:
        """Cut the gradient, as truncated backpropagation through time does between chunks."""
        return self._map(lambda tensor: tensor.detach())

    def to(self, *args: Any, **kwargs: Any) -> HiddenState:
        """Move all tensors to a device or a dtype, as :meth:`torch.Tensor.to`.

        For complex tensors a real dtype means the complex dtype of the same precision; integers
        stay integers.
        """

        def move(tensor: Tensor) -> Tensor:
            if tensor.is_complex():
                complex_args = [_complex(value) for value in args]
                return tensor.to(*complex_args, **{key: _complex(kwargs[key]) for key in kwargs})
            moved = tensor.to(*args, **kwargs)
            return moved if tensor.is_floating_point() else moved.to(tensor.dtype)

        return self._map(move)

    def __getitem__(self, index: Any) -> HiddenState:
        """Select sequences of the batch; an integer keeps the batch axis with one sequence."""
        if isinstance(index, Integral):
            index, size = int(index), len(self)
            if not -size <= index < size:
                raise IndexError(f"sequence {index} of a state of {size} sequences")
            index = slice(index % size, index % size + 1)
        return self._map(lambda tensor: tensor[index])

    def __len__(self) -> int:
        return int(self.readouts.shape[0])

    def _map(self, function: Callable[[Tensor], Tensor]) -> HiddenState:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        mapped: dict[str, Any] = {
            name: None if value is None else function(value) for name, value in values.items()
        }
        return HiddenState(**mapped)


def _complex(value: Any) -> Any:
    """Return the complex dtype of a real one, and any other argument of ``to`` unchanged."""
    return value.to_complex() if isinstance(value, torch.dtype) else value


def check_history(
    state: HiddenState,
    batch_size: int,
    num_readouts: int,
    angles: tuple[int, ...],
    dtype: torch.dtype,
) -> None:
    """Refuse a state whose angle history does not fit this model and batch.

    Args:
        state: State to continue from.
        batch_size: B.
        num_readouts: K.
        angles: Shape of the angles of a step.
        dtype: Dtype of the model.

    Raises:
        TypeError: Not a HiddenState, or another dtype.
        ValueError: Other shapes, or no angle history.
    """
    _check_carried(state)
    if state.angles is None or state.num_steps is None:
        raise InvalidValueError(
            "state.angles is None, but a device carries a sequence on by replaying all of its "
            "angles; pass a state that this model returned on a device"
        )
    steps = state.angles.shape[1] if state.angles.dim() == 2 + len(angles) else 0
    _check_tensors(
        ("readouts", state.readouts, (batch_size, num_readouts), dtype),
        ("angles", state.angles, (batch_size, steps, *angles), dtype),
        ("num_steps", state.num_steps, (batch_size,), torch.int64),
    )
    if not bool(((state.num_steps >= 0) & (state.num_steps <= steps)).all()):
        raise InvalidValueError(
            f"state.num_steps must lie between 0 and the {steps} steps of state.angles, got "
            f"{state.num_steps.tolist()}"
        )


def close_history(angles: Tensor, before: Tensor, last: Tensor, steps: int) -> Tensor:
    """Return the angles of all steps that each sequence has run, right-aligned after zeros.

    Args:
        angles: (B, S, ...) angles; the last T columns are those of this call, and the history
            before them is right-aligned.
        before: (B,) steps of each sequence in the history.
        last: (B,) valid steps of each sequence in this call, from 1 to T.
        steps: T.
    """
    total = before + last
    width = int(total.max())
    column = torch.arange(angles.shape[1] - width, angles.shape[1]) - (steps - last)[:, None]
    kept = torch.arange(width) >= width - total[:, None]
    history = angles[torch.arange(len(last))[:, None], column.clamp(min=0)]
    return history * kept.reshape(*kept.shape, *[1] * (history.dim() - 2))


def check_density(
    state: HiddenState,
    batch_size: int,
    num_readouts: int,
    sizes: tuple[int, ...],
    dtype: torch.dtype,
) -> None:
    """Refuse a state of exact measured mode that does not fit this model and batch.

    Args:
        state: State to continue from.
        batch_size: B.
        num_readouts: K.
        sizes: Of ``state.density`` after the batch, such as 2^m, 2^n and 2^n.
        dtype: Dtype of the model.

    Raises:
        TypeError: Not a HiddenState, or another dtype.
        ValueError: Other shapes, no density matrices, or matrices that are not Hermitian or whose
            traces do not add up to 1.
    """
    _check_carried(state)
    if state.density is None:
        raise InvalidValueError(
            "state.density is None, but measured mode carries a sequence on from the density "
            "matrices; pass a state that this readout mode returned in exact simulation"
        )
    shape = (batch_size, *sizes)
    _check_tensors(
        ("readouts", state.readouts, (batch_size, num_readouts), dtype),
        ("density", state.density, shape, dtype.to_complex()),
    )
    density = state.density.detach().sum(-3)
    traces = density.diagonal(dim1=-2, dim2=-1).sum(-1).real
    skew = (density - density.mH).abs().amax((-2, -1))
    wrong = (~(((traces - 1).abs() < 1e-3) & (skew < 1e-3))).nonzero()
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise InvalidValueError(
            "state.density must be Hermitian with traces that add up to 1, but that of "
            f"{_name_place(place)} has the trace {float(traces[place]):.6g} and differs from its "
            f"adjoint by {float(skew[place]):.3g}"
        )


def check_trajectories(
    state: HiddenState, batch_size: int, sizes: tuple[int, ...], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return trajectories and registers of a state, if they fit this model and batch.

    Args:
        state: State to continue from.
        batch_size: B.
        sizes: Of ``state.trajectories`` after the batch, such as N and 2^n.
        dtype: Dtype of the model.

    Raises:
        TypeError: Not a HiddenState, or another dtype.
        ValueError: Other shapes, or no trajectories.
    """
    _check_carried(state)
    if state.trajectories is None or state.registers is None:
        raise InvalidValueError(
            "state.trajectories is None, but a model with num_trajectories carries them on; pass "
            "a state that such a model returned"
        )
    _check_tensors(
        ("trajectories", state.trajectories, (batch_size, *sizes), dtype.to_complex()),
        ("registers", state.registers, (batch_size, *sizes[:-1]), torch.int64),
    )
    return state.trajectories, state.registers


def check_conditioned(
    state: HiddenState,
    batch_size: int,
    num_readouts: int,
    num_qubits: int,
    num_outcomes: int,
    dtype: torch.dtype,
    num_registers: int = 1,
) -> tuple[Tensor, Tensor]:
    """Return vector and registers of a state conditioned on a record, if they fit.

    Args:
        state: State to continue from.
        batch_size: B.
        num_readouts: K.
        num_qubits: n.
        num_outcomes: 2^m.
        dtype: Dtype of the model.
        num_registers: R.

    Raises:
        TypeError: Not a HiddenState, or another dtype.
        ValueError: As :func:`check_state`; or no last bits, or bits that the measurement has not.
    """
    check_state(state, batch_size, num_readouts, num_qubits, dtype, num_registers)
    assert state.vector is not None
    if state.registers is None:
        raise InvalidValueError(
            "state.registers is None, but a record goes on after its last bits; pass the state of "
            "an earlier call of filter or sample"
        )
    shape = (batch_size,) if num_registers == 1 else (batch_size, num_registers)
    _check_tensors(("registers", state.registers, shape, torch.int64))
    if not bool(((state.registers >= 0) & (state.registers < num_outcomes)).all()):
        raise InvalidValueError(
            f"state.registers must lie between 0 and {num_outcomes - 1}, the values of the bits of "
            f"a step, got {state.registers.tolist()}"
        )
    return state.vector, state.registers


def check_state(
    state: HiddenState,
    batch_size: int,
    num_readouts: int,
    num_qubits: int,
    dtype: torch.dtype,
    num_registers: int = 1,
) -> None:
    """Refuse a state vector that does not fit this model and batch.

    Args:
        state: State to continue from.
        batch_size: B.
        num_readouts: K.
        num_qubits: n.
        dtype: Dtype of the model.
        num_registers: R.

    Raises:
        TypeError: Not a HiddenState, or another dtype.
        ValueError: Other shapes, no state vector, readouts that are not finite, or a vector that
            is not normalized.
    """
    _check_carried(state)
    if state.vector is None:
        raise InvalidValueError(
            "state.vector is None, but the simulator carries a sequence on from the state vector; "
            "pass a state that this readout mode returned in simulation (a device carries on from "
            "the angles and has no vector)"
        )
    side = () if num_registers == 1 else (num_registers,)
    _check_tensors(
        ("readouts", state.readouts, (batch_size, num_readouts), dtype),
        ("vector", state.vector, (batch_size, *side, 1 << num_qubits), dtype.to_complex()),
    )
    broken = (~torch.isfinite(state.readouts)).nonzero()
    if len(broken):
        sequence, readout = (int(index) for index in broken[0])
        raise InvalidValueError(
            f"state.readouts must be finite, but readout {readout} of sequence {sequence} is "
            f"{float(state.readouts[sequence, readout].detach())}"
        )
    norms = state.vector.detach().abs().square().sum(-1)
    wrong = (~((norms - 1).abs() < 1e-3)).nonzero()
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise InvalidValueError(
            "state.vector must be normalized, but the squared norm of "
            f"{_name_place(place)} is {float(norms[place]):.6g}"
        )


def _name_place(place: tuple[int, ...]) -> str:
    """Name a sequence, and a register of it where there are several."""
    sequence, *register = place
    return f"sequence {sequence}" + "".join(f", register {number}" for number in register)


def _check_carried(state: object) -> None:
    if not isinstance(state, HiddenState):
        raise InvalidTypeError(
            "state must be a HiddenState, as returned by an earlier call of the model, got a "
            f"{type(state).__name__}"
        )


def _check_tensors(*tensors: tuple[str, Tensor, tuple[int, ...], torch.dtype]) -> None:
    """Refuse fields of a state, each given with its name, of another shape or dtype."""
    for name, tensor, shape, wanted in tensors:
        check_stored(f"state.{name}", tensor)
        if tuple(tensor.shape) != shape:
            raise InvalidValueError(
                f"expected state.{name} of shape {shape}, got {tuple(tensor.shape)}"
            )
        if tensor.dtype != wanted:
            raise InvalidTypeError(f"state.{name} must be {wanted}, got {tensor.dtype}")

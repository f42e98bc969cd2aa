"""The hidden state that a model returns and accepts.

Which of its fields a call continues from is checked where it is read: the angles of a device in
:mod:`qrnn_qiskit.on_device.history`, the states of simulations in :mod:`qrnn_qiskit.modes.carried`.
"""

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

__all__ = ["HiddenState", "check_fields", "check_returned"]


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


def check_returned(state: object) -> None:
    """Refuse what is not a state that a model returned (TypeError)."""
    if not isinstance(state, HiddenState):
        raise InvalidTypeError(
            "state must be a HiddenState, as returned by an earlier call of the model, got a "
            f"{type(state).__name__}"
        )


def check_fields(*tensors: tuple[str, Tensor, tuple[int, ...], torch.dtype]) -> None:
    """Refuse fields of a state, each given with its name, of another shape or dtype.

    Raises:
        TypeError: Another dtype, or numbers that are not in one array.
        ValueError: Another shape.
    """
    for name, tensor, shape, wanted in tensors:
        check_stored(f"state.{name}", tensor)
        if tuple(tensor.shape) != shape:
            raise InvalidValueError(
                f"expected state.{name} of shape {shape}, got {tuple(tensor.shape)}"
            )
        if tensor.dtype != wanted:
            raise InvalidTypeError(f"state.{name} must be {wanted}, got {tensor.dtype}")

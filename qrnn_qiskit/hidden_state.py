"""The hidden state that QRNN returns and takes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class HiddenState:
    """State of a batch after its last valid step; what does not apply is None.

    Attributes:
        readouts: (batch, K) real, the readouts of the last state.
        vector: (batch, 2^n) complex, the state where expectation mode or no feedback is simulated;
            bit q of the index is qubit q.
        density: (batch, 2^m, 2^n, 2^n) complex, unnormalized per last outcome, where measured mode
            is simulated exactly.
        trajectories: (batch, N, 2^n) complex, where measured mode is simulated by N trajectories;
            they carry no gradient.
        registers: (batch, N) int64, the last outcome of each trajectory.
        standard_errors: (batch, K) of ``readouts`` where they were sampled.
        output_standard_errors: (batch, time, readout_size) of the output where it was sampled.
        angles: (batch, steps, P) radians, all angles since |0...0> where a device replays
            sequences, (batch, steps, 2^m, P) where it runs them in measured mode; those of a
            sequence with fewer steps are the last ones, after zeros.
        num_steps: (batch,) int64, the steps that each sequence has in ``angles``.
        memory: (batch, ...) what the models of :mod:`qrnn_qiskit.models` carry on.
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
        """Cut the gradient, as truncated backpropagation through time does between two chunks."""
        return self._map(lambda tensor: tensor.detach())

    def to(self, *args: Any, **kwargs: Any) -> HiddenState:
        """Move all tensors to a device or a dtype, as :meth:`torch.Tensor.to`.

        A real dtype stands for the complex one of its precision where a tensor is complex; counts
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
    """The complex dtype of a real one; anything else that ``to`` takes as it is."""
    return value.to_complex() if isinstance(value, torch.dtype) else value

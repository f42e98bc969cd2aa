"""What a readout mode is to the model: how sequences run, and on which circuits."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from qiskit.circuit import QuantumCircuit
from torch import Tensor, nn
from torch.nn import functional

from qrnn_qiskit.engines.cpu import NOTHING_KEPT, Kept
from qrnn_qiskit.executors import Executor
from qrnn_qiskit.hidden_state import HiddenState

__all__ = ["Core", "Run"]


class Run(NamedTuple):
    """Sequences that have run.

    Attributes:
        output: (B, T, readout_size); past the end of a sequence it means nothing.
        state: State after each sequence's last valid step.
        angles: All angles in radians, without gradient: (B, T, P), or (B, T, 2^m, P) in measured
            mode; None where the compiled recurrence was not asked for them.
    """

    output: Tensor
    state: HiddenState
    angles: Tensor | None

    def clear_past(self, ends: list[int], num_steps: int) -> Run:
        """The same run with ``num_steps`` outputs, 0 past the end of each sequence."""
        device = self.output.device
        steps = torch.arange(self.output.shape[1], device=device)
        is_past = steps >= torch.tensor(ends, device=device)[:, None]
        output = _pad(self.output.masked_fill(is_past[:, :, None], 0.0), num_steps)
        errors, state = self.state.output_standard_errors, self.state
        if errors is not None:
            state = dataclasses.replace(state, output_standard_errors=_pad(errors, num_steps))
        return self._replace(output=output, state=state)


def _pad(output: Tensor, num_steps: int) -> Tensor:
    """Zeros after the last step that any sequence has."""
    missing = num_steps - output.shape[1]
    return output if missing == 0 else functional.pad(output, (0, 0, 0, missing))


class Core(ABC):
    """One readout mode of a model.

    Attributes:
        feedback_size: Width of what the controller sees of the step before.
        output_labels: Names of the outputs of a step, as many as it has.
    """

    feedback_size: int
    output_labels: list[str]

    @abstractmethod
    def check_memory(
        self, batch_size: int, num_steps: int, dtype: torch.dtype, kept: Kept = NOTHING_KEPT
    ) -> None:
        """Refuse a batch that does not fit into memory on the simulator (ValueError).

        Where gradients are enabled, what backward takes counts as well: ``kept`` is what it
        takes of the controller.
        """

    @abstractmethod
    def compile(self, dtype: torch.dtype) -> None:
        """Get ready for a precision; UnsupportedCircuitError if the simulator cannot run it."""

    @abstractmethod
    def run(
        self,
        controller: nn.Module,
        executor: Executor,
        x: Tensor,
        state: HiddenState | None,
        ends: list[int] | None,
        wants_angles: bool = False,
    ) -> Run:
        """Run sequences ``x`` (B, T, E), of which the longest has T valid steps.

        Args:
            controller: From (..., E + feedback_size) to (..., P) angles in radians.
            executor: Where the circuits run.
            x: Inputs of the model's dtype, on its device.
            state: Where to carry on from; |0...0> unless given.
            ends: Valid steps of each sequence; all T unless given.
            wants_angles: Whether the angles are asked for.

        Raises:
            ValueError: An input is NaN or infinite, and nothing has been run.
        """

    @abstractmethod
    def bind(self, angles: Tensor, basis: str | None) -> list[QuantumCircuit]:
        """The circuit of all T steps for each set of ``angles``, as :class:`Run` has them."""

    @abstractmethod
    def bind_prefixes(self, angles: Tensor) -> list[list[QuantumCircuit]]:
        """The circuits of 1 to T steps, ``[step][sequence]``; ValueError for a mode without."""

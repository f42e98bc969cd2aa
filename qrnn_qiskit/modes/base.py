"""The interface of a readout mode: the feedback, the run of a sequence, and its circuits."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from qiskit.circuit import QuantumCircuit
from torch import Tensor, nn
from torch.nn import functional

from circuits import Ansatz, Measurement, Readout
from circuits.errors import InvalidValueError
from circuits.registers import repeat_ansatz, repeat_readout
from qrnn_qiskit.engines.contract import NOTHING_KEPT, ControllerWeights, Kept
from qrnn_qiskit.executors import Executor
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.modes.feedback import Heard
from qrnn_qiskit.recurrent import Filtered

__all__ = ["ReadoutMode", "Run"]


class Run(NamedTuple):
    """The result of running sequences.

    Attributes:
        output: (B, T, readout_size); undefined past the end of a sequence.
        state: State after each sequence's last valid step.
        angles: All angles in radians, without gradient: (B, T, P), or (B, T, 2^m, P) in measured
            mode; None where a compiled recurrence did not have to return them.
    """

    output: Tensor
    state: HiddenState
    angles: Tensor | None

    def clear_past(self, ends: list[int], num_steps: int) -> Run:
        """Return the run with ``num_steps`` outputs, 0 past the end of each sequence."""
        device = self.output.device
        steps = torch.arange(self.output.shape[1], device=device)
        is_past = steps >= torch.tensor(ends, device=device)[:, None]
        output = _pad(self.output.masked_fill(is_past[:, :, None], 0.0), num_steps)
        errors, state = self.state.output_standard_errors, self.state
        if errors is not None:
            state = dataclasses.replace(state, output_standard_errors=_pad(errors, num_steps))
        return self._replace(output=output, state=state)


def _pad(output: Tensor, num_steps: int) -> Tensor:
    """Append zeros up to ``num_steps`` steps."""
    missing = num_steps - output.shape[1]
    return output if missing == 0 else functional.pad(output, (0, 0, 0, missing))


class ReadoutMode(ABC):
    """A readout mode of the model: "expectation", "measured" or "none".

    Attributes:
        name: Value of the model's argument ``readout``.
        output_axis: Axis labels for plots: what an output is, and what its values are.
        replays: Whether a device replays a sequence by its prefix circuits; otherwise it runs one
            dynamic circuit.
        waits_between_steps: Whether the circuits of a step on a device need the results of the
            step before, so that each step is a round of jobs.
        feedback_size: Number of values of the previous step that the controller receives.
        heard: The readouts that the controller receives in expectation mode; None for all.
        output_labels: Names of the outputs of a step, readout_size of them.
        measurement: The measurement that ends each step; None in modes without one.
        ansatz: Circuit of a step, of all registers.
        readout: The observables of all registers.
        num_registers: R, the registers side by side; each has its own angles and its own feedback,
            or in the modes of expectation values possibly the feedback of all.
        register: Circuit of a step of one register, the same for all but for its angles.
        register_readout: The observables of one register.
    """

    name: ClassVar[str]
    output_axis: ClassVar[tuple[str, str]]
    replays: ClassVar[bool]
    waits_between_steps: ClassVar[bool]

    ansatz: Ansatz
    readout: Readout
    num_registers: int
    register: Ansatz
    register_readout: Readout
    feedback_size: int
    heard: Heard | None = None
    output_labels: list[str]
    measurement: Measurement | None = None

    def set_registers(self, register: Ansatz, readout: Readout, num_registers: int) -> None:
        """Set the circuits and the observables of one register and of all."""
        self.register, self.register_readout = register, readout
        self.num_registers = num_registers
        self.ansatz = repeat_ansatz(register, num_registers)
        self.readout = repeat_readout(readout, num_registers)

    @abstractmethod
    def check_memory(
        self, batch_size: int, num_steps: int, dtype: torch.dtype, kept: Kept = NOTHING_KEPT
    ) -> None:
        """Refuse a batch that does not fit into memory on the simulator (ValueError).

        Where gradients are enabled, the memory of the backward pass is included; ``kept`` is the
        controller's part of it.
        """

    def check_placement(self, device: torch.device) -> None:
        """Refuse a torch device on which this mode does not run (ValueError)."""
        del device  # all by default

    def check_executor(self, name: str) -> None:
        """Refuse the executor ``name`` where it cannot run this mode's circuits (ValueError)."""
        del name  # all by default

    @abstractmethod
    def compile(self, dtype: torch.dtype) -> None:
        """Compile the step for a precision; UnsupportedCircuitError if no engine can run it."""

    def find_weights(self, controller: nn.Module, executor: Executor) -> ControllerWeights | None:
        """Return the controller's weights where a compiled recurrence takes them, or None.

        Such a recurrence evaluates controller and circuit in one call for all steps.
        """
        del controller, executor
        return None

    @abstractmethod
    def run(
        self,
        controller: nn.Module,
        executor: Executor,
        x: Tensor,
        state: HiddenState | None,
        ends: list[int] | None,
        weights: ControllerWeights | None = None,
        wants_angles: bool = False,
    ) -> Run:
        """Run sequences ``x`` (B, T, E), of which the longest has T valid steps.

        Args:
            controller: Module from (..., E + feedback_size) to (..., P) angles in radians.
            executor: Where the circuits run.
            x: Inputs of the model's dtype, on its device, checked by
                :func:`~qrnn_qiskit.checks.check_batch`.
            state: State to continue from; |0...0> by default.
            ends: Valid steps of each sequence; all T by default.
            weights: Result of :meth:`find_weights`.
            wants_angles: Whether the angles are to be returned.
        """

    def find_angles(self, controller: nn.Module, x: Tensor) -> Tensor | None:
        """Return the angles of :class:`Run` where they need no run of the sequences, or None."""
        del controller, x
        return None

    def filter(
        self,
        controller: nn.Module,
        x: Tensor,
        record: Tensor,
        state: HiddenState | None,
        ends: list[int] | None,
    ) -> Filtered:
        """Run sequences ``x`` (B, T, E) along a record of measured bits (B, T, R m).

        Raises:
            ValueError: The mode measures no bits.
        """
        raise self._refuse_record("filter")

    def sample(self, controller: nn.Module, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw a record (B, T, R m) of measured bits for each sequence ``x`` (B, T, E).

        Raises:
            ValueError: The mode measures no bits.
        """
        raise self._refuse_record("sample")

    def draw(
        self, controller: nn.Module, executor: Executor, x: Tensor, ends: list[int] | None
    ) -> Tensor:
        """Draw records (B, shots, T, R m) of sequences ``x`` (B, T, E) from an executor.

        Raises:
            ValueError: The mode measures no bits, or the executor draws none.
        """
        raise self._refuse_record("draw_records")

    def _refuse_record(self, method: str) -> InvalidValueError:
        return InvalidValueError(
            f"{method} runs along the bits of measurements, but readout={self.name!r} measures "
            "nothing during a sequence; build the model with readout='measured'"
        )

    @abstractmethod
    def sample_feedback(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Return the feedback (B, T, feedback_size) that follows from outputs of the same steps.

        Where the feedback is random it is drawn from ``generator``.
        """

    @abstractmethod
    def bind(self, angles: Tensor, basis: str | None) -> list[QuantumCircuit]:
        """Return the circuit of all T steps for each set of ``angles``, shaped as in :class:`Run`.

        ``basis`` is that of the final measurement, in modes whose circuits have one.
        """

    @abstractmethod
    def bind_prefixes(self, angles: Tensor) -> list[list[QuantumCircuit]]:
        """Return the circuits of 1 to T steps, ``[step][sequence]``.

        Raises:
            ValueError: The mode has no prefix circuits.
        """

"""The interface of every recurrent model to tasks, training and plots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, NoReturn

import torch
from torch import Tensor, nn

from circuits import Measurement
from circuits.errors import InvalidValueError
from circuits.validation import require_count
from qrnn_qiskit.batch_random import Dropout
from qrnn_qiskit.checks import check_batch, check_number
from qrnn_qiskit.executors import Executor, SimulatorExecutor, runs_compiled
from qrnn_qiskit.hidden_state import HiddenState

__all__ = [
    "Filtered",
    "RecurrentModel",
    "Step",
    "SteppedModel",
    "count_recurrent",
    "recall_memory",
]

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Filtered(NamedTuple):
    """What a record says about the state, and the state about the record.

    Attributes:
        probabilities: (B, T, m) probability of a 1 in each place of the record, given the inputs up
            to this step and all bits before it: those of earlier steps, and bits 0 to a - 1 of its
            own step. 0 past the end of a sequence. R m bits with R > 1 registers, register 0 first.
        log_likelihood: (B, T) logarithm of the joint probability of the recorded bits of a step,
            given the bits before it, in nats; 0 past the end of a sequence. The sum over T is the
            log-likelihood of the record.
        state: The state after each sequence's last valid step. That of QRNN has ``vector``
            (B, 2^n), pure and of norm 1, with its ``readouts`` (B, K), and ``registers`` (B,), the
            value of the last bits. (B, R, 2^n) and (B, R) with R > 1 registers. Where the model is
            noisy or bits are missing it is ``density``, as in measured mode; above 6 qubits a
            record with missing bits leaves only ``readouts``.
    """

    probabilities: Tensor
    log_likelihood: Tensor
    state: HiddenState


class RecurrentModel(nn.Module, ABC):
    """A recurrent model between an embedding and a head, with the interface of QRNN.

    Attributes:
        kind: Name of the model in the setting ``model.kind``.
        input_size: Width E of the inputs.
        sizes: The settings that were chosen to reach a number of parameters; empty where no number
            was requested.
        readout_scale: Factor on the readouts before a head, or its initial value.
        learns_readout_scale: Whether heads learn that factor.
    """

    kind: ClassVar[str]

    input_size: int
    sizes: dict[str, int]
    readout_scale: float = 1.0
    learns_readout_scale: bool = False

    def __init__(self) -> None:
        super().__init__()
        self.sizes = {}

    @property
    @abstractmethod
    def num_readouts(self) -> int:
        """K, the width of ``state.readouts``."""

    @property
    def readout_size(self) -> int:
        """Width of the output of a step; K by default."""
        return self.num_readouts

    @property
    def output_axis(self) -> tuple[str, str]:
        """What an output is, and what its values are, for the axes of plots."""
        return "hidden unit", "value"

    @property
    def record_size(self) -> int:
        """Bits m of a step of the records that :meth:`filter` takes; 0 where it takes none."""
        return 0

    @property
    def measurement(self) -> Measurement | None:
        """The measurement that ends each step in measured mode of QRNN; None otherwise."""
        return None

    @property
    def output_labels(self) -> list[str]:
        """Names of the outputs of a step."""
        return [str(number) for number in range(self.readout_size)]

    @property
    def executor(self) -> Executor:
        """Where the circuits run: the compiled simulator, the only executor of most kinds."""
        return SimulatorExecutor()

    @executor.setter
    def executor(self, executor: Executor) -> None:
        if not runs_compiled(executor):
            self.refuse_device(executor.name)

    def check_device(self, name: str, gradient: str | None = None) -> None:
        """Refuse a device on which this kind of model does not run (ValueError)."""
        if name != "simulator" or gradient is not None:
            self.refuse_device(name)

    def refuse_device(self, name: str) -> NoReturn:
        """Raise ValueError: only QRNN runs on devices."""
        raise InvalidValueError(
            f"the device {name!r} was requested, but a model of the kind {self.kind!r} has no "
            "circuits that run on a device; leave --on and --gradient out, or train with "
            "model.kind=qrnn"
        )

    def check_memory(self, batch_size: int, num_steps: int) -> None:
        """Refuse a batch that does not fit into memory; the states of most kinds are small."""

    def count_parameters(self) -> int:
        """Count the trainable parameters; embedding and head are not part of this module."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def filter(
        self,
        x: Tensor,
        record: Tensor,
        lengths: Tensor | None = None,
        state: HiddenState | None = None,
    ) -> Filtered:
        """Condition sequences x (B, T, E) on recorded bits (B, T, m), 0 or 1.

        Raises:
            ValueError: The model gives no likelihood of records (``record_size`` is 0).
        """
        raise InvalidValueError(
            f"filter conditions a model on recorded bits, but one of the kind {self.kind!r} has no "
            "outcomes of its own; use model.kind=qrnn with model.readout=measured, or hmm"
        )

    def draw_records(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Draw records (B, shots, T, m) of sequences x (B, T, E) from the device.

        Raises:
            ValueError: No device runs a model of this kind.
        """
        self.refuse_device(self.executor.name)

    @abstractmethod
    def forward(
        self, x: Tensor, state: HiddenState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, HiddenState]:
        """Run sequences x (B, T, E) of the model's dtype.

        Args:
            x: Finite inputs.
            state: State to continue from, as returned by an earlier call.
            lengths: (B,) integers, the valid steps of each sequence; all steps by default.

        Returns:
            The outputs (B, T, readout_size), 0 past a sequence's length, and the state after each
            sequence's last valid step, with ``readouts`` (B, K).

        Raises:
            TypeError, ValueError: An input does not fit the model; see
                :func:`qrnn_qiskit.checks.check_batch`.
        """


def count_recurrent(model: nn.Module) -> int:
    """Count the trainable parameters of all recurrent models in a task's model.

    A translator has two of them.
    """
    found = (part for part in model.modules() if isinstance(part, RecurrentModel))
    return sum(part.count_parameters() for part in found)


def recall_memory(state: HiddenState, shape: Sequence[int]) -> Tensor:
    """Return the memory of a state, which has this shape.

    Raises:
        ValueError: It is missing or has another shape: another kind or batch produced the state.
    """
    memory = state.memory
    if memory is None or memory.shape != tuple(shape):
        found = "none" if memory is None else tuple(memory.shape)
        raise InvalidValueError(
            f"expected a state with a memory of shape {tuple(shape)} for the {shape[0]} "
            f"sequence(s) of x, got {found}; pass a state that this model returned"
        )
    return memory


class SteppedModel(RecurrentModel):
    """A model defined by one step, from its memory (B, ...) and its input.

    The readouts are the output of the last step. ``dropout`` drops outputs in training, never the
    memory.
    """

    def __init__(self, input_size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.input_size = require_count("input_size", input_size)
        check_number("dropout", dropout, minimum=0.0, below=1.0)
        self.dropout = Dropout(dropout)

    @abstractmethod
    def start(self, batch_size: int) -> Tensor:
        """Return the memory before the first step, (B, ...)."""

    @abstractmethod
    def prepare(self, x: Tensor) -> tuple[Tensor, Step]:
        """Compute the drive (B, T, ...), the part that needs no memory, and return the step too.

        The step takes the memory and the drive (B, ...) of one step, and returns the new memory
        and the outputs (B, K).
        """

    def forward(
        self, x: Tensor, state: HiddenState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, HiddenState]:
        """Run sequences step by step; see :meth:`RecurrentModel.forward`."""
        ends = check_batch(x, lengths, self.input_size, next(self.parameters()).dtype)
        batch_size, steps = x.shape[:2]
        last = torch.tensor([steps] * batch_size if ends is None else ends)
        memory = self.start(batch_size)
        if state is not None:
            memory = recall_memory(state, memory.shape)
        drive, step = self.prepare(x)
        outputs = []
        # unbind, because the gradient of drive[:, t] would be as large as the drive for every t
        for t, moment in enumerate(drive.unbind(1)[: int(last.max())]):
            moved, output = step(memory, moment)
            valid = last > t
            if not bool(valid.all()):
                moved = torch.where(valid.reshape(-1, *[1] * (moved.dim() - 1)), moved, memory)
                output = output * valid[:, None]
            memory = moved
            outputs.append(output)
        outputs += [torch.zeros_like(outputs[0])] * (steps - len(outputs))
        output = self.dropout(torch.stack(outputs, 1))
        readouts = output[torch.arange(batch_size), last - 1]
        return output, HiddenState(readouts, memory=memory)

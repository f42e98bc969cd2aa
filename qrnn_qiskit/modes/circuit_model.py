"""A recurrent model whose steps are circuits: its sizes, where it runs, and its runs."""

from __future__ import annotations

import torch
from qiskit.circuit import QuantumCircuit
from torch import Tensor, nn

from circuits import Ansatz, Measurement, Readout
from qrnn_qiskit.checks import check_batch, raise_precision
from qrnn_qiskit.controller import Controller, count_kept
from qrnn_qiskit.executors import Executor, check_executor
from qrnn_qiskit.executors.gradient_methods import parse_gradient, require_replayable
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.interop import transforms
from qrnn_qiskit.interop.plain_tensors import to_plain
from qrnn_qiskit.interop.transforms import refuse_transforms
from qrnn_qiskit.modes.base import Run
from qrnn_qiskit.modes.identity import IdentifiedModule
from qrnn_qiskit.recurrent import Filtered, RecurrentModel

__all__ = ["CircuitModel"]


class CircuitModel(IdentifiedModule, RecurrentModel):
    """A controller and a readout mode, which run sequences together on an executor.

    Attributes:
        controller: Module from (..., E + feedback) to (..., P) angles in radians.
        ansatz: Circuit of a step, of all registers.
        readout: The observables of all registers.
        mode: The readout mode: how sequences run, in simulation and on devices.
    """

    controller: nn.Module
    ansatz: Ansatz
    readout: Readout
    _executor: Executor
    _dtype: torch.dtype

    @property
    def readout_mode(self) -> str:
        """The argument ``readout``: "expectation", "measured" or "none"."""
        return self.mode.name

    @property
    def output_axis(self) -> tuple[str, str]:
        """What an output is, and what its values are, for the axes of plots."""
        return self.mode.output_axis

    @property
    def num_readouts(self) -> int:
        """K, the number of observables of all registers."""
        return len(self.readout.observables)

    @property
    def readout_size(self) -> int:
        """Width of the output: K, or m in measured mode."""
        return len(self.mode.output_labels)

    @property
    def hidden_size(self) -> int:
        """The width of the output, as torch.nn.LSTM names it: ``readout_size``."""
        return self.readout_size

    @property
    def output_labels(self) -> list[str]:
        """Names of the outputs of a step."""
        return self.mode.output_labels

    @property
    def record_size(self) -> int:
        """Bits of a step of a record: m in measured mode, 0 in the others."""
        return 0 if self.measurement is None else self.readout_size

    @property
    def measurement(self) -> Measurement | None:
        """The measurement that ends each step in measured mode; None in the other modes."""
        return self.mode.measurement

    @property
    def dtype(self) -> torch.dtype:
        """Precision of inputs, angles, amplitudes and readouts."""
        return self._like.dtype

    @property
    def device(self) -> torch.device:
        """Torch device of inputs and states."""
        return self._like.device

    @property
    def _like(self) -> Tensor:
        """A tensor with the dtype and the device of inputs and states."""
        controller = self.controller
        if isinstance(controller, Controller) and controller.keeps_layers:
            return controller.first  # the fast way, since calls come here
        parameter = next(self.parameters(), None)  # a custom controller may have none
        return torch.empty(0, dtype=self._dtype) if parameter is None else parameter

    @property
    def executor(self) -> Executor:
        """Where the circuits run: the compiled simulator unless set.

        On any other executor, and on a SimulatorExecutor with a ``gradient``, sequences without
        measurements are replayed: see :mod:`qrnn_qiskit.on_device.replay`.
        """
        return self._executor

    @executor.setter
    def executor(self, executor: Executor) -> None:
        check_executor(executor)
        self._check_gradient(executor.name, executor.gradient)
        self._executor = executor

    def check_device(self, name: str, gradient: str | None = None) -> None:
        """Refuse a device where the model has no circuit for it (ValueError)."""
        if name != "simulator":
            self.mode.check_executor(name)
        self._check_gradient(name, gradient)

    def _check_gradient(self, name: str, gradient: str | None) -> None:
        """Refuse a gradient method that is unknown, or that the mode does not support."""
        if gradient is not None and self.mode.replays:
            require_replayable(name, gradient)
        elif gradient is not None:
            parse_gradient(gradient)

    def angles(self, x: Tensor, state: HiddenState | None = None) -> Tensor:
        """Return the angles in radians of sequences ``x``, without gradient.

        Returns:
            (batch, time, P); in measured mode (batch, time, 2^m, P), by the value of the register
            of the step before. On a device that replays, its readouts are the feedback, so that
            this call runs the sequences there.
        """
        if torch.compiler.is_compiling():
            outside: Tensor = transforms.run_outside(self.angles, x, state)
            return outside
        with torch.no_grad():
            angles = self.mode.find_angles(self.controller, self._check_inputs(x, None)[0])
            if angles is None:
                angles = self._run(x, state, None, wants_angles=True).angles
        assert angles is not None
        return angles

    def filter(
        self,
        x: Tensor,
        record: Tensor,
        lengths: Tensor | None = None,
        state: HiddenState | None = None,
    ) -> Filtered:
        """Condition sequences on records of measured bits, only with ``readout="measured"``.

        Where :meth:`forward` sums over all records, this follows the given one: the controller
        receives its bits, and the state is the one that they leave. Always in exact simulation,
        whatever the executor. Differentiable; backward needs the state before each measurement,
        2^n complex numbers for each sequence and step, which the forward pass keeps (n = 14,
        T = 100, B = 16 in float32: 210 MB).

        Args:
            x: (batch, time, input_size) of the model's dtype.
            record: (batch, time, bits) 0 or 1, of any real dtype, as :meth:`sample` returns them;
                bit a of a step is that of ancilla a. Past a sequence's length it is not read.
            lengths: (batch,) integers, the valid steps of each sequence; all steps by default.
            state: State to continue from, as an earlier call returned it; |0...0> with bits 0 by
                default.

        Returns:
            The probabilities of the bits, the log-likelihood of each step, and the state; see
            :class:`~qrnn_qiskit.recurrent.Filtered`.

        Raises:
            TypeError, ValueError: An input does not fit the model, or a record is impossible
                (a probability below (16 eps)^2, which is 4e-12 in float32 and 1e-29 in float64);
                the message names the step and the sequence.
        """
        x, ends = self._check_inputs(x, lengths)
        return self.mode.filter(self.controller, x, record, state, ends)

    def sample(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw a record of measured bits for each sequence, from |0...0>, without gradient.

        It is exact: the bits of a device that runs ``model.circuits(x)`` without noise, or with
        the model's ``readout_error`` and ``step_noise``, have the same distribution. Only with
        ``readout="measured"``.

        Args:
            x: (batch, time, input_size) of the model's dtype.
            generator: Source of the random numbers; torch's global generator by default.

        Returns:
            (batch, time, bits) of the model's dtype, 0 or 1.

        Raises:
            TypeError, ValueError: An input does not fit the model.
        """
        x, _ = self._check_inputs(x, None)
        return self.mode.sample(self.controller, x, generator)

    def draw_records(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Draw records of measured bits from the device, one for each shot, without gradient.

        Where :meth:`forward` counts the shots of a device, this keeps them. Only with
        ``readout="measured"``, and on an executor with shots; :meth:`sample` simulates.

        Args:
            x: (batch, time, input_size) of the model's dtype.
            lengths: (batch,) integers, the valid steps of each sequence; all steps by default.

        Returns:
            (batch, shots, time, bits) uint8, 0 or 1; 0 past a sequence's length. The final
            measurement of the observables does not touch a record, so these are the shots of all
            its bases: three times those of the device with the default observables.

        Raises:
            TypeError, ValueError: An input does not fit the model, or the executor draws none.
        """
        x, ends = self._check_inputs(x, lengths)
        with torch.no_grad():
            return self.mode.draw(self.controller, self._executor, x, ends)

    def _check_inputs(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, list[int] | None]:
        refuse_transforms()
        if type(x) is not Tensor and isinstance(x, Tensor):
            x = to_plain("x", x)
        x = raise_precision(x, self.dtype)
        return x, check_batch(x, lengths, self.input_size, self.dtype, self.device)

    def circuits(self, x: Tensor, basis: str | None = None) -> list[QuantumCircuit]:
        """Return the bound circuit of all T steps for each sequence of ``x``, from |0...0>.

        In measured mode it is the dynamic circuit with its registers. Its final measurement is in
        ``basis``: X, Y or Z, by default Z.
        """
        return self.mode.bind(self.angles(x), basis)

    def replay_circuits(self, x: Tensor) -> list[list[QuantumCircuit]]:
        """Return the bound prefixes of 1 to T steps, ``[step][sequence]``, from |0...0>."""
        return self.mode.bind_prefixes(self.angles(x))

    def check_memory(self, batch_size: int, num_steps: int) -> None:
        """Refuse a batch that does not fit into memory on the simulator (ValueError).

        Where gradients are enabled, the memory of the backward pass is included.
        """
        kept = count_kept(self.controller)
        self.mode.check_memory(batch_size, num_steps, self.dtype, kept)

    def _run(
        self,
        x: Tensor,
        state: HiddenState | None,
        lengths: Tensor | None,
        wants_angles: bool = False,
    ) -> Run:
        refuse_transforms()
        controller = self.controller
        weights = self.mode.find_weights(controller, self._executor)
        like = self._like if weights is None else weights.first
        dtype, device = like.dtype, like.device
        if type(x) is not Tensor and isinstance(x, Tensor):
            x = to_plain("x", x)
        x = raise_precision(x, dtype)
        # The CPU kernels find NaN in passing. To look for it here as well would cost 11 us, which
        # is 4 % of a short training step (n = 4, T = 2, B = 2: 265 us) and 18 % of its forward
        # pass. They look too late where dropout is drawn first, and not past the last valid step.
        finds_nan = weights is not None and not weights.dropout and lengths is None and like.is_cpu
        ends = check_batch(x, lengths, self.input_size, dtype, device, kernels_find_nan=finds_nan)
        num_steps = x.shape[1]
        x = x if ends is None else x[:, : max(ends)]
        run = self.mode.run(controller, self._executor, x, state, ends, weights, wants_angles)
        return run if ends is None else run.clear_past(ends, num_steps)

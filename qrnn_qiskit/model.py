"""The hybrid quantum-classical recurrent network as a torch module."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import ArrayLike
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from circuits import ANSATZ_FAMILIES, Measurement, build_ansatz, build_readout
from circuits.errors import InvalidValueError
from circuits.registers import check_registers
from circuits.validation import require_count, require_name
from qrnn_qiskit.checks import check_batch, check_dtype, check_memory, raise_precision
from qrnn_qiskit.controller import (
    REGISTER_FEEDBACK,
    Controller,
    RegisterControllers,
    apply_start,
    choose_feedback_gain,
    count_kept,
)
from qrnn_qiskit.executors import Executor, SimulatorExecutor, check_executor, runs_compiled
from qrnn_qiskit.executors.gradient_methods import parse_gradient, require_replayable
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.interop import transforms
from qrnn_qiskit.interop.plain_tensors import to_plain
from qrnn_qiskit.interop.transforms import TransformError, refuse_transforms
from qrnn_qiskit.modes.base import ReadoutMode, Run
from qrnn_qiskit.modes.build import ENGINES, READOUT_MODES, build_mode
from qrnn_qiskit.modes.expectation import ExpectationMode
from qrnn_qiskit.modes.feedback import choose_heard
from qrnn_qiskit.modes.forms import has_other_form, run_form
from qrnn_qiskit.modes.identity import IdentifiedModule
from qrnn_qiskit.modes.options import Measured, choose_measured
from qrnn_qiskit.modes.pretrained import Rebuildable
from qrnn_qiskit.recurrent import Filtered, RecurrentModel


class QRNN(Rebuildable, IdentifiedModule, RecurrentModel):
    """Quantum recurrent network with the interface of :class:`torch.nn.LSTM` (arXiv:2510.25557).

    The hidden state is the state of n qubits. At step t the controller maps the input and the last
    readouts to angles in radians, theta_t = f([x_t ; z_(t-1)]); the circuit moves the state on,
    |psi_t> = U(theta_t) |psi_(t-1)>; and the K readouts are z_t[k] = <psi_t| O_k |psi_t>. The
    initial state is |0...0>. Qubit 0 is the least significant bit everywhere.

    Args:
        input_size: Width E of the inputs.
        num_qubits: n, the memory qubits of a register.
        num_layers: Layers L of the ansatz families.

    Other arguments:
        readout: "expectation" (the paper: expectation values feed the controller), "measured"
            (each step ends with a measurement of m bits, which feed it) or "none" (the ablation:
            the controller sees only the inputs).
        num_registers: R registers of n qubits side by side, without a gate between them. Each has
            its own controller and its own angles; the circuit of a step has R n qubits and R P
            angles, and readouts and outputs are side by side, register 0 first. The state is R 2^n
            numbers.
        register_feedback: "own" (a register's controller hears only its register) or "shared" (it
            hears all registers; in measured mode the registers are then simulated as one, and have
            2^(R m) branches).
        observables: K Hermitian observables (SparsePauliOp or Pauli labels) of a register, or
            letters such as "z" for Z of every qubit, or "pairs" for all Paulis of one and of two
            qubits, 3n + 9n(n-1)/2; X, Y and Z of every qubit by default.
        feedback_observables: Those of them that feed the controller in expectation mode, in the
            same forms. By default all; of "pairs" those of single qubits.
        measurement: The arguments of measured mode as one object, :class:`~qrnn_qiskit.Measured`,
            which describes them.
        num_ancillas, ..., num_trajectories: The same arguments one by one, instead of
            ``measurement``.
        controller_hidden: Width of the controller's hidden layer; None for no hidden layer.
        activation: "linear" (no hidden layer), "relu", "gelu" or "glu".
        dropout: Probability of dropping a hidden unit of the controller in training.
        ansatz: "linear", "ring", "brick", "product", a QuantumCircuit with free parameters, or the
            path of an OpenQASM 3 file.
        entangler: Entangler of the families: "cz", "rzz" or "crx".
        rotations: Rotations on every qubit in every layer of the families.
        feedback_gain: Factor on the controller's initial feedback weights; below 1 it keeps
            gradients of long sequences from exploding. "auto" is 8 / ``num_steps``, at most 1.
        angle_gain: Factor on the initial weights of the controller's output layer.
        start: "default", or "oscillators" for long sequences: without input each qubit turns at
            its own frequency; see :mod:`qrnn_qiskit.controller.starts`. It needs
            ``controller_hidden=None``.
        frequencies: Those frequencies in radians per step: "linear" (the default), "log",
            "period:P", or one number for each qubit; see
            :func:`~qrnn_qiskit.controller.resolve_frequencies`.
        input_gain: Root mean square of the input weights at the oscillator start; 0.05 by default.
        slow: Bound on the other output biases at the oscillator start, in radians per step; 0.003
            by default.
        num_steps: T, the length of the sequences, only for ``feedback_gain="auto"``.
        reset_state: An ablation of expectation mode, only on the simulator: every step starts from
            |0...0>, so that only the readouts remember.
        engine: Simulation engine of the modes without measurements: "auto" for compiled kernels
            on the CPU and on GPUs (Triton, for the standard controller) and torch elsewhere; or
            "torch" everywhere, to check one engine against another.
        batch_first: True, the only order of axes; accepted for programs written for torch.nn.LSTM.
        dtype: torch.float32 or torch.float64; torch's default dtype by default.
        device: Torch device of parameters, inputs and states, which ``model.to(device)`` changes
            later. Measured mode and replays on quantum devices require the CPU.

    Attributes:
        controller: Module from (..., E + feedback) to (..., P) angles in radians, for R > 1 a
            :class:`~qrnn_qiskit.controller.RegisterControllers`.
        ansatz: The step: ``ansatz.circuit`` on all R n qubits, ``ansatz.parameters`` in controller
            order.
        readout: The observables: ``readout.observables`` in the order of the readouts, R K of them.
        mode: The readout mode: how sequences run, in simulation and on devices.

    Raises:
        ValueError, TypeError: An argument is unknown, out of range or of another mode; the message
            names it and what is expected, and for too many qubits the memory they would take.
        UnsupportedCircuitError: The circuit has gates or angles that the simulator does not run.
    """

    kind = "qrnn"

    def __init__(
        self,
        input_size: int,
        num_qubits: int,
        num_layers: int = 1,
        *,
        readout: str = "expectation",
        num_registers: int = 1,
        register_feedback: str = "own",
        observables: str | Sequence[SparsePauliOp | str] | None = None,
        feedback_observables: str | Sequence[SparsePauliOp | str] | None = None,
        measurement: Measured | None = None,
        num_ancillas: int = Measured.num_ancillas,
        coupling: str = Measured.coupling,
        coupling_strength: float = Measured.coupling_strength,
        measured_qubits: Sequence[int] | None = Measured.measured_qubits,
        measured_bases: str = Measured.measured_bases,
        ancilla_return: str = Measured.ancilla_return,
        measurement_frame: str = Measured.measurement_frame,
        bit_feedback: bool = Measured.bit_feedback,
        readout_error: float | Sequence[Any] = Measured.readout_error,
        step_noise: str | Sequence[Any] | None = Measured.step_noise,
        num_trajectories: int | None = Measured.num_trajectories,
        controller_hidden: int | None = 32,
        activation: str = "gelu",
        dropout: float = 0.0,
        ansatz: str | os.PathLike[str] | QuantumCircuit = "linear",
        entangler: str = "cz",
        rotations: Sequence[str] = ("ry", "rz"),
        feedback_gain: float | str = 1.0,
        angle_gain: float = 1.0,
        start: str = "default",
        frequencies: str | ArrayLike | None = None,
        input_gain: float | None = None,
        slow: float | None = None,
        num_steps: int | None = None,
        reset_state: bool = False,
        engine: str = "auto",
        batch_first: bool = True,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        given = {name: each for name, each in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        if batch_first is not True:
            raise InvalidValueError(
                f"expected batch_first=True, the only order of axes here, got {batch_first!r}; "
                "pass x.transpose(0, 1)"
            )
        mode = require_name("readout", readout, READOUT_MODES)
        self.input_size = require_count("input_size", input_size)
        self.num_qubits = require_count("num_qubits", num_qubits)
        self.num_layers = require_count("num_layers", num_layers)
        self.num_registers = check_registers(num_registers, self.num_qubits)
        self.register_feedback = require_name(
            "register_feedback", register_feedback, REGISTER_FEEDBACK
        )
        check_memory(self.num_qubits, self.num_registers)
        dtype = torch.get_default_dtype() if dtype is None else dtype
        check_dtype(dtype)
        flat = Measured(
            num_ancillas=num_ancillas,
            coupling=coupling,
            coupling_strength=coupling_strength,
            measured_qubits=measured_qubits,
            measured_bases=measured_bases,
            ancilla_return=ancilla_return,
            measurement_frame=measurement_frame,
            bit_feedback=bit_feedback,
            readout_error=readout_error,
            step_noise=step_noise,
            num_trajectories=num_trajectories,
        )
        register = build_ansatz(
            ansatz,
            num_qubits=num_qubits,
            num_layers=num_layers,
            entangler=entangler,
            rotations=rotations,
        )
        if feedback_observables is not None and mode != ExpectationMode.name:
            raise InvalidValueError(
                "feedback_observables choose the expectation values that feed the controller, but "
                f"readout is {mode!r}; use readout='expectation', or leave them out"
            )
        values_read = build_readout(observables, num_qubits=num_qubits)
        self.mode: ReadoutMode = build_mode(
            mode,
            register,
            values_read,
            heard=choose_heard(values_read, observables, feedback_observables, self.num_registers),
            reset_state=reset_state,
            engine=require_name("engine", engine, ENGINES),
            measured=choose_measured(mode, measurement, flat),
            num_registers=self.num_registers,
            shares_feedback=self.register_feedback == "shared",
        )
        self.ansatz, self.readout = self.mode.ansatz, self.mode.readout
        if device is not None:
            self.mode.check_placement(torch.device(device))
        heard = self.mode.feedback_size
        if self.register_feedback == "own":
            heard //= self.num_registers
        controllers = [
            Controller(
                input_size,
                heard,
                register.num_parameters,
                hidden_size=controller_hidden,
                activation=activation,
                dropout=dropout,
                feedback_gain=choose_feedback_gain(feedback_gain, num_steps),
                angle_gain=angle_gain,
                dtype=dtype,
                device=device,
            )
            for _ in range(self.num_registers)
        ]
        apply_start(start, register, controllers, frequencies, input_gain=input_gain, slow=slow)
        self.controller: nn.Module = controllers[0]
        if self.num_registers > 1:
            self.controller = RegisterControllers(controllers, self.register_feedback)
        words = f"{self.ansatz.name!r} of {num_qubits} qubit(s)"
        if self.num_registers > 1:
            words += f" in each of {self.num_registers} registers"
        if self.ansatz.name in ANSATZ_FAMILIES:
            words += f", {num_layers} layer(s), {entangler}, {'+'.join(rotations)}"
        self.ansatz_in_words = words
        self._executor: Executor = SimulatorExecutor()
        # The dtype of now: torch's default may be another one when the model is built again.
        self._arguments = given | {"dtype": dtype}
        self._dtype = dtype
        self.mode.compile(dtype)

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
        return self._find_like(self.controller)

    def _find_like(self, controller: nn.Module) -> Tensor:
        if isinstance(controller, Controller) and controller.keeps_layers:
            return controller.first  # the fast way, since every call comes here
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

    def extra_repr(self) -> str:
        """Return the part of ``print(model)`` that describes the circuit."""
        return (
            f"{self.input_size}, num_qubits={self.num_qubits}, num_layers={self.num_layers}, "
            + (f"num_registers={self.num_registers}, " if self.num_registers > 1 else "")
            + f"readout={self.readout_mode!r}, ansatz={self.ansatz.name!r}, "
            f"angles={self.ansatz.num_parameters}, readouts={self.num_readouts}"
        )

    def forward(
        self,
        x: Tensor | PackedSequence,
        state: HiddenState | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, HiddenState]:
        """Run sequences through the network.

        Args:
            x: (batch, time, input_size) of the model's dtype, or under autocast in low precision.
                A PackedSequence gives a packed output, and one sequence (time, input_size) an
                output (time, readout_size) with a state of one sequence.
            state: State to continue from, as returned by an earlier call; |0...0> by default. A
                device carries on from the angles, the simulator from the state vector.
            lengths: (batch,) integers, the valid steps of each sequence; all steps by default.

        Returns:
            The readouts of every step, (batch, time, readout_size), 0 past a sequence's length, and
            the state after each sequence's last valid step. A device with shots adds standard
            errors to the state.

        Raises:
            TypeError, ValueError: An input does not fit the model; see :mod:`qrnn_qiskit.checks`.
        """
        if torch.compiler.is_compiling():
            outside: tuple[Tensor, HiddenState] = transforms.run_outside(
                self.forward, x, state, lengths
            )
            return outside
        empty = runs_compiled(self._executor)  # no job for an empty batch
        if isinstance(x, PackedSequence) or has_other_form(x, empty=empty):
            return run_form(self.forward, x, state, lengths)
        return self._run(x, state, lengths)[:2]

    def __prepare_scriptable__(self) -> None:
        """Refuse torch.jit.script, which calls this first (TransformError)."""
        raise TransformError(
            "torch.jit.script cannot read a QRNN, whose recurrence runs in compiled code; save "
            "model.state_dict() and build the model in Python"
        )

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
        like = self._find_like(controller)
        dtype, device = like.dtype, like.device
        if type(x) is not Tensor and isinstance(x, Tensor):
            x = to_plain("x", x)
        x = raise_precision(x, dtype)
        weights = self.mode.find_weights(controller, self._executor)
        # The CPU kernels find NaN in passing. To look for it here as well would cost 11 us, which
        # is 4 % of a short training step (n = 4, T = 2, B = 2: 265 us) and 18 % of its forward
        # pass. They look too late where dropout is drawn first, and not past the last valid step.
        finds_nan = weights is not None and not weights.dropout and lengths is None and like.is_cpu
        ends = check_batch(x, lengths, self.input_size, dtype, device, kernels_find_nan=finds_nan)
        num_steps = x.shape[1]
        x = x if ends is None else x[:, : max(ends)]
        run = self.mode.run(controller, self._executor, x, state, ends, weights, wants_angles)
        return run if ends is None else run.clear_past(ends, num_steps)

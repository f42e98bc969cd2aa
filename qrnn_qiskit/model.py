"""The hybrid quantum-classical recurrent network as a torch module, built from its arguments.

How it runs, on devices and along records, is :mod:`qrnn_qiskit.modes.circuit_model`.
"""

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

from circuits import ANSATZ_FAMILIES, build_ansatz, build_readout
from circuits.errors import InvalidValueError
from circuits.registers import check_registers
from circuits.validation import require_count, require_name
from qrnn_qiskit.checks import check_dtype, check_memory
from qrnn_qiskit.controller import (
    REGISTER_FEEDBACK,
    Controller,
    RegisterControllers,
    apply_start,
    choose_feedback_gain,
)
from qrnn_qiskit.executors import SimulatorExecutor, runs_compiled
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.interop import transforms
from qrnn_qiskit.interop.transforms import TransformError
from qrnn_qiskit.modes.build import ENGINES, READOUT_MODES, build_mode
from qrnn_qiskit.modes.circuit_model import CircuitModel
from qrnn_qiskit.modes.expectation import ExpectationMode
from qrnn_qiskit.modes.feedback import choose_heard
from qrnn_qiskit.modes.forms import has_other_form, run_form
from qrnn_qiskit.modes.options import Measured, choose_measured
from qrnn_qiskit.modes.pretrained import Rebuildable


class QRNN(Rebuildable, CircuitModel):
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
        self.mode = build_mode(
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
        self._executor = SimulatorExecutor()
        # The dtype of now: torch's default may be another one when the model is built again.
        self._arguments = given | {"dtype": dtype}
        self._dtype = dtype
        self.mode.compile(dtype)

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

"""The hybrid quantum-classical recurrent network as a torch module."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import torch
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor, nn

from circuits import Measurement, build_ansatz, build_readout
from circuits.validation import require_count, require_name
from qrnn_qiskit.checks import (
    check_dtype,
    check_finite,
    check_inputs,
    check_lengths,
    check_memory,
    check_number,
    raise_precision,
    require_cpu,
)
from qrnn_qiskit.controller import ACTIVATIONS, Controller, count_kept
from qrnn_qiskit.executors import Executor, SimulatorExecutor, check_executor
from qrnn_qiskit.executors.gradient_methods import choose_gradient
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.modes.base import Run
from qrnn_qiskit.modes.build import ENGINES, READOUT_MODES, build_core
from qrnn_qiskit.modes.expectation import UnitaryCore
from qrnn_qiskit.modes.measured import MeasuredCore
from qrnn_qiskit.recurrent import RecurrentModel


class QRNN(RecurrentModel):
    """Quantum recurrent network with the manners of :class:`torch.nn.LSTM` (arXiv:2510.25557).

    The hidden state is the state of n qubits. At step t the controller turns the input and the last
    readouts into angles, theta_t = f([x_t ; z_(t-1)]), the circuit moves the state on,
    |psi_t> = U(theta_t) |psi_(t-1)>, and the K readouts are z_t[k] = <psi_t| O_k |psi_t>. The first
    state is |0...0>. Qubit 0 is the least significant bit everywhere.

    Args:
        input_size: Width E of the inputs.
        num_qubits: n, the memory qubits.
        num_layers: Layers L of the ansatz families.

    Other arguments:
        readout: "expectation" (the paper's: expectation values feed the controller), "measured"
            (each step ends with a measurement of m bits, which feed it) or "none" (the ablation:
            the controller sees the inputs alone).
        observables: K Hermitian SparsePauliOp; X, Y and Z of every qubit unless given; also letters
            such as "z" for Z of every qubit.
        num_ancillas: m of measured mode, as the arguments from here to num_trajectories.
        coupling, coupling_strength, measured_qubits, measured_bases, ancilla_return: See
            :func:`circuits.build_measurement`; the strength g is in radians.
        readout_error: Of each bit in simulation: see
            :func:`~qrnn_qiskit.modes.noise.read_assignment`.
        step_noise: On every memory qubit after each measurement in simulation, as "damping:0.01":
            see :func:`~qrnn_qiskit.modes.noise.read_step_noise`.
        num_trajectories: N sampled pure states for each sequence instead of exact density
            matrices; needed beyond 6 memory qubits. See :mod:`qrnn_qiskit.modes.trajectories`.
        controller_hidden: Width of the controller's hidden layer; None for no hidden layer.
        activation: "linear" (no hidden layer), "relu", "gelu" or "glu".
        dropout: Probability of dropping a hidden unit of the controller in training.
        ansatz: "linear", "ring", "brick", "product", a QuantumCircuit with free parameters, or the
            path of an OpenQASM 3 file.
        entangler: "cz", "rzz" or "crx", of the families.
        rotations: Rotations on every qubit in every layer of the families.
        feedback_gain: Factor on the controller's initial feedback weights; below 1 it keeps
            gradients of long sequences from exploding.
        angle_gain: Factor on the initial weights of the controller's output layer.
        reset_state: An ablation of expectation mode: every step begins with |0...0>, so that only
            the readouts remember. On the simulator alone.
        engine: What simulates the modes without measurements: "auto", the compiled kernels on the
            CPU and on GPUs (there by Triton, for the standard controller) and torch elsewhere; or
            "torch" everywhere, to check one by the other.
        dtype: torch.float32 or torch.float64; torch's default dtype unless given.
        device: Of parameters, inputs and states, as ``model.to(device)`` sets it later; measured
            mode and replays on devices take the CPU.

    Attributes:
        controller: Module from (..., E + feedback) to (..., P) angles in radians.
        ansatz: ``ansatz.circuit`` on n qubits, ``ansatz.parameters`` in controller order.
        readout: ``readout.observables``, the K observables in the order of the readouts.

    Raises:
        ValueError, TypeError: An argument is unknown or out of range; the message says which, what
            is required, and for too many qubits the memory they would need.
        UnsupportedCircuitError: A circuit with gates or angles that the simulator does not run.
    """

    kind = "qrnn"

    def __init__(
        self,
        input_size: int,
        num_qubits: int,
        num_layers: int = 1,
        *,
        readout: str = "expectation",
        observables: str | Sequence[SparsePauliOp | str] | None = None,
        num_ancillas: int = 1,
        coupling: str = "cry",
        coupling_strength: float = math.pi,
        measured_qubits: Sequence[int] | None = None,
        measured_bases: str = "Z",
        ancilla_return: str = "branch",
        readout_error: float | Sequence[Any] = 0.0,
        step_noise: str | Sequence[Any] | None = None,
        num_trajectories: int | None = None,
        controller_hidden: int | None = 32,
        activation: str = "gelu",
        dropout: float = 0.0,
        ansatz: str | os.PathLike[str] | QuantumCircuit = "linear",
        entangler: str = "cz",
        rotations: Sequence[str] = ("ry", "rz"),
        feedback_gain: float = 1.0,
        angle_gain: float = 1.0,
        reset_state: bool = False,
        engine: str = "auto",
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.readout_mode = require_name("readout", readout, READOUT_MODES)
        self.input_size = require_count("input_size", input_size)
        self.num_qubits = require_count("num_qubits", num_qubits)
        self.num_layers = require_count("num_layers", num_layers)
        check_memory(self.num_qubits)
        activation = require_name("activation", activation, ACTIVATIONS)
        if controller_hidden is None:
            activation = "linear"
        else:
            require_count("controller_hidden", controller_hidden)
        check_number("dropout", dropout, minimum=0.0, below=1.0)
        check_number("feedback_gain", feedback_gain)
        check_number("angle_gain", angle_gain)
        dtype = torch.get_default_dtype() if dtype is None else dtype
        check_dtype(dtype)
        if device is not None and self.readout_mode == "measured":
            require_cpu(torch.device(device), "readout='measured'")
        self.ansatz = build_ansatz(
            ansatz,
            num_qubits=num_qubits,
            num_layers=num_layers,
            entangler=entangler,
            rotations=rotations,
        )
        self.readout = build_readout(observables, num_qubits=num_qubits)
        self._core = build_core(
            self.readout_mode,
            self.ansatz,
            self.readout,
            reset_state=reset_state,
            engine=require_name("engine", engine, ENGINES),
            num_ancillas=num_ancillas,
            coupling=coupling,
            coupling_strength=coupling_strength,
            measured_qubits=measured_qubits,
            measured_bases=measured_bases,
            ancilla_return=ancilla_return,
            readout_error=readout_error,
            step_noise=step_noise,
            num_trajectories=num_trajectories,
        )
        self.controller: nn.Module = Controller(
            input_size,
            self._core.feedback_size,
            self.ansatz.num_parameters,
            hidden_size=controller_hidden or 1,
            activation=activation,
            dropout=dropout,
            feedback_gain=feedback_gain,
            angle_gain=angle_gain,
            dtype=dtype,
            device=device,
        )
        self._executor: Executor = SimulatorExecutor()
        self._dtype = dtype
        self._core.compile(dtype)

    @property
    def output_axis(self) -> tuple[str, str]:
        """What an output is, and its values, for the axes of pictures."""
        if self.readout_mode == "measured":
            return "measured bit (ancilla)", "probability of 1"
        return "observable (Pauli, qubit)", "expectation value"

    @property
    def num_readouts(self) -> int:
        """K, the number of observables."""
        return len(self.readout.observables)

    @property
    def readout_size(self) -> int:
        """Width of the output: K, or m in measured mode."""
        return len(self._core.output_labels)

    @property
    def output_labels(self) -> list[str]:
        """Names of the outputs of a step."""
        return self._core.output_labels

    @property
    def measurement(self) -> Measurement | None:
        """What ends each step in measured mode; None in the other modes."""
        return self._core.measurement if isinstance(self._core, MeasuredCore) else None

    @property
    def dtype(self) -> torch.dtype:
        """Precision of inputs, angles, amplitudes and readouts."""
        return self._like.dtype

    @property
    def device(self) -> torch.device:
        """Where inputs and states are."""
        return self._like.device

    @property
    def _like(self) -> Tensor:
        """A tensor of the dtype and on the device of inputs and states."""
        controller = self.controller
        if isinstance(controller, Controller) and controller.keeps_layers:
            return controller.first  # quick: every call asks
        parameter = next(self.parameters(), None)  # a controller of one's own may have none
        return torch.empty(0, dtype=self._dtype) if parameter is None else parameter

    @property
    def executor(self) -> Executor:
        """What runs the circuits: the compiled simulator unless set.

        On any other executor, and on a SimulatorExecutor with a ``gradient``, sequences without
        measurements are replayed: see :mod:`qrnn_qiskit.on_device.replay`.
        """
        return self._executor

    @executor.setter
    def executor(self, executor: Executor) -> None:
        check_executor(executor)
        choose_gradient(executor)
        self._executor = executor

    def check_device(self, name: str, gradient: str | None = None) -> None:
        """Every device takes these circuits, unless an ablation has none of its own."""
        if isinstance(self._core, UnitaryCore) and name != "simulator":
            self._core.refuse_reset(f"the device {name!r}")

    def extra_repr(self) -> str:
        """The circuit's part of ``print(model)``."""
        return (
            f"{self.input_size}, num_qubits={self.num_qubits}, num_layers={self.num_layers}, "
            f"readout={self.readout_mode!r}, ansatz={self.ansatz.name!r}, "
            f"angles={self.ansatz.num_parameters}, readouts={self.num_readouts}"
        )

    def forward(
        self,
        x: Tensor,
        state: HiddenState | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, HiddenState]:
        """Run sequences through the network.

        Args:
            x: (batch, time, input_size) of the model's dtype, or under autocast in low precision.
            state: State to carry on from, as a former call returned it; |0...0> unless given. A
                device carries on from the angles, the simulator from the state vector.
            lengths: (batch,) integers, the valid steps of each sequence; all unless given.

        Returns:
            The readouts of every step, (batch, time, readout_size), 0 past a sequence's length, and
            the state after each sequence's last valid step, on a sampled device with standard
            errors.

        Raises:
            TypeError, ValueError: See :mod:`qrnn_qiskit.checks`; nothing has been run then.
        """
        return self._run(x, state, lengths)[:2]

    def angles(self, x: Tensor, state: HiddenState | None = None) -> Tensor:
        """Return the angles in radians that ``x`` leads to, without gradient.

        (batch, time, P); in measured mode (batch, time, 2^m, P), by the value of the register of
        the step before. On a replaying device its readouts are fed back, so that this runs the
        sequences there.
        """
        with torch.no_grad():
            angles = self._run(x, state, None, wants_angles=True).angles
        assert angles is not None
        return angles

    def circuits(self, x: Tensor, basis: str | None = None) -> list[QuantumCircuit]:
        """Return the bound circuit of all T steps for each sequence of ``x``, from |0...0>.

        In measured mode it is the dynamic circuit with its registers, measured at its end in
        ``basis``, X, Y or Z; Z unless given.
        """
        return self._core.bind(self.angles(x), basis)

    def replay_circuits(self, x: Tensor) -> list[list[QuantumCircuit]]:
        """Return the bound prefixes of 1 to T steps, ``[step][sequence]``, from |0...0>."""
        return self._core.bind_prefixes(self.angles(x))

    def check_memory(self, batch_size: int, num_steps: int) -> None:
        """Refuse a batch that does not fit into memory on the simulator (ValueError).

        What backward takes counts where gradients are enabled.
        """
        kept = count_kept(self.controller)
        self._core.check_memory(batch_size, num_steps, self.dtype, kept)

    def _run(
        self,
        x: Tensor,
        state: HiddenState | None,
        lengths: Tensor | None,
        wants_angles: bool = False,
    ) -> Run:
        like = self._like
        x = raise_precision(x, like.dtype)
        check_inputs(x, self.input_size, like.dtype, like.device)
        ends = check_lengths(lengths, x)
        if ends is None:
            return self._core.run(self.controller, self._executor, x, state, None, wants_angles)
        check_finite(x)  # also past the end of all
        run = self._core.run(self.controller, self._executor, x[:, : max(ends)], state, ends)
        return run.clear_past(ends, x.shape[1])

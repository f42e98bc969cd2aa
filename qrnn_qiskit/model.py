"""The hybrid quantum-classical recurrent network as a torch module."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence

import numpy as np
import torch
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor, nn

from circuits import build_ansatz, build_readout, prefix_circuits, unroll
from circuits.validation import require_count, require_name
from qrnn_qiskit.controller import ACTIVATIONS, Controller
from qrnn_qiskit.executors import Executor, SimulatorExecutor
from qrnn_qiskit.gradients import choose_gradient
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.inputs import (
    check_angles,
    check_inputs,
    check_lengths,
    check_memory,
    check_number,
    check_state,
)
from qrnn_qiskit.replay import Replay, replay
from qrnn_qiskit.simulator import (
    Recurrence,
    Simulator,
    advance,
    begin,
    read_vector,
    run_recurrence,
)
from qrnn_qiskit.simulator.lanes import lanes_per_vector

READOUT_MODES = ("expectation", "measured", "none")


class QRNN(nn.Module):
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
        readout: "expectation" (the paper's: expectation values feed the controller) or "none" (the
            ablation: the controller sees the inputs alone). "measured" is refused by this version.
        observables: K Hermitian SparsePauliOp; X, Y and Z of every qubit unless given; also letters
            such as "z" for Z of every qubit.
        num_ancillas, coupling, coupling_strength, measured_qubits, measured_bases: of measured
            mode, refused unless left as they are.
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
        dtype: torch.float32 or torch.float64; torch's default dtype unless given.
        device: Must be the CPU.

    Attributes:
        controller: Module from (..., E + feedback) to (..., P) angles in radians.
        ansatz: ``ansatz.circuit`` on n qubits, ``ansatz.parameters`` in controller order.
        readout: ``readout.observables``, the K observables in the order of the readouts.

    Raises:
        ValueError, TypeError: An argument is unknown or out of range; the message says which, what
            is required, and for too many qubits the memory they would need.
        UnsupportedCircuitError: A circuit with gates or angles that the simulator does not run.
    """

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
        controller_hidden: int | None = 32,
        activation: str = "gelu",
        dropout: float = 0.0,
        ansatz: str | os.PathLike[str] | QuantumCircuit = "linear",
        entangler: str = "cz",
        rotations: Sequence[str] = ("ry", "rz"),
        feedback_gain: float = 1.0,
        angle_gain: float = 1.0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.readout_mode = require_name("readout", readout, READOUT_MODES)
        ancillas = (num_ancillas, coupling, coupling_strength, measured_qubits, measured_bases)
        if readout == "measured" or ancillas != (1, "cry", math.pi, None, "Z"):
            raise ValueError(
                "readout='measured' and its arguments (num_ancillas, coupling, coupling_strength, "
                "measured_qubits, measured_bases) are not part of this version; use "
                "readout='expectation' or readout='none'"
            )
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
        _check_dtype(dtype)
        if device is not None and torch.device(device).type != "cpu":
            raise ValueError(f"device must be the CPU, where the simulator runs; {device} arrived")
        self.ansatz = build_ansatz(
            ansatz,
            num_qubits=num_qubits,
            num_layers=num_layers,
            entangler=entangler,
            rotations=rotations,
        )
        self.readout = build_readout(observables, num_qubits=num_qubits)
        self.controller: nn.Module = Controller(
            input_size,
            self.num_readouts if self.readout_mode == "expectation" else 0,
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
        self._replay = Replay(self.ansatz, self.readout.observables)
        self._dtype = dtype
        self._simulator: Simulator | None = None
        self._compile()

    @property
    def num_readouts(self) -> int:
        """K, the number of observables."""
        return len(self.readout.observables)

    @property
    def readout_size(self) -> int:
        """Width of the output."""
        return self.num_readouts

    @property
    def dtype(self) -> torch.dtype:
        """Precision of inputs, angles, amplitudes and readouts."""
        return next((parameter.dtype for parameter in self.parameters()), self._dtype)

    @property
    def executor(self) -> Executor:
        """What runs the circuits: the compiled simulator unless set.

        On any other executor, and on a SimulatorExecutor with a ``gradient``, the sequences are
        replayed: see :mod:`qrnn_qiskit.replay`.
        """
        return self._executor

    @executor.setter
    def executor(self, executor: Executor) -> None:
        if not isinstance(executor, Executor):
            raise TypeError(
                f"executor must have what qrnn_qiskit.executors.Executor asks for, and a "
                f"{type(executor).__name__} arrived. Take what runtime_jobs.open_device(name) "
                "opens, or qrnn_qiskit.executors.SimulatorExecutor()."
            )
        choose_gradient(executor)
        self._executor = executor

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
            x: (batch, time, input_size) of the model's dtype.
            state: State to carry on from, as a former call returned it; |0...0> unless given. A
                device carries on from the angles, the simulator from the state vector.
            lengths: (batch,) integers, the valid steps of each sequence; all unless given.

        Returns:
            The readouts of every step, (batch, time, readout_size), 0 past a sequence's length, and
            the state after each sequence's last valid step, on a sampled device with standard
            errors.

        Raises:
            TypeError, ValueError: See :mod:`qrnn_qiskit.inputs`; nothing has been run then.
        """
        output, state, _ = self._recur(x, state, lengths)
        return output, state

    def angles(self, x: Tensor, state: HiddenState | None = None) -> Tensor:
        """Return the angles (batch, time, P) in radians that ``x`` leads to, without gradient.

        On a device its readouts are fed back, so that this runs the sequences there.
        """
        with torch.no_grad():
            return self._recur(x, state, None)[2]

    def circuits(self, x: Tensor) -> list[QuantumCircuit]:
        """Return the bound circuit of all T steps for each sequence of ``x``, from |0...0>."""
        angles = self.angles(x).flatten(1).double().numpy()
        circuit = unroll(self.ansatz, x.shape[1])
        return [circuit.assign_parameters(row) for row in angles]

    def replay_circuits(self, x: Tensor) -> list[list[QuantumCircuit]]:
        """Return the bound prefixes of 1 to T steps, ``[step][sequence]``, from |0...0>."""
        angles = self.angles(x).flatten(1).double().numpy()
        prefixes = prefix_circuits(self.ansatz, x.shape[1])
        return [
            [prefix.assign_parameters(row[: prefix.num_parameters]) for row in angles]
            for prefix in prefixes
        ]

    def _recur(
        self, x: Tensor, state: HiddenState | None, lengths: Tensor | None
    ) -> tuple[Tensor, HiddenState, Tensor]:
        """Return output, last state and the angles (batch, time, P)."""
        check_inputs(x, self.input_size, self.dtype)
        ends = check_lengths(lengths, x)
        if not self._runs_compiled():
            return self._run_replay(x, state, ends)
        simulator = self._compile()
        check_memory(self.num_qubits, -(-len(x) // lanes_per_vector(simulator.real)))
        if state is not None:
            check_state(state, len(x), self.num_readouts, self.num_qubits, self.dtype)
        steps = max(ends) if ends else x.shape[1]
        run = self._run_fused if self._has_standard_controller() else self._run_stepwise
        with torch.autocast("cpu", enabled=False):  # angles keep the precision of the states
            output, readouts, vector, angles = run(simulator, x[:, :steps], state, ends)
        if ends is not None:
            valid = torch.arange(steps) < torch.tensor(ends)[:, None]
            output = output.masked_fill(~valid[:, :, None], 0.0)
        return _pad(output, x), HiddenState(readouts, vector=vector), angles

    def _runs_compiled(self) -> bool:
        """Whether the compiled simulator runs the whole recurrence, with its adjoint gradient."""
        return type(self._executor) is SimulatorExecutor and self._executor.gradient is None

    def _run_replay(
        self, x: Tensor, state: HiddenState | None, ends: list[int] | None
    ) -> tuple[Tensor, HiddenState, Tensor]:
        steps = max(ends) if ends else x.shape[1]
        has_feedback = self.readout_mode == "expectation"
        output, state, angles = replay(
            self._replay, self._executor, self.controller, x[:, :steps], state, ends, has_feedback
        )
        if state.output_standard_errors is not None:
            errors = _pad(state.output_standard_errors, x)
            state = dataclasses.replace(state, output_standard_errors=errors)
        return _pad(output, x), state, angles

    def _has_standard_controller(self) -> bool:
        """Whether the compiled recurrence may stand in for calling ``self.controller``."""
        return type(self.controller) is Controller and self.controller.is_untouched

    def _run_fused(
        self, simulator: Simulator, x: Tensor, state: HiddenState | None, ends: list[int] | None
    ) -> Recurrence:
        assert isinstance(self.controller, Controller)
        readouts = simulator.read_zero(len(x)) if state is None else state.readouts
        vector = None if state is None else state.vector
        return run_recurrence(simulator, self.controller.weights(), x, readouts, vector, ends)

    def _run_stepwise(
        self, simulator: Simulator, x: Tensor, state: HiddenState | None, ends: list[int] | None
    ) -> Recurrence:
        batch_size, steps = x.shape[:2]
        readouts = simulator.read_zero(batch_size) if state is None else state.readouts
        evolution, token = begin(simulator, None if state is None else state.vector, batch_size)
        last = np.full(batch_size, steps) if ends is None else np.asarray(ends)
        outputs: list[Tensor] = []
        angles: list[Tensor] = []
        vectors = torch.zeros(0)
        for t, inputs in enumerate(x.unbind(1)):
            if self.readout_mode == "expectation":
                inputs = torch.cat((inputs, readouts), 1)
            angles.append(self.controller(inputs))
            check_angles(angles[-1], batch_size, self.ansatz.num_parameters, simulator.dtype)
            token, readouts = advance(evolution, token, angles[-1])
            outputs.append(readouts)
            rows = np.flatnonzero(last == t + 1)
            if rows.size:
                ended = read_vector(evolution, token, rows)
                if not len(vectors):
                    vectors = ended.new_zeros(batch_size, ended.shape[1])
                vectors = vectors.index_copy(0, torch.from_numpy(rows), ended)
        output = torch.stack(outputs, 1)
        readouts = output[torch.arange(batch_size), torch.from_numpy(last) - 1]
        return Recurrence(output, readouts, vectors, torch.stack(angles, 1).detach())

    def _compile(self) -> Simulator:
        """The simulator in the model's present dtype."""
        dtype = self.dtype
        if self._simulator is None or self._simulator.dtype != dtype:
            _check_dtype(dtype)
            names = [parameter.name for parameter in self.ansatz.parameters]
            self._simulator = Simulator(self.ansatz.circuit, names, self.readout.observables, dtype)
        return self._simulator


def _pad(output: Tensor, x: Tensor) -> Tensor:
    """Zeros after the last step that any sequence has, up to the steps of ``x``."""
    padding = output.new_zeros(len(x), x.shape[1] - output.shape[1], output.shape[2])
    return torch.cat((output, padding), 1) if padding.numel() else output


def _check_dtype(dtype: torch.dtype) -> None:
    if dtype not in (torch.float32, torch.float64):
        raise TypeError(f"dtype must be torch.float32 or torch.float64, and {dtype!r} arrived")

"""Measured mode: each step ends with a measurement whose bits feed the controller.

The controller sees m bits instead of K numbers, so it has 2^m possible answers to each input. All
of them are computed before anything runs: theta(b, t, c) = f([x_t ; bits of c]), where c is the
value of the register of the step before. Simulators and devices differ only in how they turn these
tables into probabilities and readouts.

R registers of own feedback have 2^m branches each, not 2^(m R) together. Tables are then
(B, T, 2^m, R P): the angles of each register are those after the value c of its own bits. Outcomes
are (B, T, R 2^m). In simulation the registers run as B R sequences.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from torch import Tensor, nn

from circuits import Ansatz, Readout
from circuits.coupling import Measurement
from circuits.dynamic import build_dynamic
from circuits.errors import InvalidValueError
from qrnn_qiskit.checks import check_dtype, keep_precision, require_cpu
from qrnn_qiskit.controller import count_kept
from qrnn_qiskit.engines.contract import NOTHING_KEPT, ControllerWeights, Kept
from qrnn_qiskit.engines.cpu import Simulator
from qrnn_qiskit.executors import DynamicExecutor, Executor, runs_compiled
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.modes.base import ReadoutMode, Run
from qrnn_qiskit.modes.bit_tables import sum_bits, tabulate_angles
from qrnn_qiskit.modes.carried import check_trajectories
from qrnn_qiskit.modes.conditioning import Conditioning
from qrnn_qiskit.modes.exact import ExactSimulation
from qrnn_qiskit.modes.options import MAX_EXACT_QUBITS, check_exact, check_simulation, check_states
from qrnn_qiskit.modes.side_by_side import as_registers, divide_tables, join_outcomes
from qrnn_qiskit.modes.trajectories import (
    Samples,
    average_samples,
    damp_observables,
    estimate_errors,
    sample_trajectories,
)
from qrnn_qiskit.on_device.drawing import draw_on_device
from qrnn_qiskit.on_device.dynamic import run_on_device
from qrnn_qiskit.on_device.dynamic_function import DynamicCircuits
from qrnn_qiskit.recurrent import Filtered

__all__ = ["MeasuredMode"]


class MeasuredMode(ReadoutMode):
    """The mode "measured", simulated exactly by density matrices, or by trajectories.

    Args:
        ansatz: Circuit of a step of one register, P angles.
        readout: The K observables of one register, read once after the last measurement.
        measurement: The measurement of one register at the end of each step.
        assignment: (m, 2, 2) probabilities A[c, k] that outcome k of an ancilla is stored as c.
        noise: Kraus operators (2, 2) on every memory qubit after each measurement.
        num_trajectories: N pure states for each sequence, or None for exact density matrices.
        num_registers: R registers side by side, each with its own feedback.
    """

    name = "measured"
    output_axis = ("measured bit (ancilla)", "probability of 1")
    replays = False
    waits_between_steps = False

    measurement: Measurement

    def __init__(
        self,
        ansatz: Ansatz,
        readout: Readout,
        measurement: Measurement,
        assignment: NDArray[np.float64],
        noise: Sequence[NDArray[np.complex128]],
        num_trajectories: int | None,
        num_registers: int = 1,
    ) -> None:
        check_simulation(num_trajectories, assignment, noise)
        self.set_registers(ansatz, readout, num_registers)
        self.measurement = measurement
        self.num_trajectories = num_trajectories
        self.num_bits = num_registers * measurement.num_ancillas
        self.feedback_size = self.num_bits if measurement.bit_feedback else 0
        self.output_labels = [f"bit {ancilla}" for ancilla in range(self.num_bits)]
        self._exact = ExactSimulation(
            ansatz, readout, measurement, assignment, noise, num_registers
        )
        if self._exact.is_noisy:  # no pure state follows noise, along a record or not
            check_exact(ansatz.num_qubits, measurement.num_ancillas)
        self._conditioning = Conditioning(self._exact, self.tabulate)
        self._circuits = DynamicCircuits(
            ansatz, measurement, self.readout.observables, num_registers
        )
        self._sampled: Simulator | None = None
        self._inverse: Simulator | None = None

    def check_memory(
        self, batch_size: int, num_steps: int, dtype: torch.dtype, kept: Kept = NOTHING_KEPT
    ) -> None:
        """Refuse a batch whose states do not fit; the backward pass needs one for each step."""
        count = self.num_trajectories
        runs = batch_size * self.num_registers * (count or self.measurement.num_outcomes)
        steps = num_steps if torch.is_grad_enabled() else 1
        kept_bytes = runs * steps * kept.of_step * dtype.itemsize
        if count is None:
            self._exact.check_memory(batch_size, num_steps, dtype, kept_bytes)
            return
        states = 6 + 2 * self.measurement.num_outcomes  # of a step, kept by torch
        n = self.register.num_qubits
        needed = runs * steps * states * dtype.to_complex().itemsize << n
        what = f"{count} trajectories"
        check_states(needed + kept_bytes, n, self.num_registers, what, batch_size, steps)

    def check_placement(self, device: torch.device) -> None:
        """Refuse any device but the CPU (ValueError)."""
        require_cpu(device, "readout='measured'")

    def compile(self, dtype: torch.dtype) -> None:
        """Compile the step for a precision."""
        if self.num_trajectories is not None:
            self._compile_sampled(dtype)
        elif self.register.num_qubits <= MAX_EXACT_QUBITS:
            self._exact.compile(dtype)
        else:  # only along records, and on devices
            self._conditioning.pure.compile(dtype)

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
        """Run sequences; see :meth:`ReadoutMode.run`."""
        self.check_placement(x.device)
        last = [x.shape[1]] * len(x) if ends is None else ends
        if not runs_compiled(executor):
            return self._run_on_device(controller, executor, x, state, last)
        self.check_memory(len(x), x.shape[1], x.dtype, count_kept(controller))
        with keep_precision(x.device):
            if self.num_trajectories is None:
                return self._run_exact(controller, x, state, last)
            return self._run_sampled(controller, x, state, last, self.num_trajectories)

    def filter(
        self,
        controller: nn.Module,
        x: Tensor,
        record: Tensor,
        state: HiddenState | None,
        ends: list[int] | None,
    ) -> Filtered:
        """Run sequences along a record; see :meth:`ReadoutMode.filter`."""
        self.check_placement(x.device)
        last = [x.shape[1]] * len(x) if ends is None else ends
        with keep_precision(x.device):
            return self._conditioning.filter(controller, x, record, state, last)

    def sample(self, controller: nn.Module, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw records for sequences; see :meth:`ReadoutMode.sample`."""
        self.check_placement(x.device)
        with keep_precision(x.device):
            return self._conditioning.sample(controller, x, generator)

    def draw(
        self, controller: nn.Module, executor: Executor, x: Tensor, ends: list[int] | None
    ) -> Tensor:
        """Draw records from an executor; see :meth:`ReadoutMode.draw`."""
        self.check_placement(x.device)
        last = [x.shape[1]] * len(x) if ends is None else ends
        circuits, runner = self._circuits, _require_dynamic(executor)
        return draw_on_device(circuits, runner, self.find_angles(controller, x), last)

    def _run_exact(
        self, controller: nn.Module, x: Tensor, state: HiddenState | None, ends: list[int]
    ) -> Run:
        density = self._exact.open(state, len(x), x.dtype)
        tables = self.tabulate(controller, x)
        outcomes, readouts, density = self._exact.run(tables, density, ends)
        state = HiddenState(readouts, density=as_registers(density, self.num_registers))
        return Run(self._sum_bits(outcomes), state, tables.detach())

    def _run_sampled(
        self,
        controller: nn.Module,
        x: Tensor,
        state: HiddenState | None,
        ends: list[int],
        count: int,
    ) -> Run:
        simulator = self._compile_sampled(x.dtype)
        start = None
        if state is not None:
            sizes = (*self._side, count, 1 << self.register.num_qubits)
            start = check_trajectories(state, len(x), sizes, x.dtype)
            if self._side:
                start = start[0].flatten(0, 1), start[1].flatten(0, 1)
        tables = self.tabulate(controller, x)
        samples, outcomes, readouts = self._sample(simulator, tables, count, start, ends)
        errors = estimate_errors(sum_bits(samples.probabilities, self.measurement))
        state = HiddenState(
            readouts,
            standard_errors=estimate_errors(samples.readouts).reshape(len(x), -1),
            output_standard_errors=join_outcomes(errors, self.num_registers),
            trajectories=as_registers(samples.vectors, self.num_registers),
            registers=as_registers(samples.registers, self.num_registers),
        )
        return Run(self._sum_bits(outcomes), state, tables.detach())

    def _run_on_device(
        self,
        controller: nn.Module,
        executor: Executor,
        x: Tensor,
        state: HiddenState | None,
        ends: list[int],
    ) -> Run:
        runner = _require_dynamic(executor)
        tables = self.tabulate(controller, x)
        outcomes, state, shots = run_on_device(
            self._circuits, runner, tables, state, ends, self._simulate
        )
        output = self._sum_bits(outcomes)
        if shots is not None and state.output_standard_errors is None:
            smoothed = (output.detach() * shots + 1) / (shots + 2)  # never an error of 0
            errors = (smoothed * (1 - smoothed) / shots).sqrt()
            errors = errors * (outcomes.detach().sum(2, keepdim=True) > 0)
            state = dataclasses.replace(state, output_standard_errors=errors)
        return Run(output, state, tables.detach())

    def _simulate(self, tables: Tensor, ends: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return outcomes (B, T, 2^m) and readouts (B, K) with gradient, starting at |0...0>."""
        self.check_memory(len(tables), tables.shape[1], tables.dtype)
        with keep_precision(tables.device):
            if self.num_trajectories is None:
                return self._exact.run(tables, None, ends)[:2]
            sampled = self._compile_sampled(tables.dtype)
            return self._sample(sampled, tables, self.num_trajectories, None, ends)[1:]

    def _sample(
        self,
        simulator: Simulator,
        tables: Tensor,
        count: int,
        start: tuple[Tensor, Tensor] | None,
        ends: Sequence[int],
    ) -> tuple[Samples, Tensor, Tensor]:
        """Return trajectories of B R sequences, outcomes (B, T, R 2^m) and readouts (B, R K)."""
        last = [end for end in ends for _ in range(self.num_registers)]
        samples = sample_trajectories(
            simulator,
            self.measurement,
            divide_tables(tables, self.num_registers),
            count,
            start,
            last,
            self.num_registers,
            self._inverse,
        )
        outcomes, readouts = average_samples(samples, last, self.measurement.is_undone)
        joined = join_outcomes(outcomes, self.num_registers)
        return samples, joined, readouts.reshape(len(tables), -1)

    @property
    def _side(self) -> tuple[int, ...]:
        """The axis of registers in the fields of a state; none for one register."""
        return () if self.num_registers == 1 else (self.num_registers,)

    def find_angles(self, controller: nn.Module, x: Tensor) -> Tensor:
        """Return the angles, which depend on no state; see :meth:`ReadoutMode.find_angles`."""
        self.check_placement(x.device)
        with keep_precision(x.device):
            return self.tabulate(controller, x)

    def tabulate(self, controller: nn.Module, x: Tensor) -> Tensor:
        """Return the angles (B, T, 2^m, R P) for every value of the register before each step."""
        num_angles, hears = self.ansatz.num_parameters, self.feedback_size > 0
        return tabulate_angles(
            controller, x, self.measurement, num_angles, self.num_registers, hears=hears
        )

    def _sum_bits(self, outcomes: Tensor) -> Tensor:
        return sum_bits(outcomes, self.measurement, self.num_registers)

    def sample_feedback(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Draw each bit, 0 or 1, by its probability; no values where bits do not feed back."""
        drawn = torch.bernoulli(output, generator=generator)
        return drawn if self.feedback_size else drawn[..., :0]

    def bind(self, angles: Tensor, basis: str | None) -> list[QuantumCircuit]:
        """Return the dynamic circuits, with their final measurement in ``basis``, Z by default."""
        dynamic = build_dynamic(
            self.register, self.measurement, angles.shape[1], self.num_registers
        )
        values = dynamic.bind_values(angles.double().numpy(), basis="Z" if basis is None else basis)
        return [dynamic.circuit.assign_parameters(row) for row in values]

    def bind_prefixes(self, angles: Tensor) -> list[list[QuantumCircuit]]:
        """Refuse: a sequence is one circuit (ValueError)."""
        raise InvalidValueError(
            "readout='measured' runs one dynamic circuit for each sequence and has no prefix "
            "circuits; use circuits(x)"
        )

    def _compile_sampled(self, dtype: torch.dtype) -> Simulator:
        if self._sampled is None or self._sampled.dtype != dtype:
            check_dtype(dtype)
            circuit, observables = self.register.circuit, self.register_readout.observables
            if self.measurement.is_undone:
                self._inverse = Simulator(circuit.inverse(), observables, dtype)
            damped = damp_observables(observables, self.measurement)
            self._sampled = Simulator(circuit, damped, dtype)
        return self._sampled


def _require_dynamic(executor: Executor) -> DynamicExecutor:
    """Return an executor of dynamic circuits; ValueError for any other one."""
    if not isinstance(executor, DynamicExecutor):
        raise InvalidValueError(
            f"readout='measured' needs an executor of dynamic circuits, but {executor.name!r} "
            "runs none; use a device with mid-circuit measurement, such as aer:kingston, or "
            "the simulator without a gradient method"
        )
    return executor

"""Expectation mode: the readouts that feed the controller are expectation values, undisturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

import torch
from qiskit.circuit import QuantumCircuit
from torch import Tensor, nn

from circuits import Ansatz, Readout, prefix_circuits, unroll
from circuits.errors import InvalidValueError
from qrnn_qiskit.checks import check_dtype, check_fit, keep_precision, require_cpu
from qrnn_qiskit.controller import Controller, RegisterControllers, count_kept
from qrnn_qiskit.engines.contract import NOTHING_KEPT, ControllerWeights, Kept, Recurrence
from qrnn_qiskit.engines.cpu import Simulator, run_recurrence
from qrnn_qiskit.engines.cpu.memory_layout import count_bytes
from qrnn_qiskit.engines.dense import DenseSimulator
from qrnn_qiskit.engines.gpu import has_kernels
from qrnn_qiskit.executors import Executor, runs_compiled
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.modes.base import ReadoutMode, Run
from qrnn_qiskit.modes.carried import check_state
from qrnn_qiskit.modes.feedback import Heard
from qrnn_qiskit.modes.recurrence import run_step_by_step
from qrnn_qiskit.on_device.noisy_recurrence import StepwiseExecutor, run_noisy
from qrnn_qiskit.on_device.prefix_rounds import PrefixCircuits
from qrnn_qiskit.on_device.replay import replay

if TYPE_CHECKING:
    from qrnn_qiskit.engines.gpu.simulator import KernelSimulator

__all__ = ["ExpectationMode"]

_Placed = TypeVar("_Placed", "DenseSimulator", "KernelSimulator")


class ExpectationMode(ReadoutMode):
    """The mode "expectation" of arXiv:2510.25557.

    The readouts after step t are z_t[k] = <psi_t|O_k|psi_t>. They feed the controller of step
    t + 1, and the state goes on undisturbed. A device replays: it estimates z_t with the circuit
    of the first t steps.

    Args:
        ansatz: Circuit of a step of one register, P angles.
        readout: The K observables of one register, read after each step.
        resets_state: Whether every step starts from |0...0>, so that only the readouts remember.
        engine: "auto" for compiled kernels on the CPU and on GPUs, and torch where there are none;
            or "torch" everywhere.
        num_registers: R registers side by side.
        heard: The readouts that the controller hears; all of them by default.
    """

    name = "expectation"
    output_axis = ("observable (Pauli, qubit)", "expectation value")
    replays = True
    waits_between_steps = True
    has_feedback: ClassVar[bool] = True

    def __init__(
        self,
        ansatz: Ansatz,
        readout: Readout,
        resets_state: bool = False,
        engine: str = "auto",
        num_registers: int = 1,
        heard: Heard | None = None,
    ) -> None:
        self.set_registers(ansatz, readout, num_registers)
        self._num_qubits = ansatz.num_qubits  # every call needs it, and a circuit answers slowly
        self.resets_state = resets_state
        self.heard = heard
        of_register = len(readout.observables) if heard is None else len(heard.places)
        self.feedback_size = num_registers * of_register if self.has_feedback else 0
        self.output_labels = self.readout.labels
        self.replay = PrefixCircuits(self.ansatz, self.readout.observables)
        self.engine = engine
        self._fitting: tuple[int, int, torch.dtype, Kept | None] | None = None
        self._simulator: Simulator | None = None
        self._placed: DenseSimulator | KernelSimulator | None = None

    def check_memory(
        self, batch_size: int, num_steps: int, dtype: torch.dtype, kept: Kept = NOTHING_KEPT
    ) -> None:
        """Refuse a batch that does not fit; with ``resets_state`` states grow with the steps."""
        keeps = torch.is_grad_enabled()
        batch = batch_size, num_steps, dtype, kept if keeps else None
        if batch == self._fitting:  # every call checks, mostly the same sizes
            return
        if self.heard is not None:  # the kernels keep all readouts as inputs of the controller
            missing = self.heard.num_readouts - len(self.heard.places)
            kept = kept._replace(of_step=kept.of_step + missing)
        starts = num_steps if self.resets_state else 1
        registers = self.num_registers
        needed = count_bytes(
            self._compile(dtype), batch_size, num_steps, kept if keeps else None, starts, registers
        )
        several = registers > 1
        check_fit(
            needed,
            f"num_qubits={self._num_qubits}"
            + (f" in each of {registers} registers needs" if several else " needs"),
            f"for {batch_size} sequence(s) of {num_steps} step(s), "
            + ("forward and backward" if keeps else "forward only"),
            f"Take fewer qubits, {'fewer registers, ' * several}a smaller batch or shorter "
            "sequences.",
        )
        self._fitting = batch

    def compile(self, dtype: torch.dtype) -> None:
        """Compile the step for a precision."""
        self._compile(dtype)

    def check_executor(self, name: str) -> None:
        """Refuse a device where steps reset the state (ValueError)."""
        self._refuse_reset(f"the device {name!r}")

    def find_weights(self, controller: nn.Module, executor: Executor) -> ControllerWeights | None:
        """Return the weights of the standard controller where the simulator runs it compiled."""
        is_compiled = self.engine != "torch" and not self.resets_state and runs_compiled(executor)
        if not is_compiled or type(controller) not in (Controller, RegisterControllers):
            return None
        assert isinstance(controller, (Controller, RegisterControllers))
        weights = controller.find_weights()
        return weights if weights is None or self.heard is None else self.heard.widen(weights)

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
        """Run sequences in simulation, or replay them on a device; see :meth:`ReadoutMode.run`."""
        kept = count_kept(controller)
        if self.heard is not None:
            controller = self.heard.narrow(controller)
        if weights is None and not runs_compiled(executor):
            require_cpu(x.device, f"the device {executor.name!r}")
            self.check_executor(executor.name)
            if executor.gradient is None and isinstance(executor, StepwiseExecutor):
                return Run(
                    *run_noisy(self.replay, executor, controller, x, state, ends, self.has_feedback)
                )
            return Run(
                *replay(self.replay, executor, controller, x, state, ends, self.has_feedback)
            )
        if x.is_cpu:  # elsewhere torch reports what does not fit
            self.check_memory(len(x), x.shape[1], x.dtype, kept)
        if state is not None:
            num_readouts, registers = len(self.readout.observables), self.num_registers
            check_state(state, len(x), num_readouts, self._num_qubits, x.dtype, registers)
        with keep_precision(x.device):
            if weights is None:
                run = self._run_step_by_step(controller, x, state, ends)
            else:
                run = self._run_compiled(weights, controller, x, state, ends, wants_angles)
        return Run(run.output, HiddenState(run.readouts, vector=run.vector), run.theta)

    def sample_feedback(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """Return the expectation values that are heard, the feedback; nothing is random."""
        return output if self.heard is None else self.heard.select(output)

    def bind(self, angles: Tensor, basis: str | None) -> list[QuantumCircuit]:
        """Return the unrolled circuits, which have no measurement and therefore no basis."""
        if basis is not None:
            raise InvalidValueError(
                f"basis={basis!r} applies only to readout='measured', whose circuits end with a "
                f"measurement, but readout is {self.name!r}; leave basis out"
            )
        self._refuse_reset("a circuit of all steps")
        circuit = unroll(self.ansatz, angles.shape[1])
        values = angles.flatten(1).double().cpu().numpy()
        return [circuit.assign_parameters(row) for row in values]

    def bind_prefixes(self, angles: Tensor) -> list[list[QuantumCircuit]]:
        """Return the prefixes of the unrolled circuit, which a replay runs."""
        values = angles.flatten(1).double().cpu().numpy()
        return [
            [prefix.assign_parameters(row[: prefix.num_parameters]) for row in values]
            for prefix in prefix_circuits(self.ansatz, angles.shape[1])
        ]

    def _refuse_reset(self, what: str) -> None:
        """Raise ValueError where steps reset the state, which makes ``what`` impossible."""
        if self.resets_state:
            raise InvalidValueError(
                f"{what} was requested, but reset_state=True is an ablation that runs only on the "
                "simulator, with a separate circuit for every step; leave reset_state out"
            )

    def _compile(self, dtype: torch.dtype) -> Simulator:
        if self._simulator is None or self._simulator.dtype != dtype:
            check_dtype(dtype)
            observables = self.register_readout.observables
            self._simulator = Simulator(self.register.circuit, observables, dtype)
        return self._simulator

    def _place(self, kind: type[_Placed], dtype: torch.dtype, device: torch.device) -> _Placed:
        placed = self._placed
        if not isinstance(placed, kind) or (placed.dtype, placed.device) != (dtype, device):
            check_dtype(dtype)
            observables = self.register_readout.observables
            placed = kind(self.register.circuit, observables, dtype, device)
            self._placed = placed
        return placed

    def _run_compiled(
        self,
        weights: ControllerWeights,
        controller: nn.Module,
        x: Tensor,
        state: HiddenState | None,
        ends: list[int] | None,
        wants_angles: bool,
    ) -> Recurrence:
        """Run all steps in one call of the kernels for this device."""
        readouts, vector = (None, None) if state is None else (state.readouts, state.vector)
        if has_kernels(x.device):
            return self._run_kernels(weights, x, readouts, vector, ends, wants_angles)
        if x.is_cpu:
            simulator = self._compile(x.dtype)
            return run_recurrence(simulator, weights, x, readouts, vector, ends, wants_angles)
        return self._run_step_by_step(controller, x, state, ends)

    def _run_kernels(
        self,
        weights: ControllerWeights,
        x: Tensor,
        readouts: Tensor | None,
        vector: Tensor | None,
        ends: list[int] | None,
        wants_angles: bool,
    ) -> Recurrence:
        """Run all steps on a GPU."""
        from qrnn_qiskit.engines.gpu.recurrence import run_recurrence as run_on_gpu
        from qrnn_qiskit.engines.gpu.simulator import KernelSimulator  # Triton is not everywhere

        simulator = self._place(KernelSimulator, x.dtype, x.device)
        if self.num_registers == 1:
            return run_on_gpu(simulator, weights, x, readouts, vector, ends, wants_angles)
        # A register after the other: a kernel reads the weights of one. They do not wait for each
        # other's results, and a batch that fills the GPU leaves no room for two at a time.
        fed = (
            [None] * self.num_registers
            if readouts is None
            else readouts.chunk(self.num_registers, 1)
        )
        runs = [
            run_on_gpu(
                simulator,
                weights.select(register),
                x,
                fed[register],
                None if vector is None else vector[:, register],
                ends,
                wants_angles,
            )
            for register in range(self.num_registers)
        ]
        theta = [run.theta for run in runs if run.theta is not None]
        return Recurrence(
            torch.cat([run.output for run in runs], 2),
            torch.cat([run.readouts for run in runs], 1),
            torch.stack([run.vector for run in runs], 1),
            torch.cat(theta, 2) if theta else None,
        )

    def _run_step_by_step(
        self,
        controller: nn.Module,
        x: Tensor,
        state: HiddenState | None,
        ends: list[int] | None,
    ) -> Recurrence:
        is_compiled = self.engine != "torch" and x.is_cpu
        return run_step_by_step(
            self._compile(x.dtype)
            if is_compiled
            else self._place(DenseSimulator, x.dtype, x.device),
            controller,
            x,
            state,
            ends,
            num_angles=self.ansatz.num_parameters,
            has_feedback=self.has_feedback,
            resets_state=self.resets_state,
            num_registers=self.num_registers,
        )

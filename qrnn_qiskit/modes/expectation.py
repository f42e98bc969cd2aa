"""The modes without measurements: expectation values feed the controller, or nothing does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from qiskit.circuit import QuantumCircuit
from torch import Tensor, nn

from circuits import Ansatz, Readout, prefix_circuits, unroll
from circuits.errors import InvalidValueError
from qrnn_qiskit.checks import (
    check_angles,
    check_dtype,
    check_finite,
    check_fit,
    keep_precision,
    require_cpu,
)
from qrnn_qiskit.controller import Controller, count_kept
from qrnn_qiskit.engines.cpu import (
    NOTHING_KEPT,
    ControllerWeights,
    Kept,
    Recurrence,
    Reversible,
    Simulator,
    advance,
    begin,
    open_token,
    read_vector,
    run_recurrence,
)
from qrnn_qiskit.engines.cpu.memory import count_bytes
from qrnn_qiskit.engines.dense import DenseEvolution, DenseSimulator
from qrnn_qiskit.engines.gpu import has_kernels
from qrnn_qiskit.executors import Executor, runs_compiled
from qrnn_qiskit.hidden_state import HiddenState, check_state
from qrnn_qiskit.modes.base import Core, Run
from qrnn_qiskit.on_device.replay import Replay, replay

if TYPE_CHECKING:
    from qrnn_qiskit.engines.gpu.simulator import KernelSimulator

__all__ = ["UnitaryCore"]

_Placed = TypeVar("_Placed", "DenseSimulator", "KernelSimulator")


class UnitaryCore(Core):
    """The modes ``expectation`` (arXiv:2510.25557) and ``none``.

    Args:
        ansatz: Circuit of a step, P angles.
        readout: The K observables read after each step.
        has_feedback: Whether the controller sees the readouts of the step before.
        resets_state: Whether every step begins with |0...0>, so that only the readouts remember.
        engine: "auto", compiled on the CPU and on GPUs, torch where neither is; or "torch",
            everywhere.
    """

    def __init__(
        self,
        ansatz: Ansatz,
        readout: Readout,
        has_feedback: bool,
        resets_state: bool = False,
        engine: str = "auto",
    ) -> None:
        self.ansatz = ansatz
        self._num_qubits = ansatz.num_qubits  # every call asks, and a circuit answers slowly
        self.readout = readout
        self.has_feedback = has_feedback
        self.resets_state = resets_state
        self.feedback_size = len(readout.observables) if has_feedback else 0
        self.output_labels = readout.labels
        self.replay = Replay(ansatz, readout.observables)
        self.engine = engine
        self._fitting: tuple[int, int, torch.dtype, Kept | None] | None = None
        self._simulator: Simulator | None = None
        self._placed: DenseSimulator | KernelSimulator | None = None

    def check_memory(
        self, batch_size: int, num_steps: int, dtype: torch.dtype, kept: Kept = NOTHING_KEPT
    ) -> None:
        """Refuse a batch that does not fit; states grow with the steps where they reset."""
        keeps = torch.is_grad_enabled()
        batch = batch_size, num_steps, dtype, kept if keeps else None
        if batch == self._fitting:  # every call asks, mostly for the same
            return
        starts = num_steps if self.resets_state else 1
        needed = count_bytes(self._compile(dtype), batch_size, num_steps, batch[-1], starts)
        check_fit(
            needed,
            f"num_qubits={self._num_qubits} needs",
            f"for {batch_size} sequence(s) of {num_steps} step(s), "
            + ("forward and backward" if keeps else "forward alone"),
            "Take fewer qubits, a smaller batch or shorter sequences.",
        )
        self._fitting = batch

    def compile(self, dtype: torch.dtype) -> None:
        """Compile the step for a precision."""
        self._compile(dtype)

    def run(
        self,
        controller: nn.Module,
        executor: Executor,
        x: Tensor,
        state: HiddenState | None,
        ends: list[int] | None,
        wants_angles: bool = False,
    ) -> Run:
        """Run sequences compiled, or replay them on a device; see :meth:`Core.run`."""
        if not runs_compiled(executor):
            require_cpu(x.device, f"the device {executor.name!r}")
            self.refuse_reset(f"the device {executor.name!r}")
            check_finite(x)
            return Run(
                *replay(self.replay, executor, controller, x, state, ends, self.has_feedback)
            )
        if x.is_cpu:  # elsewhere torch says what does not fit
            self.check_memory(len(x), x.shape[1], x.dtype, count_kept(controller))
        if state is not None:
            num_readouts = len(self.readout.observables)
            check_state(state, len(x), num_readouts, self.ansatz.num_qubits, x.dtype)
        with keep_precision(x.device):
            run = self._simulate(controller, x, state, ends, wants_angles)
        return Run(run.output, HiddenState(run.readouts, vector=run.vector), run.theta)

    def bind(self, angles: Tensor, basis: str | None) -> list[QuantumCircuit]:
        """The unrolled circuits; they have no measurement, so no basis can be asked for."""
        if basis is not None:
            raise InvalidValueError(
                f"basis={basis!r} is of readout='measured', whose circuits end with a measurement; "
                "without it circuits(x) has no measurement: leave basis out"
            )
        self.refuse_reset("a circuit of all steps")
        circuit = unroll(self.ansatz, angles.shape[1])
        values = angles.flatten(1).double().cpu().numpy()
        return [circuit.assign_parameters(row) for row in values]

    def bind_prefixes(self, angles: Tensor) -> list[list[QuantumCircuit]]:
        """The prefixes of the unrolled circuit, which a replay runs."""
        values = angles.flatten(1).double().cpu().numpy()
        return [
            [prefix.assign_parameters(row[: prefix.num_parameters]) for row in values]
            for prefix in prefix_circuits(self.ansatz, angles.shape[1])
        ]

    def refuse_reset(self, what: str) -> None:
        """ValueError where the steps are reset, which makes ``what`` impossible."""
        if self.resets_state:
            raise InvalidValueError(
                f"{what} was asked for, and reset_state=True is an ablation on the simulator, with "
                "a circuit of its own for every step; leave reset_state out"
            )

    def _compile(self, dtype: torch.dtype) -> Simulator:
        if self._simulator is None or self._simulator.dtype != dtype:
            check_dtype(dtype)
            self._simulator = Simulator(self.ansatz.circuit, self.readout.observables, dtype)
        return self._simulator

    def _place(self, kind: type[_Placed], dtype: torch.dtype, device: torch.device) -> _Placed:
        placed = self._placed
        if not isinstance(placed, kind) or (placed.dtype, placed.device) != (dtype, device):
            check_dtype(dtype)
            placed = kind(self.ansatz.circuit, self.readout.observables, dtype, device)
            self._placed = placed
        return placed

    def _simulate(
        self,
        controller: nn.Module,
        x: Tensor,
        state: HiddenState | None,
        ends: list[int] | None,
        wants_angles: bool,
    ) -> Recurrence:
        """Run sequences on the engine for this controller and device."""
        is_compiled = self.engine != "torch"
        weights = None
        if is_compiled and not self.resets_state and type(controller) is Controller:
            weights = controller.find_weights()
        readouts, vector = (None, None) if state is None else (state.readouts, state.vector)
        if weights is not None and has_kernels(x.device):
            return self._run_kernels(weights, x, readouts, vector, ends, wants_angles)
        if weights is not None and x.is_cpu:
            simulator = self._compile(x.dtype)
            return run_recurrence(simulator, weights, x, readouts, vector, ends, wants_angles)
        check_finite(x)
        if is_compiled and x.is_cpu:
            return self._run_stepwise(self._compile(x.dtype), controller, x, state, ends)
        dense = self._place(DenseSimulator, x.dtype, x.device)
        return self._run_stepwise(dense, controller, x, state, ends)

    def _run_kernels(self, weights: ControllerWeights, x: Tensor, *rest: Any) -> Recurrence:
        """Run sequences on a GPU; the other arguments are those of its ``run_recurrence``."""
        from qrnn_qiskit.engines.gpu.recurrence import run_recurrence as run_on_gpu
        from qrnn_qiskit.engines.gpu.simulator import KernelSimulator  # Triton is not everywhere

        check_finite(x)
        simulator = self._place(KernelSimulator, x.dtype, x.device)
        return run_on_gpu(simulator, weights, x, *rest)

    def _run_stepwise(
        self,
        simulator: Simulator | DenseSimulator,
        controller: nn.Module,
        x: Tensor,
        state: HiddenState | None,
        ends: list[int] | None,
    ) -> Recurrence:
        batch_size, steps = x.shape[:2]
        readouts = simulator.read_zero(batch_size) if state is None else state.readouts
        evolution, token = _begin(simulator, None if state is None else state.vector, batch_size)
        last = np.full(batch_size, steps) if ends is None else np.asarray(ends)
        outputs: list[Tensor] = []
        angles: list[Tensor] = []
        vectors = torch.zeros(0)
        for t, inputs in enumerate(x.unbind(1)):
            if self.resets_state:
                evolution, token = _begin(simulator, None, batch_size)
            if self.has_feedback:
                inputs = torch.cat((inputs, readouts), 1)
            angles.append(controller(inputs))
            check_angles(angles[-1], (batch_size, self.ansatz.num_parameters), simulator.dtype)
            token, readouts = advance(evolution, token, angles[-1])
            outputs.append(readouts)
            rows = np.flatnonzero(last == t + 1)
            if rows.size:
                ended = read_vector(evolution, token, rows)
                if not len(vectors):
                    vectors = ended.new_zeros(batch_size, ended.shape[1])
                vectors = vectors.index_copy(0, torch.from_numpy(rows).to(x.device), ended)
        output = torch.stack(outputs, 1)
        readouts = output[torch.arange(batch_size), torch.from_numpy(last) - 1]
        return Recurrence(output, readouts, vectors, torch.stack(angles, 1).detach())


def _begin(
    simulator: Simulator | DenseSimulator, vector: Tensor | None, batch_size: int
) -> tuple[Reversible, Tensor]:
    """Start an evolution on either engine; return its first token."""
    if isinstance(simulator, Simulator):
        return begin(simulator, vector, batch_size)
    evolution = DenseEvolution(simulator, vector, batch_size)
    return evolution, open_token(evolution, vector)

"""Measured mode: each step ends with a measurement, and its bits feed the controller.

The controller sees m bits instead of K numbers, so it has 2^m answers to each input. All of them
are computed before anything runs: theta(b, t, c) = f([x_t ; bits of c]), c being the value of the
register of the step before. Where the circuits run only decides how these tables become
probabilities and readouts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from torch import Tensor, nn

from circuits import Ansatz, Readout
from circuits.coupling import Measurement
from circuits.dynamic import build_dynamic
from qrnn_qiskit.core import Core, Run, check_dtype, runs_compiled
from qrnn_qiskit.executors import Executor
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.inputs import check_angles, check_density, check_fit
from qrnn_qiskit.simulator import DensitySimulator, run_measured

__all__ = ["MAX_EXACT_QUBITS", "MeasuredCore"]

MAX_EXACT_QUBITS = 6


class MeasuredCore(Core):
    """The mode ``measured``, simulated exactly by one density matrix for each last outcome.

    Args:
        ansatz: Circuit of a step, P angles.
        readout: The K observables, read once after the last measurement.
        measurement: The measurement at the end of each step.
        assignment: (m, 2, 2) probabilities A[c, k] that outcome k of an ancilla is stored as c.
        noise: Kraus operators (2, 2) on every memory qubit after each measurement.
    """

    def __init__(
        self,
        ansatz: Ansatz,
        readout: Readout,
        measurement: Measurement,
        assignment: NDArray[np.float64],
        noise: Sequence[NDArray[np.complex128]],
    ) -> None:
        if ansatz.num_qubits > MAX_EXACT_QUBITS:
            numbers = 2 * ansatz.num_qubits + measurement.num_ancillas
            raise ValueError(
                f"readout='measured' with num_qubits={ansatz.num_qubits}: exact simulation takes "
                f"2^{numbers} numbers for each sequence and is limited to {MAX_EXACT_QUBITS} "
                "memory qubits"
            )
        self.ansatz = ansatz
        self.readout = readout
        self.measurement = measurement
        self.assignment = assignment
        self.noise = noise
        self.feedback_size = measurement.num_ancillas
        self.output_labels = [f"bit {ancilla}" for ancilla in range(measurement.num_ancillas)]
        self._simulator: DensitySimulator | None = None
        self._observables = torch.zeros(0)

    def check_memory(self, batch_size: int, num_steps: int, dtype: torch.dtype) -> None:
        """Refuse a batch whose density matrices do not fit: one for each sequence and step."""
        kept = num_steps if torch.is_grad_enabled() else 1
        needed = self._compile(dtype).count_bytes(batch_size, kept)
        check_fit(
            needed,
            f"num_qubits={self.ansatz.num_qubits} in measured mode needs",
            f"for the density matrices of {batch_size} sequence(s), {kept} step(s) of each",
            "Take fewer qubits, a smaller batch or shorter sequences.",
        )

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
    ) -> Run:
        """Run sequences; see :meth:`Core.run`."""
        if not runs_compiled(executor):
            raise ValueError(
                f"readout='measured' runs on the simulator, and the executor is {executor.name!r}"
            )
        simulator = self._compile(x.dtype)
        batch_size, steps = x.shape[:2]
        self.check_memory(batch_size, steps, x.dtype)
        density = None
        if state is not None:
            sizes = (simulator.num_outcomes, 1 << self.ansatz.num_qubits)
            check_density(state, batch_size, len(self.readout.observables), sizes, x.dtype)
            density = state.density
        with torch.autocast("cpu", enabled=False):  # angles keep the precision of the states
            tables = self.tabulate(controller, x)
            last = [steps] * batch_size if ends is None else ends
            outcomes, density = run_measured(simulator, tables, density, last)
            readouts = self._read(density)
        return Run(self.sum_bits(outcomes), HiddenState(readouts, density=density), tables.detach())

    def tabulate(self, controller: nn.Module, x: Tensor) -> Tensor:
        """The angles (B, T, 2^m, P) for every value of the register before each step.

        Dropout drops the same units for all values, as one network that is compiled into a
        circuit would.
        """
        shape = (*x.shape[:2], self.ansatz.num_parameters)
        random = torch.get_rng_state()
        tables = []
        for bits in self._bits(x.dtype):
            torch.set_rng_state(random)
            tables.append(controller(torch.cat((x, bits.expand(*x.shape[:2], -1)), 2)))
            check_angles(tables[-1], shape, x.dtype)
        return torch.stack(tables, 2)

    def sum_bits(self, outcomes: Tensor) -> Tensor:
        """The probability (B, T, m) that each bit is 1, from those of the values (B, T, 2^m)."""
        return outcomes @ (self._bits(outcomes.dtype) > 0).to(outcomes.dtype)

    def bind(self, angles: Tensor, basis: str | None) -> list[QuantumCircuit]:
        """The dynamic circuits, their last measurement in one basis, Z unless given."""
        dynamic = build_dynamic(self.ansatz, self.measurement, angles.shape[1])
        values = dynamic.bind_values(angles.double().numpy(), basis="Z" if basis is None else basis)
        return [dynamic.circuit.assign_parameters(row) for row in values]

    def _bits(self, dtype: torch.dtype) -> Tensor:
        """(2^m, m): bit a of each value of the register as -1 or +1."""
        values = torch.arange(self.measurement.num_outcomes)[:, None]
        bits = (values >> torch.arange(self.measurement.num_ancillas)) & 1
        return 2 * bits.to(dtype) - 1

    def _read(self, density: Tensor) -> Tensor:
        """The readouts (B, K) of the state summed over the last outcome."""
        return torch.view_as_real(density.sum(1)).flatten(1) @ self._observables

    def _compile(self, dtype: torch.dtype) -> DensitySimulator:
        if self._simulator is None or self._simulator.dtype != dtype:
            check_dtype(dtype)
            self._simulator = DensitySimulator(
                self.ansatz.circuit,
                [parameter.name for parameter in self.ansatz.parameters],
                qubits=self.measurement.qubits,
                kraus=self.measurement.kraus(),
                assignment=self.assignment,
                noise=self.noise,
                dtype=dtype,
            )
            # Tr(O rho) is the sum of Re O_xy Re rho_xy + Im O_xy Im rho_xy, O being Hermitian.
            dense = [torch.from_numpy(op.to_matrix()) for op in self.readout.observables]
            self._observables = torch.view_as_real(torch.stack(dense)).flatten(1).T.to(dtype)
        return self._simulator

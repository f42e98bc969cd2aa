"""Exact simulation of measured mode: one unnormalized density matrix for each last outcome."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from circuits import Ansatz, Measurement, Readout
from qrnn_qiskit.checks import check_dtype
from qrnn_qiskit.engines.cpu import DensitySimulator, run_measured
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.modes.carried import check_density
from qrnn_qiskit.modes.options import check_exact, check_states
from qrnn_qiskit.modes.side_by_side import divide_tables, join_outcomes

__all__ = ["ExactSimulation"]


class ExactSimulation:
    """The density matrices of R registers, which are simulated as B R sequences.

    Args:
        ansatz: Circuit of a step of one register, P angles.
        readout: The K observables of one register.
        measurement: The measurement of one register at the end of each step.
        assignment: (m, 2, 2) probabilities A[c, k] that outcome k of an ancilla is stored as c.
        noise: Kraus operators (2, 2) on every memory qubit after each measurement.
        num_registers: R.
    """

    def __init__(
        self,
        ansatz: Ansatz,
        readout: Readout,
        measurement: Measurement,
        assignment: NDArray[np.float64],
        noise: Sequence[NDArray[np.complex128]],
        num_registers: int,
    ) -> None:
        self.ansatz, self.readout, self.measurement = ansatz, readout, measurement
        self.assignment, self.noise = assignment, noise
        self.num_registers = num_registers
        self._simulator: DensitySimulator | None = None
        self._observables = torch.zeros(0)

    @cached_property
    def is_noisy(self) -> bool:
        """Whether there is readout error or noise, which no pure state can follow."""
        perfect = np.array_equal(self.assignment, [np.eye(2)] * len(self.assignment))
        return len(self.noise) > 0 or not perfect

    def check_memory(
        self, batch_size: int, num_steps: int, dtype: torch.dtype, kept_bytes: int = 0
    ) -> None:
        """Refuse a batch whose matrices do not fit; backward needs those of every step.

        ``kept_bytes`` of the controller are needed beside them.
        """
        n, registers = self.ansatz.num_qubits, self.num_registers
        check_exact(n, self.measurement.num_ancillas)
        kept = num_steps if torch.is_grad_enabled() else 1
        needed = self.compile(dtype).count_bytes(batch_size * registers, kept)
        check_states(needed + kept_bytes, n, registers, "density matrices", batch_size, kept)

    def compile(self, dtype: torch.dtype) -> DensitySimulator:
        """Return the step compiled for a precision."""
        if self._simulator is None or self._simulator.dtype != dtype:
            check_dtype(dtype)
            self._simulator = DensitySimulator(
                self.ansatz.circuit,
                qubits=self.measurement.qubits,
                kraus=self.measurement.kraus(),
                assignment=self.assignment,
                noise=self.noise,
                is_undone=self.measurement.is_undone,
                dtype=dtype,
            )
            # Tr(O rho) is the sum of Re O_xy Re rho_xy + Im O_xy Im rho_xy, O being Hermitian.
            dense = [torch.from_numpy(op.to_matrix()) for op in self.readout.observables]
            self._observables = torch.view_as_real(torch.stack(dense)).flatten(1).T.to(dtype)
        return self._simulator

    def open(self, state: HiddenState | None, batch_size: int, dtype: torch.dtype) -> Tensor | None:
        """Return the matrices (B R, 2^m, 2^n, 2^n) of a state; None for |0...0>."""
        if state is None:
            return None
        side = 1 << self.ansatz.num_qubits
        registers = () if self.num_registers == 1 else (self.num_registers,)
        sizes = (*registers, self.measurement.num_outcomes, side, side)
        num_readouts = self.num_registers * len(self.readout.observables)
        check_density(state, batch_size, num_readouts, sizes, dtype)
        assert state.density is not None
        return state.density.flatten(0, 1) if registers else state.density

    def run(
        self, tables: Tensor, density: Tensor | None, ends: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return outcomes (B, T, R 2^m), readouts (B, R K) and matrices (B R, 2^m, 2^n, 2^n)."""
        last = [end for end in ends for _ in range(self.num_registers)]
        divided = divide_tables(tables, self.num_registers)
        outcomes, density = run_measured(self.compile(tables.dtype), divided, density, last)
        return join_outcomes(outcomes, self.num_registers), self.read(density), density

    def read(self, density: Tensor) -> Tensor:
        """Return the readouts (B, R K) of the states summed over the last outcome."""
        values = torch.view_as_real(density.sum(1)).flatten(1) @ self._observables
        return values.reshape(len(density) // self.num_registers, -1)

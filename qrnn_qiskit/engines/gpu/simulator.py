"""A compiled circuit with its readouts on a GPU, and the launches of the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor

from circuits.readout import read_zero_state
from qrnn_qiskit.engines.contract import NORM_STEPS, real_dtype
from qrnn_qiskit.engines.gpu.arrays import Network, Trace, Work, place_circuit, place_observables
from qrnn_qiskit.engines.gpu.kernels import reverse_sequences, run_sequences
from qrnn_qiskit.engines.program import compile_circuit, compile_paulis

__all__ = ["KernelSimulator"]


class KernelSimulator:
    """One recurrent step: circuit, angles, readouts, and the kernels that run many of them.

    Args:
        circuit: The step's circuit on n qubits, without measurements; its P parameters are in the
            order of ``circuit.parameters`` in the angle sets.
        observables: K Hermitian observables on n qubits.
        dtype: torch.float32 or torch.float64, the precision of amplitudes and readouts.
        device: The GPU.

    Attributes:
        dtype: The dtype of amplitudes and readouts.
        device: The GPU.
        num_qubits: n.
        circuit: The compiled circuit on the GPU.
        observables: The compiled observables on the GPU.

    Raises:
        UnsupportedCircuitError: The circuit has a gate or an angle that the simulator does not run;
            the message names it.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        observables: Sequence[SparsePauliOp],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.dtype = dtype
        self.device = device
        self.num_qubits: int = circuit.num_qubits
        real = real_dtype(dtype)
        program = compile_circuit(circuit, real)
        paulis = compile_paulis(observables, self.num_qubits, real)
        self.circuit = place_circuit(program, circuit.num_parameters, dtype, device)
        self.observables = place_observables(paulis, self.num_qubits, dtype, device)
        self._zero_readouts = torch.from_numpy(read_zero_state(observables)).to(device, dtype)
        # A thread works on 4 amplitudes at a time, which leaves registers for several programs on
        # one processor. For the diagonals a tile holds whole rows of 2^(n // 2) amplitudes.
        self._num_warps = min(max(1 << self.num_qubits >> 8, 1), 16)
        largest = max(128 * self._num_warps, 1 << self.num_qubits // 2)
        self._tile = min(1 << self.num_qubits, largest)

    def start(self, vector: Tensor | None, batch_size: int) -> Tensor:
        """Return real and imaginary parts (B, 2, 2^n) of states (B, 2^n); None is |0...0>."""
        if vector is not None:
            return torch.view_as_real(vector.detach().resolve_conj()).mT.contiguous()
        states = self._allocate(batch_size, 2, 1 << self.num_qubits).zero_()
        states[:, 0, 0] = 1.0
        return states

    def read_zero(self, batch_size: int) -> Tensor:
        """Return the readouts (B, K) of |0...0>, the feedback of the first step."""
        return self._zero_readouts.expand(batch_size, -1)

    def allocate_trace(self, network: Network, batch_size: int, num_steps: int) -> Trace:
        """Return memory for a forward run of ``num_steps`` steps."""
        rows = (batch_size, num_steps)
        has_hidden = network.output is not None
        return Trace(
            theta=self._allocate(*rows, network.num_angles),
            inputs=self._allocate(*rows, network.num_inputs),
            hidden=self._allocate(*rows, network.num_units) if has_hidden else None,
            slope=self._allocate(*rows, network.width) if has_hidden else None,
            readouts=self._allocate(*rows, self.observables.num_observables),
        )

    def run(
        self,
        kind: int,
        network: Network,
        trace: Trace,
        states: Tensor,
        ends: Tensor,
        drops: bool,
    ) -> Tensor:
        """Move ``states`` (B, 2, 2^n) on in place through all steps of ``trace``.

        Args:
            kind: Activation of the controller, as numbered in :mod:`qrnn_qiskit.engines.contract`.
            network: Its weights for forward.
            trace: See :func:`.kernels.run_sequences`.
            states: States as returned by :meth:`start`.
            ends: The last valid step of each sequence, counted from 1, (B,) int32.
            drops: Whether ``trace.hidden`` holds dropout factors at first.

        Returns:
            The states (B, 2, 2^n) at ``ends``.
        """
        last = torch.empty_like(states)
        self._launch(
            run_sequences,
            network,
            trace,
            self._allocate_work(len(states)),
            states,
            ends,
            last,
            trace.theta.shape[1],
            KIND=kind,
            DROPS=drops,
        )
        return last

    def reverse(
        self,
        kind: int,
        network: Network,
        trace: Trace,
        states: Tensor,
        ends: Tensor,
        weights: Tensor,
        by_last: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Undo all steps of ``trace`` on ``states`` in place.

        Args:
            kind: As in :meth:`run`.
            network: The controller's weights for backward.
            trace: As written by :meth:`run`.
            states: As written by :meth:`run`.
            ends: As in :meth:`run`.
            weights: Derivative (B, T, K) of the loss with respect to the readouts.
            by_last: Derivative (B, 2, 2^n) with respect to the states at ``ends``, or None.

        Returns:
            Derivatives with respect to the first states (B, 2, 2^n), the angles (B, T, P), the
            first layer (B, T, W), and the readouts that the first step was fed with (B, K).
        """
        adjoints = torch.zeros_like(states)
        by_theta = torch.empty_like(trace.theta)
        by_layer = None if trace.slope is None else torch.empty_like(trace.slope)
        fed = self._allocate(len(states), self.observables.num_observables).zero_()
        work = self._allocate_work(len(states))._replace(
            slopes=self._allocate(len(states), self.circuit.num_columns),
            pull=torch.empty_like(fed),
            fed=fed,
            units=self._allocate(len(states), network.num_units),
        )
        self._launch(
            reverse_sequences,
            network,
            trace,
            work,
            states,
            adjoints,
            ends,
            weights,
            by_last,
            by_theta,
            by_layer,
            trace.theta.shape[1],
            KIND=kind,
        )
        return adjoints, by_theta, by_theta if by_layer is None else by_layer, fed

    def _allocate(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        return torch.empty(shape, dtype=dtype or self.dtype, device=self.device)

    def _allocate_work(self, batch_size: int) -> Work:
        n, columns = self.num_qubits, self.circuit.num_columns
        num_sums = (1 << n // 2) + (1 << n - n // 2)
        return Work(
            num_sums=num_sums,
            turns=self._allocate(batch_size, 2 * columns),
            residual=self._allocate(batch_size, columns, dtype=torch.float64).zero_(),
            sums=self._allocate(batch_size, num_sums),
            strings=self._allocate(batch_size, self.observables.num_strings),
            slopes=None,
            pull=None,
            fed=None,
            units=None,
        )

    def _launch(self, kernel: Any, *arguments: Any, **constants: Any) -> None:
        """Launch a kernel with a program for each sequence, on torch's current stream."""
        trace = arguments[1]
        with torch.cuda.device_of(trace.theta):  # type: ignore[no-untyped-call]
            kernel[(len(trace.theta),)](
                self.circuit,
                self.observables,
                *arguments,
                N=self.num_qubits,
                TILE=self._tile,
                NORM_STEPS=NORM_STEPS,
                num_warps=self._num_warps,
                num_stages=1,
                enable_fp_fusion=True,
                **constants,
            )

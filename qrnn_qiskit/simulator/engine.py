"""A compiled circuit with its readouts, and the calls of the kernels on plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor

from qrnn_qiskit.simulator.blocks import pack_states, real_dtype, unpack_states
from qrnn_qiskit.simulator.lanes import allocate_aligned, lanes_per_vector
from qrnn_qiskit.simulator.network import GIVEN, LINEAR, Network
from qrnn_qiskit.simulator.program import compile_circuit, compile_paulis
from qrnn_qiskit.simulator.sequences import reverse_sequences, run_sequences
from qrnn_qiskit.simulator.threads import count_threads

Array = NDArray[Any]


class Trace(NamedTuple):
    """What a forward run leaves for backward; shapes as in :mod:`.sequences`."""

    theta: Array
    inputs: Array
    hidden: Array
    slope: Array
    values: Array


class Simulator:
    """One recurrent step compiled: circuit, angles, readouts.

    Args:
        circuit: The step's circuit on n qubits, without measurements.
        parameters: Names of its P parameters in the order of the angle sets.
        observables: K Hermitian observables on n qubits.
        dtype: torch.float32 or torch.float64, the precision of amplitudes and readouts.

    Raises:
        UnsupportedCircuitError: A gate or angle that the simulator does not run, by name.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        parameters: Sequence[str],
        observables: Sequence[SparsePauliOp],
        dtype: torch.dtype,
    ) -> None:
        self.dtype = dtype
        self.num_qubits: int = circuit.num_qubits
        self.num_parameters = len(parameters)
        self.real = real_dtype(dtype)
        self._program = compile_circuit(circuit, parameters, self.real)
        self._paulis = compile_paulis(observables, self.num_qubits, self.real)
        self._no_layer = np.zeros((0, 0), self.real), np.zeros(0, self.real)
        self.num_readouts = len(observables)
        # Z is 1 in |0>, X and Y are 0.
        zero = [
            sum(factor.real for pauli, factor in observable.label_iter() if set(pauli) <= set("IZ"))
            for observable in observables
        ]
        self._zero_readouts = np.asarray([zero], self.real)

    def pack(self, vector: Tensor | None, batch_size: int) -> Array:
        """Lay out complex states (B, 2^n), or |0...0>, in blocks of lane vectors."""
        return pack_states(vector, batch_size, self.num_qubits, self.real)

    def unpack(self, states: Array, batch_size: int) -> Tensor:
        """Return lane-vector states as a complex tensor (B, 2^n), bit q of the index qubit q."""
        return unpack_states(states, batch_size, self.num_qubits)

    def view_complex(self, rows: Array) -> Tensor:
        """The complex tensor (B, 2^n) in the memory of real ``rows`` (B, 2^n * 2)."""
        return torch.view_as_complex(torch.from_numpy(rows).view(len(rows), -1, 2))

    def view_real(self, vector: Tensor) -> Array:
        """Complex states (B, 2^n) as real rows (B, 2^n * 2)."""
        parts = torch.view_as_real(vector.detach().resolve_conj()).flatten(1)
        rows: Array = parts.contiguous().numpy()
        return rows

    def read_zero(self, batch_size: int) -> Tensor:
        """Readouts (B, K) of |0...0>, the feedback of the first step."""
        # A tensor kept from a call in inference mode could never be used in training.
        return torch.from_numpy(self._zero_readouts).expand(batch_size, -1)

    def make_network(
        self,
        kind: int,
        input_size: int,
        first: Array,
        first_bias: Array,
        output: Array | None,
        output_bias: Array | None,
    ) -> Network:
        """Prepare the weights of a controller for :meth:`run`; see :class:`.network.Network`."""
        if output is None or output_bias is None:
            output, output_bias = self._no_layer
        layers = map(np.ascontiguousarray, (first, first_bias, output, output_bias))
        return Network(kind, input_size, *layers)

    def make_no_network(self) -> Network:
        """The network of angles that are there already."""
        return self.make_network(GIVEN, 0, *self._no_layer, None, None)

    def start_residual(self, states: Array) -> Array:
        """Zero rounding residuals of the angles, for a run of ``states`` forward or backward."""
        lanes = lanes_per_vector(self.real)
        return allocate_aligned((len(states), self._program.offset.size * lanes), np.float64)

    def allocate_trace(self, network: Network, batch_size: int, num_steps: int) -> Trace:
        """Memory for a forward run of ``num_steps`` steps."""

        def allocate(width: int, is_needed: bool = True) -> Array:
            shape = (batch_size, num_steps, width) if is_needed else (0, 0, 0)
            return np.empty(shape, self.real)

        has_hidden = network.kind not in (GIVEN, LINEAR)
        return Trace(
            theta=allocate(self.num_parameters),
            inputs=allocate(network.first.shape[1], network.kind != GIVEN),
            hidden=allocate(network.output.shape[1], has_hidden),
            slope=allocate(network.first.shape[0], has_hidden),
            values=allocate(self.num_readouts),
        )

    def run(
        self,
        states: Array,
        residual: Array,
        network: Network,
        ends: NDArray[np.int64],
        trace: Trace,
        vector: Array,
        drops: bool = False,
    ) -> None:
        """Move ``states`` on in place through all steps of ``trace``.

        Args:
            ends: (B,) the last valid step of each sequence, counted from 1.
            residual: As :meth:`start_residual` has it where further calls go on with ``states``;
                (0, 0) otherwise.
            trace: ``inputs`` comes in with x and the readouts that the first step is fed with;
                given angles come in as ``theta``.
            vector: (B, 2^n * 2) states at ``ends``, written.
            drops: Whether ``trace.hidden`` comes in as dropout factors.
        """
        run_sequences(
            self._count_threads(states, trace.theta.shape[1]),
            self._program,
            self._paulis,
            network,
            drops,
            states,
            residual,
            ends,
            *trace,
            vector,
        )

    def reverse(
        self,
        states: Array,
        adjoint: Array,
        residual: Array,
        network: Network,
        ends: NDArray[np.int64],
        theta: Array,
        slope: Array,
        weights: Array,
        vector: Array,
    ) -> tuple[Array, Array, Array]:
        """Undo all steps of ``theta`` on ``states`` and ``adjoint`` in place.

        Args:
            weights: (B, T, K) derivative of the loss by the readouts.
            vector: (B, 2^n * 2) derivative by the states at ``ends``, or (0, 0).

        Returns:
            Derivatives by the angles (B, T, P), by the first layer (B, T, W), and by the readouts
            that the first step was fed with (B, 1, K).
        """
        by_theta = np.empty(theta.shape, self.real)
        by_layer = np.empty(slope.shape, self.real)
        by_readouts = np.empty((len(theta), 1, self.num_readouts), self.real)
        reverse_sequences(
            self._count_threads(states, theta.shape[1]),
            self._program,
            self._paulis,
            network,
            states,
            adjoint,
            residual,
            ends,
            theta,
            slope,
            weights,
            vector,
            by_theta,
            by_layer,
            by_readouts,
        )
        return by_theta, by_theta if network.kind == LINEAR else by_layer, by_readouts

    def _count_threads(self, states: Array, num_steps: int) -> int:
        return count_threads(len(states), num_steps << self.num_qubits)

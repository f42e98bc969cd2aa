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

from qrnn_qiskit.simulator.blocks import pack_states, unpack_states
from qrnn_qiskit.simulator.lanes import lanes_per_vector
from qrnn_qiskit.simulator.network import LINEAR, Network
from qrnn_qiskit.simulator.program import compile_circuit, compile_paulis
from qrnn_qiskit.simulator.sequences import read_states, reverse_sequences, run_sequences

Array = NDArray[Any]


class Trace(NamedTuple):
    """What a forward run leaves for backward, time first; shapes as in :mod:`.sequences`."""

    theta: Array
    hidden: Array
    slope: Array
    values: Array

    def window(self, start: int, stop: int) -> Trace:
        """The same memory for the steps from ``start`` to ``stop``."""
        return Trace(*(array[start:stop] for array in self))


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
        self.real = np.dtype("float32" if dtype == torch.float32 else "float64")
        self._program = compile_circuit(circuit, parameters, self.real)
        self._paulis, matrix = compile_paulis(observables)
        self._matrix = matrix.astype(self.real)
        self._is_plain = matrix.shape[0] == matrix.shape[1] and np.array_equal(
            matrix, np.eye(len(matrix))
        )
        values = np.zeros((1, 1, self.num_strings), self.real)
        read_states(self._paulis, self.num_qubits, self.pack(None, 1), values)
        self._zero_readouts = self.combine(values[0])

    @property
    def num_readouts(self) -> int:
        """K, the observables."""
        return int(self._matrix.shape[0])

    @property
    def num_strings(self) -> int:
        """S, the distinct Pauli strings of the observables."""
        return int(self._matrix.shape[1])

    def combine(self, strings: Array) -> Array:
        """Turn values of Pauli strings (..., S) into values of the observables (..., K)."""
        values: Array = strings if self._is_plain else strings @ self._matrix.T
        return values

    def distribute(self, weights: Array) -> Array:
        """Adjoint of :meth:`combine`, from (..., K) to (..., S)."""
        spread: Array = weights if self._is_plain else weights @ self._matrix
        return np.ascontiguousarray(spread)

    def pack(self, vector: Tensor | None, batch_size: int) -> Array:
        """Lay out complex states (B, 2^n), or |0...0>, in blocks of lane vectors."""
        return pack_states(vector, batch_size, self.num_qubits, self.real)

    def unpack(self, states: Array, batch_size: int) -> Tensor:
        """Return lane-vector states as a complex tensor (B, 2^n), bit q of the index qubit q."""
        return unpack_states(states, batch_size, self.num_qubits)

    def read_zero(self, batch_size: int) -> Tensor:
        """Readouts (B, K) of |0...0>, the feedback of the first step."""
        # A tensor kept from a call in inference mode could never be used in training.
        return torch.from_numpy(self._zero_readouts).expand(batch_size, -1)

    def make_network(
        self, kind: int, feedback: Array, output: Array | None, bias: Array | None
    ) -> Network:
        """Prepare weights ``feedback`` (W, K or 0), ``output`` (P, H) and ``bias`` (P,)."""
        if feedback.shape[1]:
            feedback = self.distribute(feedback)
        if output is None or bias is None:
            output, bias = np.zeros((0, 0), self.real), np.zeros(0, self.real)
        return Network(
            kind,
            np.ascontiguousarray(feedback),
            np.ascontiguousarray(feedback.T),
            np.ascontiguousarray(output),
            np.ascontiguousarray(output.T),
            np.ascontiguousarray(bias),
        )

    def plain_network(self) -> Network:
        """The network that hands its drive on as angles and listens to no readout."""
        return self.make_network(LINEAR, np.zeros((self.num_parameters, 0), self.real), None, None)

    def start_residual(self, states: Array) -> Array:
        """Zero rounding residuals of the angles, for a run of ``states`` forward or backward."""
        lanes = lanes_per_vector(self.real)
        return np.zeros((len(states), self._program.offset.size * lanes))

    def allocate_trace(self, num_steps: int, batch_size: int, network: Network) -> Trace:
        """Memory for a forward run of ``num_steps`` steps."""
        width, hidden = network.feedback.shape[0], network.output.shape[1]
        if network.kind == LINEAR:
            width = hidden = 0
        shape = (num_steps, batch_size)
        return Trace(
            theta=np.empty((*shape, self.num_parameters), self.real),
            hidden=np.empty((*shape, hidden), self.real),
            slope=np.empty((*shape, width), self.real),
            values=np.empty((*shape, self.num_strings), self.real),
        )

    def run(
        self,
        states: Array,
        residual: Array,
        network: Network,
        drive: Array,
        masks: Array,
        ends: NDArray[np.int64],
        last: Array,
        trace: Trace,
    ) -> None:
        """Move ``states`` on in place through all steps of ``drive`` (T, B, W); write ``trace``."""
        run_sequences(
            self._program,
            self._paulis,
            network,
            states,
            residual,
            drive,
            masks,
            ends,
            last,
            trace.theta,
            trace.hidden,
            trace.slope,
            trace.values,
        )

    def reverse(
        self,
        states: Array,
        adjoint: Array,
        residual: Array,
        network: Network,
        theta: Array,
        slope: Array,
        weights: Array,
        ends: NDArray[np.int64],
        last: Array,
    ) -> tuple[Array, Array]:
        """Undo all steps on ``states`` and ``adjoint`` in place.

        Args:
            weights: (T, B, S) derivative of the loss by the values of the Pauli strings.

        Returns:
            Derivatives by the angles (T, B, P) and by the drive (T, B, W).
        """
        theta_gradient = np.empty_like(theta)
        width = network.feedback.shape[0]
        drive_gradient = np.empty((*theta.shape[:2], width), self.real)
        reverse_sequences(
            self._program,
            self._paulis,
            network,
            states,
            adjoint,
            residual,
            ends,
            last,
            theta,
            slope,
            weights,
            theta_gradient,
            drive_gradient,
        )
        return theta_gradient, drive_gradient

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
from qrnn_qiskit.simulator.lanes import allocate_aligned, lanes_per_vector
from qrnn_qiskit.simulator.network import LINEAR, Network
from qrnn_qiskit.simulator.program import compile_circuit, compile_paulis
from qrnn_qiskit.simulator.sequences import reverse_sequences, run_sequences
from qrnn_qiskit.simulator.threads import count_threads

Array = NDArray[Any]


class Trace(NamedTuple):
    """What a forward run leaves for backward; shapes as in :mod:`.sequences`."""

    theta: Array
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
        self.real = np.dtype("float32" if dtype == torch.float32 else "float64")
        self._program = compile_circuit(circuit, parameters, self.real)
        self._paulis, matrix = compile_paulis(observables, self.num_qubits)
        self._matrix = matrix.astype(self.real)
        self._is_plain = matrix.shape[0] == matrix.shape[1] and np.array_equal(
            matrix, np.eye(len(matrix))
        )
        at_zero = np.zeros((1, self.num_strings), self.real)
        at_zero[:, self._paulis.diagonal_term] = 1.0  # Z is 1 in |0>, X and Y are 0
        self._zero_readouts = self.combine(at_zero)

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
        return allocate_aligned((len(states), self._program.offset.size * lanes), np.float64)

    def allocate_trace(self, network: Network, batch_size: int, num_steps: int) -> Trace:
        """Memory for a forward run of ``num_steps`` steps."""
        width, hidden = network.feedback.shape[0], network.output.shape[1]
        outer = (0, 0) if network.kind == LINEAR else (batch_size, num_steps)
        return Trace(
            theta=np.empty((batch_size, num_steps, self.num_parameters), self.real),
            hidden=np.empty((*outer, hidden), self.real),
            slope=np.empty((*outer, width), self.real),
            values=np.empty((batch_size, num_steps, self.num_strings), self.real),
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
            trace: Its first layer (``theta`` or ``slope``) comes in without feedback.
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
        fed: Array,
        network: Network,
        window: tuple[int, int],
        ends: NDArray[np.int64],
        theta: Array,
        slope: Array,
        weights: Array,
        vector: Array,
    ) -> tuple[Array, Array]:
        """Undo the steps of ``window`` on ``states`` and ``adjoint`` in place.

        Args:
            fed: (B, 1, S) derivative by the values fed to the step after the window, and to its
                first step on return.
            weights: (B, T, S) derivative of the loss by the values of the Pauli strings.
            vector: (B, 2^n * 2) derivative by the states at ``ends``, or (0, 0).

        Returns:
            Derivatives by the angles (B, steps, P) and by the first layer (B, steps, W).
        """
        start, stop = window
        shape = (len(theta), stop - start)
        by_theta = np.empty((*shape, self.num_parameters), self.real)
        by_layer = by_theta
        if network.kind != LINEAR:
            by_layer = np.empty((*shape, network.feedback.shape[0]), self.real)
        reverse_sequences(
            self._count_threads(states, stop - start),
            self._program,
            self._paulis,
            network,
            start,
            states,
            adjoint,
            residual,
            fed,
            ends,
            theta,
            slope,
            weights,
            vector,
            by_theta,
            by_layer,
        )
        return by_theta, by_layer

    def _count_threads(self, states: Array, num_steps: int) -> int:
        return count_threads(len(states), num_steps << self.num_qubits)

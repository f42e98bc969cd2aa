"""A compiled circuit with its readouts, and the calls of the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor

from circuits.errors import InvalidTypeError, InvalidValueError
from circuits.readout import read_zero_state
from qrnn_qiskit.engines.contract import real_dtype
from qrnn_qiskit.engines.cpu.backward_kernel import reverse_sequences
from qrnn_qiskit.engines.cpu.blocks import count_blocks
from qrnn_qiskit.engines.cpu.call_records import Backward, Forward, list_addresses
from qrnn_qiskit.engines.cpu.forward_kernel import run_sequences
from qrnn_qiskit.engines.cpu.lane_vectors import VECTOR_BYTES
from qrnn_qiskit.engines.cpu.threads import count_threads
from qrnn_qiskit.engines.program import compile_circuit, compile_paulis

_PAGE_BYTES = 4096


class Simulator:
    """One recurrent step compiled: circuit, angles, readouts.

    Args:
        circuit: The step's circuit on n qubits, without measurements; its P parameters are in the
            order of ``circuit.parameters`` in the angle sets.
        observables: K Hermitian observables on n qubits.
        dtype: torch.float32 or torch.float64, the precision of amplitudes and readouts.

    Attributes:
        zero_readouts: (1, K), the readouts of |0...0>.
        plan: Of the last recurrence, see :meth:`.plan.Plan.find`.

    Raises:
        UnsupportedCircuitError: A gate or angle that the simulator does not run, by name.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        observables: Sequence[SparsePauliOp],
        dtype: torch.dtype,
    ) -> None:
        self.dtype = dtype
        self.num_qubits: int = circuit.num_qubits
        self.num_parameters: int = circuit.num_parameters
        self.num_readouts = len(observables)
        self.real = real_dtype(dtype)
        self._program = compile_circuit(circuit, self.real)
        self._paulis = compile_paulis(observables, self.num_qubits, self.real)
        self._circuit = self._list_circuit()
        self.plan: tuple[tuple[int, dict[str, Any]], Any] | None = None
        zero = read_zero_state(observables).astype(self.real)
        self.zero_readouts = torch.from_numpy(zero[None])

    def __getstate__(self) -> dict[str, Any]:
        """All but the addresses, which a copy does not share, and the last plan."""
        own = {name: value for name, value in vars(self).items() if name != "_circuit"}
        return own | {"plan": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """List the addresses of the copy."""
        vars(self).update(state)
        self._circuit = self._list_circuit()

    def read_zero(self, batch_size: int) -> Tensor:
        """Readouts (B, K) of |0...0>, the feedback of the first step."""
        return self.zero_readouts.expand(batch_size, -1)

    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
        """Memory on the CPU, whatever torch's default device is; of the states' dtype."""
        return torch.empty(shape, dtype=dtype or self.dtype, device="cpu")

    def shape_pair(self, batch_size: int) -> tuple[int, int]:
        """(2, numbers) of two arrays of states: each is the first numbers of a row.

        Equal places in them are half a page apart. A processor compares the last 12 bits of
        addresses first: were those equal, it would wait with each load from one for the last store
        to the other.
        """
        blocks, size = self.shape_states(batch_size)
        page = _PAGE_BYTES // self.dtype.itemsize
        apart = -(-blocks * size // page) * page + page // 2
        return 2, apart

    def shape_turns(self, batch_size: int, num_steps: int) -> tuple[int, ...]:
        """(blocks, T, columns * 2 * lanes) of the cosines and sines of all steps.

        Idle lanes of the last block have room, too.
        """
        blocks, size = self._shape_columns(batch_size)
        return blocks, num_steps, 2 * size

    def allocate_residual(self, batch_size: int) -> Tensor:
        """Rounding residuals of the angles, for a run that several calls make up; zero."""
        return torch.zeros(self._shape_columns(batch_size), dtype=torch.float64, device="cpu")

    def count_blocks(self, batch_size: int) -> int:
        """Blocks that a batch takes; the last one may have idle lanes."""
        return count_blocks(batch_size, self.dtype)

    def count_lanes(self, batch_size: int) -> int:
        """Lanes of these blocks."""
        return self.count_blocks(batch_size) * VECTOR_BYTES // self.dtype.itemsize

    def count_threads(self, batch_size: int, num_steps: int) -> int:
        """Threads that pay for a batch."""
        return count_threads(self.count_blocks(batch_size), num_steps << self.num_qubits)

    def run(self, sizes: NDArray[np.int64], call: Forward) -> bool:
        """Run the steps of ``call``; everything that it has the address of is still alive.

        Args:
            sizes: The record of :class:`.handover.Sizes`.
            call: The arrays.

        Returns:
            False where an input is NaN or infinite; nothing has been run then.
        """
        is_finite: bool = run_sequences(*self._circuit, sizes, np.array(call, np.int64))
        return is_finite

    def reverse(self, sizes: NDArray[np.int64], call: Backward) -> None:
        """Undo the steps of ``call``, likewise."""
        reverse_sequences(*self._circuit, sizes, np.array(call, np.int64))

    def _list_circuit(self) -> tuple[NDArray[Any], ...]:
        """What every call begins with, see :func:`.sequences.run_sequences`."""
        table = list_addresses(self._program, self._paulis)
        return table, np.empty(0), np.empty(0, self.real)

    def _shape_columns(self, batch_size: int) -> tuple[int, int]:
        lanes = VECTOR_BYTES // self.dtype.itemsize
        return self.count_blocks(batch_size), self._program.offset.size * lanes

    def shape_states(self, batch_size: int) -> tuple[int, int]:
        """(blocks, 2^n * 2 * lanes)."""
        lanes = VECTOR_BYTES // self.dtype.itemsize
        return self.count_blocks(batch_size), lanes << (self.num_qubits + 1)


def lay_out(name: str, tensor: Any, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """``tensor`` as its memory has to be before its address is handed over.

    Args:
        name: What it is, for the message.

    Raises:
        TypeError: No tensor, of another dtype or elsewhere than on the CPU.
        ValueError: Of another shape.
    """
    # Compiled code would read other memory than the tensor's.
    if not isinstance(tensor, Tensor) or tensor.dtype != dtype or not tensor.is_cpu:
        arrived = type(tensor).__name__
        if isinstance(tensor, Tensor):
            arrived = f"{tensor.dtype} on {tensor.device}"
        raise InvalidTypeError(
            f"{name} must be {dtype} on the CPU, and {arrived} arrived; convert the whole model "
            f"and its inputs: model.to(dtype), model.cpu()"
        )
    if tensor.shape != shape:
        raise InvalidValueError(
            f"{name} must have shape {shape}, and {tuple(tensor.shape)} arrived"
        )
    return make_plain(tensor)


def make_plain(tensor: Tensor) -> Tensor:
    """``tensor`` contiguous, without bits for a sign or a conjugation that is still to be done."""
    if tensor.is_contiguous() and not tensor.is_conj() and not tensor.is_neg():
        return tensor  # as nearly always; three operations less
    return tensor.resolve_conj().resolve_neg().contiguous()


def find(tensor: Tensor | None) -> int:
    """The address of ``tensor``; 0 for None."""
    return 0 if tensor is None else tensor.data_ptr()

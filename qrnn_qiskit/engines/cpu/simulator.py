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
from qrnn_qiskit.engines.cpu.call_records import THREADS, Backward, Forward, list_addresses
from qrnn_qiskit.engines.cpu.forward_kernel import run_sequences
from qrnn_qiskit.engines.cpu.interruption import is_long, run_stoppable
from qrnn_qiskit.engines.cpu.lane_vectors import VECTOR_BYTES
from qrnn_qiskit.engines.cpu.threads import count_threads
from qrnn_qiskit.engines.program import compile_circuit, compile_paulis
from qrnn_qiskit.interop.plain_tensors import refuse_stored, to_plain

_PAGE_BYTES = 4096


class Simulator:
    """One recurrent step compiled: circuit, angles, readouts.

    Args:
        circuit: The step's circuit on n qubits, without measurements; its P parameters are in the
            order of ``circuit.parameters`` in the angle sets.
        observables: K Hermitian observables on n qubits.
        dtype: torch.float32 or torch.float64, the precision of amplitudes and readouts.

    Attributes:
        dtype: The dtype of amplitudes and readouts.
        num_qubits: n.
        num_parameters: P.
        num_readouts: K.
        real: The NumPy dtype of amplitudes and readouts.
        zero_readouts: The readouts (1, K) of |0...0>.
        plan: The shapes of the last recurrence, see :meth:`.memory_layout.Plan.find`.

    Raises:
        UnsupportedCircuitError: The circuit has a gate or an angle that the simulator does not run;
            the message names it.
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
        self._work: int = self._program.kind.size << self.num_qubits  # of a step of one sequence
        self._circuit = self._list_circuit()
        self.plan: tuple[tuple[int, dict[str, Any]], Any] | None = None
        zero = read_zero_state(observables).astype(self.real)
        self.zero_readouts = torch.from_numpy(zero[None])

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the addresses, which a copy does not share, and the last plan."""
        own = {name: value for name, value in vars(self).items() if name != "_circuit"}
        return own | {"plan": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """List the addresses of the copy."""
        vars(self).update(state)
        self._circuit = self._list_circuit()

    def read_zero(self, batch_size: int) -> Tensor:
        """Return the readouts (B, K) of |0...0>, the feedback of the first step."""
        return self.zero_readouts.expand(batch_size, -1)

    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
        """Return memory on the CPU, also where torch's default device is another one.

        Args:
            shape: Its shape.
            dtype: Its dtype; the states' real dtype for None.
        """
        return torch.empty(shape, dtype=dtype or self.dtype, device="cpu")

    def shape_pair(self, batch_size: int) -> tuple[int, int]:
        """Return the shape (2, numbers) of memory for two arrays of states, one in each row.

        Backward loads and stores the same amplitude of both arrays. A processor first compares the
        last 12 bits of addresses: if those were equal, each load from one array would wait for the
        last store to the other. Equal places are therefore half a page of 4096 bytes apart.
        """
        blocks, size = self.shape_states(batch_size)
        page = _PAGE_BYTES // self.dtype.itemsize
        apart = -(-blocks * size // page) * page + page // 2
        return 2, apart

    def shape_turns(self, batch_size: int, num_steps: int) -> tuple[int, ...]:
        """Return the shape (blocks, T, columns * 2 * lanes) of cosines and sines of all steps.

        It includes the idle lanes of the last block.
        """
        blocks, size = self._shape_columns(batch_size)
        return blocks, num_steps, 2 * size

    def allocate_residual(self, batch_size: int) -> Tensor:
        """Return rounding residuals of the angles, zeros, for a run of several calls."""
        return torch.zeros(self._shape_columns(batch_size), dtype=torch.float64, device="cpu")

    def count_blocks(self, batch_size: int) -> int:
        """Return the number of blocks of a batch; the last one may have idle lanes."""
        return count_blocks(batch_size, self.dtype)

    def count_lanes(self, batch_size: int) -> int:
        """Return the number of lanes of these blocks."""
        return self.count_blocks(batch_size) * VECTOR_BYTES // self.dtype.itemsize

    def count_threads(self, batch_size: int, num_steps: int) -> int:
        """Return the number of threads that are worth waking for a batch."""
        return count_threads(self.count_blocks(batch_size), num_steps << self.num_qubits)

    def count_work(self, batch_size: int, num_steps: int) -> int:
        """Return the amplitudes times sweeps of gates of a run, see :mod:`.interruption`."""
        return batch_size * num_steps * self._work

    def run(self, sizes: NDArray[np.int64], work: int, call: Forward) -> bool:
        """Run the steps of ``call``; the caller keeps all arrays alive whose address is in it.

        Args:
            sizes: The record of :class:`.call_records.Sizes`.
            work: Result of :meth:`count_work`.
            call: The addresses of the arrays.

        Returns:
            False if an input is NaN or infinite; nothing has been run then.
        """
        is_finite: bool = self._run(run_sequences, sizes, work, call)
        return is_finite

    def reverse(self, sizes: NDArray[np.int64], work: int, call: Backward) -> None:
        """Undo the steps of ``call``; arguments and addresses are as in :meth:`run`."""
        self._run(reverse_sequences, sizes, work, call)

    def _run(
        self, kernel: Any, sizes: NDArray[np.int64], work: int, call: Forward | Backward
    ) -> Any:
        """Call a kernel, so that Ctrl-C ends it soon if it takes long."""
        if not is_long(work, sizes.item(THREADS)):  # the usual case, without a closure
            return kernel(*self._circuit, sizes, np.array(call, np.int64))

        def run(flag: NDArray[np.int64]) -> Any:
            stoppable = call._replace(stop=flag.ctypes.data)
            return kernel(*self._circuit, sizes, np.array(stoppable, np.int64))

        return run_stoppable(run)

    def _list_circuit(self) -> tuple[NDArray[Any], ...]:
        """Return the first arguments of every call, see :func:`.forward_kernel.run_sequences`."""
        table = list_addresses(self._program, self._paulis)
        return table, np.empty(0), np.empty(0, self.real)

    def _shape_columns(self, batch_size: int) -> tuple[int, int]:
        lanes = VECTOR_BYTES // self.dtype.itemsize
        return self.count_blocks(batch_size), self._program.offset.size * lanes

    def shape_states(self, batch_size: int) -> tuple[int, int]:
        """Return the shape (blocks, 2^n * 2 * lanes) of an array of states."""
        lanes = VECTOR_BYTES // self.dtype.itemsize
        return self.count_blocks(batch_size), lanes << (self.num_qubits + 1)


def lay_out(name: str, tensor: Any, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return ``tensor`` with the memory that compiled code expects at its address.

    Args:
        name: Its name in messages.
        tensor: What was passed.
        shape: The shape that it must have.
        dtype: The dtype that it must have.

    Returns:
        The tensor itself where it is contiguous, otherwise a copy.

    Raises:
        TypeError: It is not a tensor, has no memory of its own (a wrapper), has another dtype or is
            not on the CPU.
        ValueError: It has another shape.
    """
    # With any of these, compiled code would read memory beyond the tensor's.
    if not isinstance(tensor, Tensor) or tensor.dtype != dtype or not tensor.is_cpu:
        found = type(tensor).__name__
        if isinstance(tensor, Tensor):
            found = f"{tensor.dtype} on {tensor.device}"
        raise InvalidTypeError(
            f"expected {name} to be {dtype} on the CPU, got {found}; convert the whole model and "
            "its inputs: model.to(dtype), model.cpu()"
        )
    if tensor.shape != shape:
        raise InvalidValueError(
            f"expected {name} of shape {shape}, got {tuple(tensor.shape)}; pass it in this shape"
        )
    return make_plain(tensor, name)


def make_plain(tensor: Tensor, name: str = "a gradient") -> Tensor:
    """Return ``tensor`` contiguous, with torch's pending negation and conjugation carried out.

    Raises:
        TypeError: Its numbers are not in memory, see :mod:`qrnn_qiskit.interop.plain_tensors`.
    """
    if type(tensor) is not Tensor:
        tensor = to_plain(name, tensor)
    if tensor.is_contiguous() and not tensor.is_conj() and not tensor.is_neg():
        return tensor  # the usual case, three torch operations cheaper
    return tensor.resolve_conj().resolve_neg().contiguous()


def find(tensor: Tensor | None) -> int:
    """Return the address of ``tensor``, or 0 for None.

    Raises:
        TypeError: It has numbers but no memory, as under FakeTensorMode: compiled code would read
            from address 0.
    """
    if tensor is None:
        return 0
    try:
        address = tensor.data_ptr()
    except RuntimeError:  # such as a sparse tensor
        address = 0
    if not address and tensor.numel():
        refuse_stored("every array", f"a {type(tensor).__name__} without memory")
    return address

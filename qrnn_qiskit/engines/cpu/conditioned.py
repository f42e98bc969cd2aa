"""Pure states conditioned on a record: from angles and bits to probabilities and states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from torch import Tensor

from qrnn_qiskit.backward import Function, once_differentiable
from qrnn_qiskit.engines.contract import real_dtype
from qrnn_qiskit.engines.cpu.blocks import count_blocks, pack_states, unpack_states
from qrnn_qiskit.engines.cpu.conditioned_kernels import reverse_conditioned, run_conditioned
from qrnn_qiskit.engines.cpu.conditioned_measurements import Measurements, X, Y, Z
from qrnn_qiskit.engines.cpu.interruption import call_kernel
from qrnn_qiskit.engines.cpu.lane_vectors import VECTOR_BYTES, allocate_aligned, lanes_per_vector
from qrnn_qiskit.engines.cpu.threads import count_threads
from qrnn_qiskit.engines.lowering import invert_primitives, lower_circuit, name_parameters
from qrnn_qiskit.engines.program import compile_primitives
from qrnn_qiskit.interop.plain_tensors import check_stored

_PAULIS = {"X": X, "Y": Y, "Z": Z}
# Rounding leaves an amplitude of a few times the precision where there is none. Its square is a
# probability that counts as 0.
_ROUNDING = 16.0


class ConditionedRun(NamedTuple):
    """The results of a run.

    Attributes:
        ones: (B, T, m) probability of a 1 in each place of the record, given the bits before it; 0
            past the end of a sequence.
        logs: (B, T, m) logarithm of the probability of the recorded bit, in nats; -infinity where
            it is impossible, 0 past the end of a sequence.
        vector: (B, 2^n) complex, the states at the end of each sequence.
        bits: (B, T, m) int64, the record.
    """

    ones: Tensor
    logs: Tensor
    vector: Tensor
    bits: Tensor


class ConditionedSimulator:
    """One measured step compiled for pure states: circuit, measurements, frame.

    Args:
        circuit: The step's circuit on n qubits, without measurements; its P parameters are in the
            order of ``circuit.parameters`` in the angle sets.
        qubits: The qubit that each of the m measurements reads, in time order.
        paulis: The Pauli that each reads, m letters of X, Y, Z.
        amplitudes: (2, 2) a_y+ and a_y- of outcome y, M_y = a_y+ P_+ + a_y- P_-.
        is_undone: Whether the inverse of the circuit follows the measurements of a step.
        dtype: torch.float32 or torch.float64, the precision of amplitudes and probabilities.

    Raises:
        UnsupportedCircuitError: The circuit has a gate or an angle that the simulator does not run;
            the message names it.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        *,
        qubits: Sequence[int],
        paulis: str,
        amplitudes: NDArray[np.float64],
        is_undone: bool,
        dtype: torch.dtype,
    ) -> None:
        self.dtype = dtype
        self.real = real_dtype(dtype)
        self.num_qubits: int = circuit.num_qubits
        self.num_bits = len(qubits)
        self.measurements = Measurements(
            np.asarray(qubits, np.int64),
            np.array([_PAULIS[letter] for letter in paulis], np.int64),
            np.ascontiguousarray(amplitudes, self.real),
        )
        self.is_undone = is_undone
        self.least = float((_ROUNDING * np.finfo(self.real).eps) ** 2)
        primitives, names = lower_circuit(circuit), name_parameters(circuit)
        self.program = compile_primitives(primitives, self.num_qubits, names, self.real)
        inverse = invert_primitives(primitives) if is_undone else ()
        self.inverse = compile_primitives(inverse, self.num_qubits, names, self.real)

    def count_work(self, batch_size: int, num_steps: int) -> int:
        """Return amplitudes times sweeps of gates, of all sequences and steps."""
        sweeps = self.program.kind.size + self.inverse.kind.size
        return batch_size * num_steps * sweeps << self.num_qubits

    def count_bytes(self, batch_size: int, num_kept: int) -> int:
        """Return the bytes of a run that keeps the states of ``num_kept`` steps for backward."""
        states = num_kept + 4 + self.num_bits
        block = 2 * VECTOR_BYTES << self.num_qubits
        turns = 2 * VECTOR_BYTES * self.program.offset.size * num_kept
        return count_blocks(batch_size, self.real) * (states * block + turns)


def run_record(
    simulator: ConditionedSimulator,
    tables: Tensor,
    bits: Tensor,
    vector: Tensor | None,
    ends: Sequence[int],
    values: Tensor | None = None,
    draws: Tensor | None = None,
) -> ConditionedRun:
    """Run sequences along their records, differentiable by the angles and the first states.

    For backward, one state of 2^n amplitudes is kept for each sequence and step.

    Args:
        simulator: The compiled step.
        tables: Angles (B, T, C, P) in radians. C is 1, the angles after the record's bits; or 2^m
            where the bits are drawn, by the value of the bits of the step before.
        bits: (B, T, m) int64, the record, 0 or 1; past the end of a sequence it is not read.
        vector: First states (B, 2^n) of norm 1, complex, or None for |0...0>.
        ends: The last valid step of each sequence, counted from 1.
        values: (B,) int64, the value of the bits before the first step; 0 by default. Only read
            where C is 2^m.
        draws: (B, T, m) numbers in [0, 1) from which the bits are drawn, instead of the record. A
            drawn record has no gradient.
    """
    numbers = np.asarray(ends, np.int64)
    ones, logs, last, drawn = _Conditioned.apply(
        simulator, numbers, bits, values, draws, tables, vector
    )
    return ConditionedRun(ones, logs, last, drawn)


class _Conditioned(Function):
    @staticmethod
    def forward(
        ctx: Any,
        simulator: ConditionedSimulator,
        ends: NDArray[np.int64],
        bits: Tensor,
        values: Tensor | None,
        draws: Tensor | None,
        tables: Tensor,
        vector: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        batch, steps, m = bits.shape
        check_stored("angles", tables)
        if vector is not None:
            check_stored("states", vector)
        real, n = simulator.real, simulator.num_qubits
        psi = pack_states(vector, batch, n, real)
        last = allocate_aligned(psi.shape, real)
        kept = steps if any(ctx.needs_input_grad) else 1
        lanes = lanes_per_vector(real)
        turns = allocate_aligned((kept, len(psi), 2 * simulator.program.offset.size * lanes), real)
        states = allocate_aligned((kept, *psi.shape), real)
        ones, taken = np.zeros((batch, steps, m), real), np.zeros((batch, steps, m), real)
        record = np.array(bits.numpy(), np.int64)
        before = np.zeros(batch, np.int64) if values is None else values.numpy()
        uniform = np.empty((0, 0, 0), real) if draws is None else draws.numpy().astype(real)
        threads = count_threads(len(psi), steps << n)
        arguments = (
            threads,
            simulator.program,
            simulator.inverse,
            simulator.is_undone,
            simulator.measurements,
            simulator.least,
            psi,
            before,
            tables.detach().contiguous().numpy(),
            record,
            uniform,
            ends,
            last,
            turns,
            states,
            ones,
            taken,
        )
        work = simulator.count_work(batch, steps)
        call_kernel(lambda stop: run_conditioned(*arguments, stop), work, threads)
        is_past = np.arange(steps)[None, :, None] >= ends[:, None, None]
        with np.errstate(divide="ignore"):
            logs = np.where(is_past, 0.0, np.log(taken)).astype(real)
        ctx.simulator, ctx.ends, ctx.is_past = simulator, ends, is_past
        ctx.shape = tables.shape
        ctx.set_materialize_grads(False)
        drawn = torch.from_numpy(record)
        ctx.mark_non_differentiable(drawn)
        ctx.save_for_backward(*map(torch.from_numpy, (record, turns, states, taken)))
        found = unpack_states(last, batch, n)
        return torch.from_numpy(ones), torch.from_numpy(logs), found, drawn

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        by_ones: Tensor | None,
        by_logs: Tensor | None,
        by_vector: Tensor | None,
        _by_bits: None,
    ) -> tuple[Tensor | None, ...]:
        simulator = ctx.simulator
        record, turns, states, taken = (each.numpy() for each in ctx.saved_tensors)
        batch, steps = record.shape[:2]
        real, n = simulator.real, simulator.num_qubits

        def read(gradient: Tensor | None) -> NDArray[Any]:
            found = np.zeros(record.shape, real)
            if gradient is not None:
                check_stored("a gradient", gradient)
                found[:] = np.where(ctx.is_past, 0.0, gradient.numpy())
            return found

        lam = allocate_aligned(states.shape[1:], real)
        last = np.empty((len(lam), 0), real)
        if by_vector is not None:
            last = pack_states(by_vector, batch, n, real)
        gradient = np.zeros((batch, steps, ctx.shape[3]), real)
        threads = count_threads(len(lam), steps << n)
        arguments = (
            threads,
            simulator.program,
            simulator.is_undone,
            simulator.measurements,
            record,
            ctx.ends,
            last,
            turns,
            states,
            taken,
            read(by_ones),
            read(by_logs),
            lam,
            gradient,
        )
        work = simulator.count_work(batch, steps)
        call_kernel(lambda stop: reverse_conditioned(*arguments, stop), work, threads)
        by_start = unpack_states(lam, batch, n) if ctx.needs_input_grad[6] else None
        by_tables = torch.from_numpy(gradient).reshape(ctx.shape)
        return None, None, None, None, None, by_tables, by_start

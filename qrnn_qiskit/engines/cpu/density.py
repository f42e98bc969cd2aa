"""Exact measured mode: from angle tables to outcome probabilities and density matrices.

rho -> U rho U^dagger is (U (x) conj(U)) on the 4^n elements of rho. So the density matrix of n
qubits is run as a state of 2n qubits, by the kernels of pure states, with the circuit on the upper
half of the qubits (the rows of rho) and its complex conjugate on the lower half (the columns).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from torch import Tensor

from qrnn_qiskit.backward import Function, once_differentiable
from qrnn_qiskit.engines.contract import real_dtype
from qrnn_qiskit.engines.cpu.blocks import count_blocks, pack_states, unpack_states
from qrnn_qiskit.engines.cpu.channels import make_channels, write_map
from qrnn_qiskit.engines.cpu.interruption import call_kernel
from qrnn_qiskit.engines.cpu.lane_vectors import VECTOR_BYTES, allocate_aligned, lanes_per_vector
from qrnn_qiskit.engines.cpu.outcomes import reverse_outcomes, run_outcomes
from qrnn_qiskit.engines.cpu.threads import count_threads
from qrnn_qiskit.engines.cpu.undone_outcomes import reverse_undone, run_undone
from qrnn_qiskit.engines.lowering import (
    ControlledRotation,
    Phase,
    Primitive,
    Rotation,
    Sign,
    invert_primitives,
    lower_circuit,
    name_parameters,
)
from qrnn_qiskit.engines.program import compile_primitives
from qrnn_qiskit.interop.plain_tensors import check_stored

Array = NDArray[Any]
Operator = NDArray[np.complex128]


class DensityRun(NamedTuple):
    """The results of a run.

    Attributes:
        probabilities: Probabilities (B, T, 2^m) of each stored value at each step; past the end of
            a sequence they have no meaning.
        density: Density matrices (B, 2^m, 2^n, 2^n) at the end of each sequence, complex,
            unnormalized, by the last stored value.
    """

    probabilities: Tensor
    density: Tensor


class DensitySimulator:
    """One measured step compiled: circuit, measurement, readout errors, noise.

    Args:
        circuit: The step's circuit on n qubits, without measurements; its P parameters are in the
            order of ``circuit.parameters`` in the angle sets.
        qubits: The memory qubit that each of the m ancillas reads, ancilla 0 first.
        kraus: The operators M_0 and M_1 of each ancilla on its memory qubit, m arrays (2, 2, 2).
        assignment: Readout errors (m, 2, 2), A[c, k] the probability that outcome k is stored as c.
        noise: Kraus operators (2, 2) of a channel that acts on every qubit after each measurement.
        is_undone: Whether the inverse of the circuit follows the measurement and the noise.
        dtype: torch.float32 or torch.float64, the precision of matrices and probabilities.

    Attributes:
        dtype: The dtype of matrices and probabilities.
        real: The same as a NumPy dtype.
        num_qubits: n.
        num_outcomes: 2^m.
        program: The compiled circuit and its conjugate, on 2n qubits.
        inverse: The inverse of both, without a gate unless ``is_undone``.
        channels: The noise and measurements after it.
        adjoint: The adjoints of these maps.

    Raises:
        UnsupportedCircuitError: The circuit has a gate or an angle that the simulator does not run;
            the message names it.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        *,
        qubits: Sequence[int],
        kraus: Sequence[Array],
        assignment: Array,
        noise: Sequence[Operator] = (),
        is_undone: bool = False,
        dtype: torch.dtype,
    ) -> None:
        self.dtype = dtype
        self.real = real_dtype(dtype)
        self.num_qubits: int = circuit.num_qubits
        self.num_outcomes = 1 << len(qubits)
        self.is_undone = is_undone
        primitives = lower_circuit(circuit)
        self.program, self.inverse = (
            compile_primitives(
                _double(each, self.num_qubits),
                2 * self.num_qubits,
                name_parameters(circuit),
                self.real,
            )
            for each in (primitives, invert_primitives(primitives) if is_undone else ())
        )
        noisy = write_map(noise) if len(noise) else np.eye(4, dtype=np.complex128)
        maps = []
        for ancilla, (pair, errors) in enumerate(zip(kraus, assignment, strict=True)):
            by_outcome = np.stack([write_map([operator]) for operator in pair])
            if qubits[ancilla] not in qubits[ancilla + 1 :]:  # after the qubit's last measurement
                by_outcome = noisy @ by_outcome
            maps.append((qubits[ancilla], np.tensordot(errors, by_outcome, axes=1)))
        rest = [q for q in range(self.num_qubits) if len(noise) and q not in qubits]
        self.channels, self.adjoint = make_channels([(q, noisy) for q in rest], maps, self.real)

    def count_work(self, batch_size: int, num_steps: int) -> int:
        """Return elements times sweeps of gates, of all sequences, steps and outcomes."""
        sweeps = self.program.kind.size + self.inverse.kind.size
        return batch_size * num_steps * self.num_outcomes * sweeps << (2 * self.num_qubits)

    def count_bytes(self, batch_size: int, num_kept: int) -> int:
        """Return the bytes of a run that keeps the states of ``num_kept`` steps for backward."""
        of_step = self.num_outcomes if self.is_undone else 1
        matrices = num_kept * of_step + 6 * self.num_outcomes
        block = 2 * VECTOR_BYTES << (2 * self.num_qubits)
        return matrices * count_blocks(batch_size, self.real) * block

    def pack(self, density: Tensor | None, batch_size: int) -> Array:
        """Return (B, 2^m, 2^n, 2^n), or for None |0...0> with the register 0, in blocks."""
        size = 2 * self.num_qubits
        if density is not None:
            check_stored("density matrices", density)
        first = None if density is None else density[:, 0].flatten(1)
        packed = pack_states(first, batch_size, size, self.real)
        rho: Array = allocate_aligned((len(packed), self.num_outcomes, packed.shape[1]), self.real)
        rho[:, 0] = packed
        if density is not None:
            for c in range(1, self.num_outcomes):
                rho[:, c] = pack_states(density[:, c].flatten(1), batch_size, size, self.real)
        return rho

    def unpack(self, rho: Array, batch_size: int) -> Tensor:
        """Return blocks as a complex tensor (B, 2^m, 2^n, 2^n)."""
        size, side = 2 * self.num_qubits, 1 << self.num_qubits
        parts = [unpack_states(rho[:, c], batch_size, size) for c in range(self.num_outcomes)]
        return torch.stack(parts, 1).reshape(batch_size, self.num_outcomes, side, side)


def run_measured(
    simulator: DensitySimulator, tables: Tensor, density: Tensor | None, ends: Sequence[int]
) -> DensityRun:
    """Run measured sequences, differentiable by the tables and by the first matrices.

    Args:
        simulator: The compiled step.
        tables: Angles (B, T, 2^m, P) in radians of each step by the value stored before it; from
            |0...0> the first step reads only those of the value 0.
        density: First matrices (B, 2^m, 2^n, 2^n), complex, or None for |0...0>.
        ends: The last valid step of each sequence, counted from 1.
    """
    return DensityRun(*_Measured.apply(simulator, np.asarray(ends, np.int64), tables, density))


class _Measured(Function):
    @staticmethod
    def forward(
        ctx: Any,
        simulator: DensitySimulator,
        ends: NDArray[np.int64],
        tables: Tensor,
        density: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        batch, steps = tables.shape[:2]
        check_stored("angles", tables)
        theta = tables.detach().permute(2, 0, 1, 3).contiguous()
        start = simulator.pack(density, batch)
        rho, last = _copy_aligned(start), allocate_aligned(start.shape, simulator.real)
        kept = steps if any(ctx.needs_input_grad) else 1
        of_step = start.shape[1:] if simulator.is_undone else start.shape[2:]
        totals = allocate_aligned((kept, len(start), *of_step), simulator.real)
        lanes = lanes_per_vector(simulator.real)
        scales = allocate_aligned((kept, len(start), lanes), simulator.real)
        outcomes = np.empty((steps, batch, simulator.num_outcomes), simulator.real)
        branches = 1 if density is None else simulator.num_outcomes
        threads = count_threads(len(rho), steps * rho.shape[2] // lanes)
        channels = simulator.channels
        rest = rho, theta.numpy(), branches, ends, last, totals, scales, outcomes

        def run(stop: NDArray[np.int64]) -> None:
            if simulator.is_undone:
                run_undone(threads, simulator.program, simulator.inverse, channels, *rest, stop)
            else:
                run_outcomes(threads, simulator.program, channels, *rest, stop)

        call_kernel(run, simulator.count_work(batch, steps), threads)
        ctx.simulator, ctx.ends, ctx.branches = simulator, ends, branches
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(theta, *map(torch.from_numpy, (start, totals, scales)))
        by_sequence = torch.from_numpy(np.ascontiguousarray(outcomes.swapaxes(0, 1)))
        return by_sequence, simulator.unpack(last, batch)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, by_outcomes: Tensor | None, by_density: Tensor | None
    ) -> tuple[None, None, Tensor, Tensor | None]:
        simulator = ctx.simulator
        theta, start, totals, scales = ctx.saved_tensors
        batch, steps = theta.shape[1:3]
        weights = np.zeros((steps, batch, simulator.num_outcomes), simulator.real)
        if by_outcomes is not None:
            check_stored("a gradient", by_outcomes)
            weights[:] = by_outcomes.transpose(0, 1).numpy()
        lam = allocate_aligned(tuple(start.shape), simulator.real)
        last = lam[:, :, :0] if by_density is None else simulator.pack(by_density, batch)
        gradient = np.zeros(tuple(theta.shape), simulator.real)
        threads = count_threads(len(start), steps * start.shape[2] // scales.shape[2])
        step = simulator.program, simulator.channels, simulator.adjoint
        angles = theta.numpy(), ctx.branches
        ends = ctx.ends if by_density is not None else ctx.ends[:0]
        rest = ends, lam, last, totals.numpy(), scales.numpy(), weights, gradient

        def reverse(stop: NDArray[np.int64]) -> None:
            if simulator.is_undone:
                reverse_undone(threads, *step, *angles, *rest, stop)
            else:
                reverse_outcomes(threads, *step, start.numpy(), *angles, *rest, stop)

        call_kernel(reverse, simulator.count_work(batch, steps), threads)
        _, _, _, needs_density = ctx.needs_input_grad
        by_start = simulator.unpack(lam, batch) if needs_density else None
        return None, None, torch.from_numpy(gradient).permute(1, 2, 0, 3), by_start


def _copy_aligned(array: Array) -> Array:
    copy: Array = allocate_aligned(array.shape, array.dtype)
    copy[:] = array
    return copy


def _double(primitives: Iterable[Primitive], num_qubits: int) -> Iterator[Primitive]:
    """Yield a circuit on the upper half of 2n qubits and its conjugate on the lower half."""
    for primitive in primitives:
        if isinstance(primitive, Rotation):
            yield Rotation(primitive.qubit + num_qubits, primitive.angle)
        elif isinstance(primitive, ControlledRotation):
            control, target = primitive.control + num_qubits, primitive.target + num_qubits
            yield ControlledRotation(control, target, primitive.angle)
        elif isinstance(primitive, Sign):
            yield Sign(primitive.mask << num_qubits)
        elif primitive.mask:  # a global phase cancels
            yield Phase(primitive.mask << num_qubits, primitive.angle)
            yield Phase(primitive.mask, primitive.angle * -1.0)
        if not isinstance(primitive, Phase):
            yield primitive  # real: its own conjugate

"""A step's circuit as batched matrices and diagonals, forward and undone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from torch import Tensor
from torch.nn import functional

from qrnn_qiskit.engines.dense.groups import Group, divide_qubits
from qrnn_qiskit.engines.lowering import (
    Angle,
    ControlledRotation,
    Primitive,
    Rotation,
    Sign,
    lower_circuit,
    name_parameters,
)
from qrnn_qiskit.engines.schedule import PhaseSweep, RotationSweep, schedule_sweeps

__all__ = ["DenseCircuit", "Factors"]


class Factors(NamedTuple):
    """The factors by which a step multiplies the states.

    Attributes:
        matrices: Rotations (B, blocks, 2^k, 2^k), real but of complex dtype, k the size of the
            largest group; the matrix of a smaller group is its first rows and columns.
        diagonals: Phases (B, diagonals, 2^n), complex of modulus 1.
    """

    matrices: Tensor
    diagonals: Tensor


class DenseCircuit:
    """The circuit of a step on n qubits with P angles.

    Rotations about Y on one group of qubits are one real matrix, a *block*. Everything diagonal
    between two layers of rotations is one phase for each basis state, affine in the angles. A
    controlled rotation is two rotations between two CZ.

    Args:
        circuit: The circuit, without measurements; angle sets have the order of
            ``circuit.parameters``.
        dtype: The real dtype of the angles.
        device: The device of the states.

    Attributes:
        groups: The groups of qubits.
        width: The size k of the largest group.
        order: The operations in time order: the group of a block, or None for the next diagonal.

    Raises:
        UnsupportedCircuitError: See :func:`~qrnn_qiskit.engines.lowering.lower_circuit`.
    """

    def __init__(self, circuit: QuantumCircuit, dtype: torch.dtype, device: torch.device) -> None:
        self.groups = divide_qubits(circuit.num_qubits)
        self.width = self.groups[0].size
        index = {name: place for place, name in enumerate(name_parameters(circuit))}
        self.order: list[Group | None] = []
        turns: list[Angle] = []
        diagonals: list[NDArray[np.float64]] = []
        for sweep in schedule_sweeps(_without_controls(lower_circuit(circuit))):
            if isinstance(sweep, RotationSweep):
                for group in self.groups:
                    places = range(group.start, group.start + self.width)
                    if any(1 << qubit & group.mask for qubit in sweep.angles):
                        # A smaller group is filled up with qubits that do not turn (angle 0):
                        # the blocks of all groups then come from one batched product.
                        own = (qubit if 1 << qubit & group.mask else -1 for qubit in places)
                        turns += [sweep.angles.get(qubit, Angle()) * 0.5 for qubit in own]
                        self.order.append(group)
            elif isinstance(sweep, PhaseSweep):
                diagonals.append(_list_phases(sweep, circuit.num_qubits, index))
                self.order.append(None)

        def place(array: NDArray[np.float64]) -> Tensor:
            return torch.from_numpy(array).to(device, dtype)

        rows = np.array([_list_terms(angle, index) for angle in turns])
        rows = rows.reshape(len(turns), len(index) + 1)
        self._turns, self._turn_offsets = place(rows[:, 1:].T), place(rows[:, 0])
        self._shape = (len(diagonals), 1 << circuit.num_qubits)
        phases = np.concatenate([np.zeros((len(index) + 1, 0)), *diagonals], 1)
        self._phases, self._phase_offsets = place(phases[1:]), place(phases[0])
        self._num_blocks = len(turns) // self.width
        self._generators = place(_list_generators(self.width))
        self._one = torch.ones((), dtype=dtype, device=device)

    def prepare(self, theta: Tensor) -> Factors:
        """Return the factors of a step with angles ``theta`` (B, P) in radians.

        Half angles and phases are affine in ``theta``: one matrix product each gives all of them. A
        block is the Kronecker product of the 2 x 2 rotations of its qubits.
        """
        half = torch.addmm(self._turn_offsets, theta, self._turns)
        half = half.reshape(len(theta), self._num_blocks, self.width)
        cos, sin = half.cos(), half.sin()
        each = torch.stack((cos, -sin, sin, cos), 3).reshape(*half.shape, 2, 2)
        matrices = each[:, :, self.width - 1]
        for qubit in reversed(range(self.width - 1)):  # the last qubit is the highest bit
            product = matrices[:, :, :, None, :, None] * each[:, :, qubit, None, :, None, :]
            matrices = product.flatten(2, 3).flatten(3, 4)
        phases = torch.addmm(self._phase_offsets, theta, self._phases)
        phases = phases.reshape(len(theta), *self._shape)
        return Factors(
            matrices.to(matrices.dtype.to_complex()),
            torch.polar(self._one.expand_as(phases), phases),
        )

    def apply(self, states: Tensor, factors: Factors) -> Tensor:
        """Return the states (B, 2^n) after the step."""
        for group, place in self._steps():
            if group is None:
                states = states * factors.diagonals[:, place]
            else:
                states = group.apply(_cut(factors.matrices[:, place], group), states)
        return states

    def undo(self, states: Tensor, adjoint: Tensor, factors: Factors) -> tuple[Tensor, ...]:
        """Undo the step on states and adjoint.

        The derivatives are taken after each operation and before it is undone. By the phase phi of
        basis state x, with factor exp(i phi), it is Im(adjoint_x conj(psi_x)). By half the angle of
        a rotation with generator G, it is sum_ij G_ij Re(sum adjoint_i conj(psi_j)), the inner sum
        over all qubits outside of the group.

        Args:
            states: States (B, 2^n) after the step.
            adjoint: Derivative (B, 2^n) of the loss with respect to them in torch's convention: the
                loss changes by Re(conj(adjoint) d states).
            factors: As returned by :meth:`prepare`.

        Returns:
            States and adjoint before the step, and the derivative (B, P) with respect to its
            angles.
        """
        phases: list[Tensor] = []
        turns: list[Tensor] = []
        inverse = factors.diagonals.conj().resolve_conj()
        for group, place in reversed(list(self._steps())):
            if group is None:
                phases.append((adjoint * states.conj()).imag)
                states, adjoint = states * inverse[:, place], adjoint * inverse[:, place]
            else:
                overlap = group.contract(adjoint, states).real
                missing = factors.matrices.shape[2] - group.dim
                if missing:
                    overlap = functional.pad(overlap, (0, missing, 0, missing))
                turns.append(overlap)
                back = _cut(factors.matrices[:, place], group).transpose(1, 2)
                states, adjoint = group.apply(back, states), group.apply(back, adjoint)
        by_theta = adjoint.real.new_zeros(len(states), len(self._turns))
        if turns:
            by_turns = torch.stack(turns[::-1], 1).flatten(2) @ self._generators
            by_theta.addmm_(by_turns.flatten(1), self._turns.T)
        if phases:
            by_theta.addmm_(torch.cat(phases[::-1], 1), self._phases.T)
        return states, adjoint, by_theta

    def _steps(self) -> Iterator[tuple[Group | None, int]]:
        """Yield the operations, each with its place among the blocks or among the diagonals."""
        blocks = diagonals = 0
        for group in self.order:
            if group is None:
                yield None, diagonals
                diagonals += 1
            else:
                yield group, blocks
                blocks += 1


def _cut(matrices: Tensor, group: Group) -> Tensor:
    """Return the first rows and columns of ``matrices``, those of a smaller group.

    The qubits that fill it up are the highest bits and do not turn: the matrix is block diagonal.
    """
    return matrices[:, : group.dim, : group.dim]


def _without_controls(primitives: Iterable[Primitive]) -> Iterator[Primitive]:
    """Replace controlled rotations by RY(angle / 2) CZ RY(-angle / 2) CZ.

    Where the control is 0, the two rotations cancel. Where it is 1, CZ is Z on the target, and
    Z RY(-angle / 2) Z = RY(angle / 2).
    """
    for primitive in primitives:
        if isinstance(primitive, ControlledRotation):
            sign = Sign(1 << primitive.control | 1 << primitive.target)
            half = primitive.angle * 0.5
            yield from (sign, Rotation(primitive.target, half * -1.0))
            yield from (sign, Rotation(primitive.target, half))
        else:
            yield primitive


def _list_terms(angle: Angle, index: dict[str, int]) -> NDArray[np.float64]:
    """Return (1 + P,): the constant part of an angle, then its coefficient of each parameter."""
    row = np.zeros(1 + len(index))
    row[0] = angle.offset
    for name, factor in angle.terms:
        row[1 + index[name]] += factor
    return row


def _list_phases(sweep: PhaseSweep, num_qubits: int, index: dict[str, int]) -> NDArray[np.float64]:
    """Return (1 + P, 2^n), the phases of a sweep in radians for each basis state.

    The first row is the constant part, with pi for each CZ sign, modulo 2 pi; the others are the
    coefficients of the parameters.
    """
    basis = np.arange(1 << num_qubits)
    rows = np.zeros((1 + len(index), basis.size))
    for mask, angle in sweep.angles.items():
        signs = 1.0 - 2.0 * (np.bitwise_count(basis & mask) & 1)
        terms = _list_terms(angle, index)
        used = np.flatnonzero(terms)
        rows[used] -= 0.5 * terms[used, None] * signs
    for mask in sweep.signs:
        rows[0, (basis & mask) == mask] += math.pi
    rows[0] = np.remainder(rows[0], 2 * math.pi)
    return rows


def _list_generators(width: int) -> NDArray[np.float64]:
    """Return (4^k, k), the flattened generator G of the rotation of each qubit of a group.

    The derivative of a rotation by half its angle is G times the rotation.
    """
    columns = []
    for qubit in range(width):
        left, right = np.eye(1 << (width - qubit - 1)), np.eye(1 << qubit)
        turn = np.array([[0.0, -1.0], [1.0, 0.0]])
        columns.append(np.kron(np.kron(left, turn), right).ravel())
    return np.stack(columns, 1)

"""Trajectories: state vectors with random errors, for circuits too large for density matrices.

The error of a gate is a mixture of doing nothing, with as large a probability as the channel
allows, and a rest. Only trajectories that draw the rest compute the probabilities of its Kraus
operators (quantum jumps), so nearly all the work is that of the gates. Averages over trajectories
have the exact distribution of the channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import PTM, Choi, Kraus, Operator

from runtime_jobs.aer.channels import Angle, Piece
from runtime_jobs.noisy.prefixes import Block

__all__ = ["Jump", "Trajectories", "list_jumps"]

States = NDArray[np.complex128]
_NEGLIGIBLE = 1e-12
_PAULIS = {
    1: np.array([[0, 1], [1, 0]], complex),
    2: np.array([[0, -1j], [1j, 0]]),
    3: np.diag([1.0 + 0j, -1.0]),
}


@dataclass(frozen=True, eq=False)
class Jump:
    """An operation on a state vector.

    Attributes:
        qubits: Where it acts; the first one is the least significant.
        axis: 1 X, 2 Y, 3 Z for a rotation by ``angle``; 0 otherwise.
        angle: The angle of a rotation.
        gate: The matrix of a gate without error; None for a rotation or an error.
        keeps: Probability that an error leaves the state as it is.
        kraus: (k, d, d) the Kraus operators of the error otherwise, whose squares add up to 1.
    """

    qubits: tuple[int, ...]
    axis: int = 0
    angle: Angle | None = None
    gate: States | None = None
    keeps: float = 0.0
    kraus: States | None = None


def list_jumps(blocks: Iterable[Block]) -> list[Jump]:
    """List the operations of gates and of their errors."""
    known: dict[bytes, Jump] = {}
    jumps = []
    for block in blocks:
        for piece in block.pieces:
            if piece.matrix is None:
                jumps.append(Jump(piece.qubits, piece.axis, piece.angle))
                continue
            key = piece.matrix.tobytes() + bytes(piece.qubits)
            if key not in known:
                known[key] = _divide(piece)
            jumps.append(known[key])
    return jumps


def _divide(piece: Piece) -> Jump:
    """Divide a channel into doing nothing and a rest; a channel of one operator is a gate."""
    channel = PTM(piece.matrix)
    kraus = np.asarray(Kraus(channel).data)
    if len(kraus) == 1:
        return Jump(piece.qubits, gate=kraus[0])
    choi = Choi(channel).data
    size = kraus.shape[1]
    identity = Choi(Operator(np.eye(size))).data
    values, vectors = np.linalg.eigh(choi)
    support = values > _NEGLIGIBLE
    own = np.eye(size).flatten(order="F")  # the vector whose projector is the Choi matrix of 1
    parts = vectors[:, support].conj().T @ own
    keeps = 0.0
    if abs(np.linalg.norm(parts) ** 2 - size) < 1e-9:  # the identity lies within the channel
        keeps = float(1.0 / (abs(parts) ** 2 / values[support]).sum())
    if keeps > 1 - 1e-9:
        return Jump(piece.qubits, gate=np.eye(size, dtype=complex))
    rest = Kraus(Choi((choi - keeps * identity) / (1 - keeps)))
    return Jump(piece.qubits, keeps=keeps, kraus=np.asarray(rest.data))


class Trajectories:
    """State vectors of N trajectories of a sequence, all in |0...0> at first.

    Args:
        count: N.
        num_qubits: n.
        random: Source of the random numbers.
    """

    def __init__(self, count: int, num_qubits: int, random: np.random.Generator) -> None:
        self._states: States = np.zeros((count, 1 << num_qubits), complex)
        self._states[:, 0] = 1.0
        self._random = random

    def copy(self) -> Trajectories:
        """Return the same states, to be moved on separately."""
        other = copy(self)
        other._states = self._states.copy()
        return other

    def advance(self, jumps: Iterable[Jump], values: NDArray[np.float64]) -> None:
        """Apply operations in place, at the parameter values (P,) in radians."""
        for jump in jumps:
            if jump.angle is not None:
                _rotate(self._states, jump.qubits[0], jump.axis, _find_angle(jump.angle, values))
            elif jump.gate is not None:
                self._states = _apply(self._states, jump.gate, jump.qubits)
            else:
                self._err(jump)

    def read(self, assignments: Sequence[NDArray[np.float64]]) -> NDArray[np.int64]:
        """Measure all qubits once in every trajectory, in the basis Z.

        Args:
            assignments: For each qubit the probability [c, k] that outcome k is recorded as c.

        Returns:
            Counts (2^n,) of the recorded bit strings.
        """
        seen = _draw(self._random, self._states.real**2 + self._states.imag**2)
        recorded = np.zeros_like(seen)
        for qubit, assignment in enumerate(assignments):
            ones = assignment[1][(seen >> qubit) & 1]
            recorded |= (self._random.random(len(seen)) < ones).astype(np.int64) << qubit
        return np.bincount(recorded, minlength=self._states.shape[1])

    def _err(self, jump: Jump) -> None:
        """Let some trajectories draw one of the Kraus operators of an error."""
        assert jump.kraus is not None
        hit = np.flatnonzero(self._random.random(len(self._states)) >= jump.keeps)
        if not len(hit):
            return
        before = self._states[hit]
        moved = np.stack([_apply(before, kraus, jump.qubits) for kraus in jump.kraus], 1)
        weights = (moved.real**2 + moved.imag**2).sum(2)
        chosen = np.arange(len(hit)), _draw(self._random, weights)
        self._states[hit] = moved[chosen] / np.sqrt(weights[chosen])[:, None]


def _draw(random: np.random.Generator, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Draw a column of each row of ``weights`` (R, N) with its share."""
    cumulated = weights.cumsum(1)
    drawn = random.random((len(weights), 1)) * cumulated[:, -1:]
    chosen: NDArray[np.int64] = (cumulated < drawn).sum(1)
    return chosen


def _find_angle(angle: Angle, row: NDArray[np.float64]) -> float:
    return angle.offset + sum(slope * float(row[column]) for column, slope in angle.terms)


def _rotate(states: States, qubit: int, axis: int, angle: float) -> None:
    if axis == 3:  # phases only
        split = states.reshape(len(states), -1, 2, 1 << qubit)
        split[:, :, 0] *= np.exp(-0.5j * angle)
        split[:, :, 1] *= np.exp(0.5j * angle)
        return
    matrix = np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * _PAULIS[axis]
    states[:] = _apply(states, matrix, (qubit,))


def _apply(states: States, matrix: States, qubits: tuple[int, ...]) -> States:
    """Return ``matrix`` on ``qubits`` of states (R, 2^n)."""
    if len(qubits) == 1:
        split = states.reshape(len(states), -1, 2, 1 << qubits[0])
        return np.asarray(np.einsum("ab,rhbl->rhal", matrix, split)).reshape(states.shape)
    low, high = sorted(qubits)
    split = states.reshape(len(states), -1, 2, 1 << (high - low - 1), 2, 1 << low)
    table = matrix.reshape(2, 2, 2, 2)  # [second, first] of the outcome, then of the state
    if qubits[0] == high:
        table = table.transpose(1, 0, 3, 2)
    return np.asarray(np.einsum("abcd,rhcmdl->rhambl", table, split)).reshape(states.shape)

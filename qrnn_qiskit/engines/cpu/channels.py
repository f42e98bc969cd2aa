"""Kernels for maps of density matrices that act on one qubit: measurements and noise.

A density matrix of n qubits is laid out as a state of 2n qubits: the element (x, y) of the matrix
is the amplitude of basis state (x << n) | y, in the layout of
:mod:`~qrnn_qiskit.engines.cpu.rotations`. A map rho -> sum_k K_k rho K_k^dagger on qubit q is then
the 4 x 4 matrix sum_k K_k (x) conj(K_k) on the bits q + n (row of rho, the higher bit) and q
(column of rho).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, store
from qrnn_qiskit.engines.cpu.numba_compiler import kernel
from qrnn_qiskit.engines.cpu.rotations import insert_zero


class Channels(NamedTuple):
    """The noise and measurements after the circuit of a step.

    A map is an array (2, 4, 4) of its real and its imaginary part.

    Attributes:
        noise_qubit: (maps,) the qubit of each map that does not depend on outcomes.
        noise: (maps, 2, 4, 4) these maps.
        qubit: (m,) the qubit that each ancilla reads.
        measurement: (m, 2, 2, 4, 4) the map of each ancilla and stored bit; the two maps of an
            ancilla add up to one that preserves the trace.
    """

    noise_qubit: NDArray[np.int64]
    noise: Any
    qubit: NDArray[np.int64]
    measurement: Any


def write_map(kraus: Sequence[NDArray[np.complex128]]) -> NDArray[np.complex128]:
    """Return the 4 x 4 matrix of rho -> sum_k K_k rho K_k^dagger for Kraus operators (2, 2)."""
    total = np.zeros((4, 4), np.complex128)
    for operator in kraus:
        total += np.kron(operator, operator.conj())
    return total


def make_channels(
    noise: Sequence[tuple[int, NDArray[np.complex128]]],
    measurement: Sequence[tuple[int, NDArray[np.complex128]]],
    real: np.dtype[Any],
) -> tuple[Channels, Channels]:
    """Return the maps for the kernels, and their adjoints.

    Args:
        noise: Pairs of a qubit and its map (4, 4).
        measurement: For each ancilla, its qubit and its maps (2, 4, 4) by stored bit.
        real: The dtype of the states.
    """

    def pack(pairs: Sequence[tuple[int, NDArray[np.complex128]]], adjoint: bool) -> Any:
        maps = np.array([matrix for _, matrix in pairs], np.complex128)
        if adjoint:
            maps = maps.conj().swapaxes(-1, -2)
        return np.ascontiguousarray(np.stack((maps.real, maps.imag), -3).astype(real))

    def collect(adjoint: bool) -> Channels:
        # Numba needs the number of dimensions of an empty array, too.
        quiet = [(0, np.zeros((4, 4), np.complex128))] * (not noise)
        return Channels(
            np.array([qubit for qubit, _ in noise], np.int64),
            pack([*noise, *quiet], adjoint)[: len(noise)],
            np.array([qubit for qubit, _ in measurement], np.int64),
            pack(measurement, adjoint),
        )

    return collect(False), collect(True)


@kernel
def apply_map(
    source: Any, target: Any, num_qubits: int, qubit: int, parts: Any, adds: bool
) -> None:
    """Write the map of ``source`` to ``target``, which may be the same array, or add it.

    Args:
        source: A density matrix.
        target: Where to write.
        num_qubits: n.
        qubit: The qubit that the map acts on.
        parts: The map, real and imaginary part (2, 4, 4).
        adds: Whether to add to ``target``; then it is another array than ``source``.
    """
    low, high = qubit, qubit + num_qubits
    zero = splat(source, 0.0)
    for k in range(1 << (2 * num_qubits - 2)):
        i0 = insert_zero(insert_zero(k, low), high)
        i1 = i0 | (1 << low)
        i2 = i0 | (1 << high)
        i3 = i1 | (1 << high)
        a0, b0 = load(source, 2 * i0), load(source, 2 * i0 + 1)
        a1, b1 = load(source, 2 * i1), load(source, 2 * i1 + 1)
        a2, b2 = load(source, 2 * i2), load(source, 2 * i2 + 1)
        a3, b3 = load(source, 2 * i3), load(source, 2 * i3 + 1)
        for row in range(4):
            i = i0 | ((row & 1) << low) | ((row >> 1) << high)
            re = load(target, 2 * i) if adds else zero
            im = load(target, 2 * i + 1) if adds else zero
            r0, s0 = splat(source, parts[0, row, 0]), splat(source, parts[1, row, 0])
            r1, s1 = splat(source, parts[0, row, 1]), splat(source, parts[1, row, 1])
            r2, s2 = splat(source, parts[0, row, 2]), splat(source, parts[1, row, 2])
            r3, s3 = splat(source, parts[0, row, 3]), splat(source, parts[1, row, 3])
            re = re + r0 * a0 - s0 * b0 + r1 * a1 - s1 * b1
            im = im + r0 * b0 + s0 * a0 + r1 * b1 + s1 * a1
            re = re + r2 * a2 - s2 * b2 + r3 * a3 - s3 * b3
            im = im + r2 * b2 + s2 * a2 + r3 * b3 + s3 * a3
            store(target, 2 * i, re)
            store(target, 2 * i + 1, im)


@kernel
def split_outcomes(channels: Channels, num_qubits: int, total: Any, rho: Any) -> None:
    """Set ``rho[c]`` to the part of ``total`` with the stored value c, bit a that of ancilla a.

    The list doubles with each ancilla: every part so far is split into the part with bit 1, written
    to a new place, and the part with bit 0, written over it last.
    """
    rho[0] = total
    for a in range(channels.qubit.size):
        qubit, maps = channels.qubit[a], channels.measurement[a]
        for c in range(1 << a):
            apply_map(rho[c], rho[c | (1 << a)], num_qubits, qubit, maps[1], False)
            apply_map(rho[c], rho[c], num_qubits, qubit, maps[0], False)


@kernel
def merge_outcomes(adjoint: Channels, num_qubits: int, lam: Any) -> None:
    """Apply the adjoint of :func:`split_outcomes`, ancillas in reverse order.

    ``lam[c]`` is the derivative with respect to ``rho[c]``; on return ``lam[0]`` is the
    derivative with respect to ``total``.
    """
    for a in range(adjoint.qubit.size - 1, -1, -1):
        qubit, maps = adjoint.qubit[a], adjoint.measurement[a]
        for c in range(1 << a):
            apply_map(lam[c], lam[c], num_qubits, qubit, maps[0], False)
            apply_map(lam[c | (1 << a)], lam[c], num_qubits, qubit, maps[1], True)

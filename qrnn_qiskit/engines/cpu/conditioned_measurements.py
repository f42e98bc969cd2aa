"""Measurements of single qubits in pure states, lane by lane: weights, outcomes, derivatives.

Outcome y of a Pauli acts as M_y = a_y+ P_+ + a_y- P_-, see :mod:`.conditioned_kernels`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qrnn_qiskit.engines.cpu.blocks import zero_vectors
from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, store
from qrnn_qiskit.engines.cpu.neighbours import TILE
from qrnn_qiskit.engines.cpu.numba_compiler import inline, kernel
from qrnn_qiskit.engines.cpu.rotations import insert_zero

X, Y, Z = 0, 1, 2  # the Paulis as the kernels number them
_HALF = 0.5**0.5


class Measurements(NamedTuple):
    """The measurements of a step, in time order.

    Attributes:
        qubits: (m,) the qubit of each.
        paulis: (m,) the Pauli that each measures, X, Y or Z.
        amplitudes: (2, 2) a_y+ and a_y- of every measurement, by outcome y and sign.
    """

    qubits: NDArray[np.int64]
    paulis: NDArray[np.int64]
    amplitudes: NDArray[Any]


@inline
def _load_signs(psi: Any, k: int, qubit: int, pauli: int) -> Any:
    """Return real and imaginary part of the two amplitudes of pair k in the Pauli's basis."""
    i = insert_zero(k, qubit)
    j = i | (1 << qubit)
    u0, v0, u1, v1 = load(psi, 2 * i), load(psi, 2 * i + 1), load(psi, 2 * j), load(psi, 2 * j + 1)
    half = splat(psi, _HALF)
    if pauli == X:
        return half * (u0 + u1), half * (v0 + v1), half * (u0 - u1), half * (v0 - v1)
    if pauli == Y:
        return half * (u0 + v1), half * (v0 - u1), half * (u0 - v1), half * (v0 + u1)
    return u0, v0, u1, v1


@inline
def _store_signs(psi: Any, k: int, qubit: int, pauli: int, a: Any, b: Any, c: Any, d: Any) -> None:
    """Store a pair of amplitudes a + ib (of +) and c + id (of -) of the Pauli's basis."""
    i = insert_zero(k, qubit)
    j = i | (1 << qubit)
    half = splat(psi, _HALF)
    u0, v0, u1, v1 = a, b, c, d
    if pauli == X:
        u0, v0, u1, v1 = half * (a + c), half * (b + d), half * (a - c), half * (b - d)
    elif pauli == Y:
        u0, v0, u1, v1 = half * (a + c), half * (b + d), half * (d - b), half * (a - c)
    store(psi, 2 * i, u0)
    store(psi, 2 * i + 1, v0)
    store(psi, 2 * j, u1)
    store(psi, 2 * j + 1, v1)


@kernel
def weigh(psi: Any, num_qubits: int, qubit: int, pauli: int, weights: Any) -> None:
    """Write |P_+ psi|^2 and |P_- psi|^2 to the two lane vectors of ``weights``."""
    pairs = 1 << (num_qubits - 1)
    plus, minus = splat(psi, 0.0), splat(psi, 0.0)
    for start in range(0, pairs, TILE):
        of_plus, of_minus = splat(psi, 0.0), splat(psi, 0.0)
        for k in range(start, min(start + TILE, pairs)):
            a, b, c, d = _load_signs(psi, k, qubit, pauli)
            of_plus = of_plus + a * a + b * b
            of_minus = of_minus + c * c + d * d
        plus, minus = plus + of_plus, minus + of_minus
    store(weights, 0, plus)
    store(weights, 1, minus)


@kernel
def multiply(
    source: Any, target: Any, num_qubits: int, qubit: int, pauli: int, factors: Any
) -> None:
    """Write (f_+ P_+ + f_- P_-) of ``source`` to ``target``, factors lane by lane."""
    of_plus, of_minus = load(factors, 0), load(factors, 1)
    for k in range(1 << (num_qubits - 1)):
        a, b, c, d = _load_signs(source, k, qubit, pauli)
        a, b, c, d = of_plus * a, of_plus * b, of_minus * c, of_minus * d
        _store_signs(target, k, qubit, pauli, a, b, c, d)


@inline
def find_chances(amplitudes: Any, weights: Any, lane: int) -> Any:
    """Return the squared norms |M_1 psi|^2 and |M_0 psi|^2 of a lane."""
    plus, minus = weights[lane], weights[weights.size // 2 + lane]
    one = amplitudes[1, 0] ** 2 * plus + amplitudes[1, 1] ** 2 * minus
    zero = amplitudes[0, 0] ** 2 * plus + amplitudes[0, 1] ** 2 * minus
    return one, zero


@kernel
def find_factors(amplitudes: Any, weights: Any, bits: Any, factors: Any) -> None:
    """Write a_y / sqrt(|M_y psi|^2) for both signs, by the bit y of each lane."""
    lanes = bits.size
    for lane in range(lanes):
        plus, minus = amplitudes[bits[lane], 0], amplitudes[bits[lane], 1]
        total = plus * plus * weights[lane] + minus * minus * weights[lanes + lane]
        scale = 1.0 / np.sqrt(total)
        factors[lane], factors[lanes + lane] = plus * scale, minus * scale


@kernel
def choose(
    amplitudes: Any,
    weights: Any,
    least: float,
    place: Any,
    given: Any,
    draws: Any,
    ends: Any,
    ones: Any,
    taken: Any,
    bits: Any,
) -> None:
    """Choose the bit of each lane for ancilla ``a`` of a step, and write its probability.

    ``place`` is (first sequence, step, ancilla). A bit is drawn where ``draws`` is not empty,
    otherwise it is that of the record. Past the end of a sequence, in idle lanes and where the
    record is impossible, the likelier bit takes its place, so that every state has a norm.
    """
    first, step, a = place
    lanes = bits.size
    for lane in range(lanes):
        one, zero = find_chances(amplitudes, weights, lane)
        total = one + zero
        bits[lane] = 1 if one > zero else 0
        row = first + lane
        if row >= ends.size or step >= ends[row]:
            continue
        if draws.size:
            given[row, step, a] = 1 if draws[row, step, a] * total < one else 0
        wanted = given[row, step, a]
        probability = (one if wanted else zero) / total
        if probability > least:
            bits[lane] = wanted
        else:
            probability = probability * 0.0
        ones[row, step, a] = one / total
        taken[row, step, a] = probability


@kernel
def pull_measurement(
    chi: Any,
    phi: Any,
    lam: Any,
    num_qubits: int,
    qubit: int,
    pauli: int,
    amplitudes: Any,
    weights: Any,
    bits: Any,
    by_one: Any,
    by_log: Any,
) -> None:
    """Pull ``lam``, the derivative with respect to the state after a measurement, back through it.

    ``chi`` is the state before and ``phi`` that after it, of norm 1; ``by_one`` and ``by_log`` are
    the derivatives of each lane with respect to p_1 and to log p_y. With s^2 = |M_y chi|^2 and
    N = |chi|^2,

        lam <- M_y [lam + (2 by_log - Re <lam, phi>) phi] / s
               + 2 / N [by_one (M_1^2 - p_1) - by_log] chi
    """
    lanes = bits.size
    pairs = 1 << (num_qubits - 1)
    overlap = splat(lam, 0.0)
    for start in range(0, 2 * pairs, TILE):
        part = splat(lam, 0.0)
        for k in range(start, min(start + TILE, 2 * pairs)):
            part = part + load(lam, 2 * k) * load(phi, 2 * k)
            part = part + load(lam, 2 * k + 1) * load(phi, 2 * k + 1)
        overlap = overlap + part
    # By lane: what multiplies lam, phi and chi, for both signs.
    of_lam, of_chi = zero_vectors(2, lanes, lam), zero_vectors(2, lanes, lam)
    of_phi = zero_vectors(1, lanes, lam)
    store(of_phi, 0, overlap)
    for lane in range(lanes):
        plus, minus = weights[lane], weights[lanes + lane]
        y, total = bits[lane], plus + minus
        a, b = amplitudes[y, 0], amplitudes[y, 1]
        scale = 1.0 / np.sqrt(a * a * plus + b * b * minus)
        one = (amplitudes[1, 0] ** 2 * plus + amplitudes[1, 1] ** 2 * minus) / total
        of_phi[lane] = 2.0 * by_log[lane] - of_phi[lane]
        for sign in range(2):
            slope = by_one[lane] * (amplitudes[1, sign] ** 2 - one) - by_log[lane]
            of_chi[sign * lanes + lane] = 2.0 * slope / total
            of_lam[sign * lanes + lane] = amplitudes[y, sign] * scale
    f, g = load(of_lam, 0), load(of_lam, 1)
    p, q = load(of_chi, 0), load(of_chi, 1)
    r = load(of_phi, 0)
    for k in range(pairs):
        a, b, c, d = _load_signs(lam, k, qubit, pauli)
        a1, b1, c1, d1 = _load_signs(phi, k, qubit, pauli)
        a0, b0, c0, d0 = _load_signs(chi, k, qubit, pauli)
        a, b = f * (a + r * a1) + p * a0, f * (b + r * b1) + p * b0
        c, d = g * (c + r * c1) + q * c0, g * (d + r * d1) + q * d0
        _store_signs(lam, k, qubit, pauli, a, b, c, d)

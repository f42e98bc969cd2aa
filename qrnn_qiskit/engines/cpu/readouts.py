"""Kernels for Pauli expectation values and their adjoint, and for the norm.

States are laid out as in :mod:`~qrnn_qiskit.engines.cpu.rotations`. ``values`` and ``weights`` hold
observable k in lane vector k; in the functions of Pauli strings, string j in lane vector j.

A value is sum_j m_kj <psi|P_j|psi>, so the derivative of the loss with respect to psi is
2 sum_k weights_k O_k psi = 2 sum_j (m^T weights)_j P_j psi. Strings of I and Z are diagonal: their
values come from the marginals of the probabilities over the low and the high bits, as the slopes do
in :mod:`~qrnn_qiskit.engines.cpu.diagonals`.
"""

from __future__ import annotations

from typing import Any

from qrnn_qiskit.engines.cpu.blocks import zero_vectors
from qrnn_qiskit.engines.cpu.diagonals import is_odd, sum_half
from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, square_root, store
from qrnn_qiskit.engines.cpu.layers import add_product
from qrnn_qiskit.engines.cpu.neighbours import TILE, pull_neighbours, read_neighbours
from qrnn_qiskit.engines.cpu.numba_compiler import kernel
from qrnn_qiskit.engines.cpu.rotations import insert_zero


@kernel
def scale_state(psi: Any, num_vectors: int, factor: Any) -> None:
    """Multiply ``psi`` by ``factor`` lane by lane."""
    for k in range(num_vectors):
        store(psi, k, factor * load(psi, k))


@kernel
def normalize(psi: Any, lam: Any, num_amplitudes: int) -> None:
    """Scale ``psi`` to norm 1 lane by lane, and ``lam`` by the same factor.

    See :data:`~qrnn_qiskit.engines.contract.NORM_STEPS`. ``lam`` is undone by the same rounded
    cosines and sines as ``psi``, so it is off by the same factor.
    """
    total = splat(psi, 0.0)
    for start in range(0, num_amplitudes, TILE):
        part = splat(psi, 0.0)
        for x in range(start, min(start + TILE, num_amplitudes)):
            u, v = load(psi, 2 * x), load(psi, 2 * x + 1)
            part = part + u * u + v * v
        total = total + part
    scale = splat(psi, 1.0) / square_root(total)
    scale_state(psi, 2 * num_amplitudes, scale)
    scale_state(lam, 2 * num_amplitudes, scale)


@kernel
def read_observables(psi: Any, num_qubits: int, paulis: Any, strings: Any, values: Any) -> Any:
    """Write <psi|O|psi> / <psi|psi> of every observable to ``values``; return <psi|psi>.

    ``strings`` has room for the values of the Pauli strings; it is not used where the observables
    are single strings.
    """
    found = strings if paulis.matrix.size else values
    total = _read_diagonal(psi, num_qubits, paulis.diagonal_mask, paulis.diagonal_term, found)
    for window in range(len(paulis.neighbours)):
        read_neighbours(psi, num_qubits, paulis.neighbours[window], found)
    for group in range(paulis.flip.size):
        start, stop = paulis.start[group], paulis.start[group + 1]
        _read_flips(
            psi,
            num_qubits,
            paulis.flip[group],
            paulis.z_mask[start:stop],
            paulis.power[start:stop],
            paulis.term[start:stop],
            found,
        )
    scale_state(found, paulis.num_strings, splat(psi, 1.0) / total)
    if paulis.matrix.size:
        values[:] = 0.0
        add_product(paulis.matrix, found, values)
    return total


@kernel
def _read_diagonal(psi: Any, num_qubits: int, masks: Any, terms: Any, values: Any) -> Any:
    """Write the values of strings of I and Z; return <psi|psi>, which is a by-product."""
    low = num_qubits // 2
    lows, highs = 1 << low, 1 << (num_qubits - low)
    zero = splat(psi, 0.0)
    sums = zero_vectors(lows + highs, psi.size >> (num_qubits + 1), psi)
    for h in range(highs):
        high_sum = zero
        for i in range(lows):
            x = (h << low) | i
            u, v = load(psi, 2 * x), load(psi, 2 * x + 1)
            w = u * u + v * v
            high_sum = high_sum + w
            store(sums, i, load(sums, i) + w)
        store(sums, lows + h, high_sum)
    for k in range(masks.size):
        mask = masks[k]
        if mask < lows or mask & (lows - 1) == 0:
            total = sum_half(sums, num_qubits, mask)
        else:
            total = zero
            for start in range(0, 1 << num_qubits, lows):
                part = zero
                for x in range(start, start + lows):
                    u, v = load(psi, 2 * x), load(psi, 2 * x + 1)
                    w = u * u + v * v
                    part = part - w if is_odd(x & mask) else part + w
                total = total + part
        store(values, terms[k], total)
    norm = zero
    for h in range(highs):
        norm = norm + load(sums, lows + h)
    return norm


@kernel
def _lowest_bit(mask: int) -> int:
    """Return the position of the lowest 1 of ``mask``."""
    position = 0
    while not (mask >> position) & 1:
        position += 1
    return position


@kernel
def _read_flips(
    psi: Any, num_qubits: int, flip: int, z_masks: Any, powers: Any, terms: Any, values: Any
) -> None:
    """Write the values of the strings that flip the same qubits.

    String P maps |x> to i^power (-1)^parity(x & z) |y> with y = x ^ flip, so its value is the sum
    over x of i^power (-1)^parity(x & z) conj(psi_y) psi_x. P is Hermitian: the terms of x and y are
    conjugates, and twice the real part over the x whose lowest flipped bit (the pivot) is 0 is the
    whole sum.
    """
    pivot = _lowest_bit(flip)
    pairs = 1 << (num_qubits - 1)
    zero, two = splat(psi, 0.0), splat(psi, 2.0)
    for e in range(z_masks.size):
        total = zero
        for start in range(0, pairs, TILE):
            part = zero
            for k in range(start, min(start + TILE, pairs)):
                x = insert_zero(k, pivot)
                y = x ^ flip
                a, b = load(psi, 2 * x), load(psi, 2 * x + 1)
                c, d = load(psi, 2 * y), load(psi, 2 * y + 1)
                w = _times_power(c * a + d * b, c * b - d * a, powers[e])
                part = part - w if is_odd(x & z_masks[e]) else part + w
            total = total + part
        store(values, terms[e], two * total)


@kernel
def _times_power(re: Any, im: Any, power: int) -> Any:
    """Return the real part of i^power (re + i im)."""
    if power == 0:
        return re
    if power == 1:
        return -im
    if power == 2:
        return -re
    return im


@kernel
def pull_observables(
    psi: Any, lam: Any, num_qubits: int, paulis: Any, weights: Any, strings: Any
) -> None:
    """Add 2 sum_k weights_k O_k psi, the derivative of the readouts by psi, to ``lam``.

    Args:
        psi: The states.
        lam: Their adjoint.
        num_qubits: n.
        paulis: The observables.
        weights: Derivatives of the loss with respect to the readouts, K lane vectors.
        strings: Room as in :func:`read_observables`.
    """
    given = weights
    if paulis.matrix.size:
        given = strings
        given[:] = 0.0
        add_product(paulis.transposed, weights, given)
    if paulis.diagonal_mask.size:
        _pull_diagonal(psi, lam, num_qubits, paulis.diagonal_mask, paulis.diagonal_term, given)
    for window in range(len(paulis.neighbours)):
        pull_neighbours(psi, lam, num_qubits, paulis.neighbours[window], given)
    for group in range(paulis.flip.size):
        start, stop = paulis.start[group], paulis.start[group + 1]
        _pull_flips(
            psi,
            lam,
            num_qubits,
            paulis.flip[group],
            paulis.z_mask[start:stop],
            paulis.power[start:stop],
            paulis.term[start:stop],
            given,
        )


@kernel
def _pull_diagonal(
    psi: Any, lam: Any, num_qubits: int, masks: Any, terms: Any, weights: Any
) -> None:
    """Add 2 sum_j weights_j P_j psi over strings of I and Z to ``lam``.

    The factor of psi_x is the sum of an entry for the low bits of x and one for the high bits, as
    in reading; only strings that cross the split take a separate pass.
    """
    low = num_qubits // 2
    lows, highs = 1 << low, 1 << (num_qubits - low)
    two = splat(psi, 2.0)
    table = zero_vectors(lows + highs, psi.size >> (num_qubits + 1), psi)
    for k in range(masks.size):
        weight = two * load(weights, terms[k])
        mask = masks[k]
        if mask < lows:
            for i in range(lows):
                value = load(table, i)
                store(table, i, value - weight if is_odd(i & mask) else value + weight)
        elif mask & (lows - 1) == 0:
            for h in range(highs):
                value = load(table, lows + h)
                odd = is_odd((h << low) & mask)
                store(table, lows + h, value - weight if odd else value + weight)
        else:
            for x in range(1 << num_qubits):
                signed = -weight if is_odd(x & mask) else weight
                for part in range(2):
                    value = load(lam, 2 * x + part) + signed * load(psi, 2 * x + part)
                    store(lam, 2 * x + part, value)
    for h in range(highs):
        high_weight = load(table, lows + h)
        for i in range(lows):
            x = (h << low) | i
            weight = high_weight + load(table, i)
            for part in range(2):
                value = load(lam, 2 * x + part) + weight * load(psi, 2 * x + part)
                store(lam, 2 * x + part, value)


@kernel
def _pull_flips(
    psi: Any,
    lam: Any,
    num_qubits: int,
    flip: int,
    z_masks: Any,
    powers: Any,
    terms: Any,
    weights: Any,
) -> None:
    """Add 2 sum_j weights_j P_j psi over strings that flip the same qubits to ``lam``.

    With re + i im the sum of 2 weights_j i^power (-1)^parity(x & z), amplitude y of ``lam``
    receives (re + i im) psi_x and, because P is Hermitian, amplitude x receives (re - i im) psi_y.
    """
    pivot = _lowest_bit(flip)
    zero, two = splat(psi, 0.0), splat(psi, 2.0)
    for k in range(1 << (num_qubits - 1)):
        x = insert_zero(k, pivot)
        y = x ^ flip
        re, im = zero, zero
        for e in range(z_masks.size):
            weight = two * load(weights, terms[e])
            signed = -weight if is_odd(x & z_masks[e]) else weight
            re, im = _add_power(re, im, signed, powers[e])
        a, b = load(psi, 2 * x), load(psi, 2 * x + 1)
        c, d = load(psi, 2 * y), load(psi, 2 * y + 1)
        store(lam, 2 * x, load(lam, 2 * x) + re * c + im * d)
        store(lam, 2 * x + 1, load(lam, 2 * x + 1) + re * d - im * c)
        store(lam, 2 * y, load(lam, 2 * y) + re * a - im * b)
        store(lam, 2 * y + 1, load(lam, 2 * y + 1) + re * b + im * a)


@kernel
def _add_power(re: Any, im: Any, weight: Any, power: int) -> Any:
    """Add weight i^power to re + i im."""
    if power == 0:
        return re + weight, im
    if power == 1:
        return re, im + weight
    if power == 2:
        return re - weight, im
    return re, im - weight

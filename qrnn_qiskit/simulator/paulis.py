"""Kernels for Pauli expectation values and their adjoint, and for the norm.

States are laid out as in :mod:`~qrnn_qiskit.simulator.rotations`; ``values`` and ``weights`` hold
string number j in lane vector j.
"""

from __future__ import annotations

from typing import Any

from qrnn_qiskit.simulator.blocks import zero_vectors
from qrnn_qiskit.simulator.compilation import inline, kernel
from qrnn_qiskit.simulator.lanes import load, splat, square_root, store
from qrnn_qiskit.simulator.phases import is_odd, signed_sum
from qrnn_qiskit.simulator.rotations import insert_zero, load_eight

# A sum over all amplitudes is a sum of sums over this many: in one long chain, float32 would lose
# a digit for every factor of ten in its length.
_TILE = 128


@kernel
def scale_state(psi: Any, num_vectors: int, factor: Any) -> None:
    """Multiply ``psi`` by ``factor`` lane by lane."""
    for k in range(num_vectors):
        store(psi, k, factor * load(psi, k))


@kernel
def normalize(psi: Any, lam: Any, num_amplitudes: int) -> None:
    """Scale ``psi`` to norm 1 lane by lane, and ``lam`` by the same factor.

    Rounded cosines and sines make every step change the norm by the same tiny factor, which grows
    with the number of steps; ``lam`` went through the same steps backwards.
    """
    total = splat(psi, 0.0)
    for start in range(0, num_amplitudes, _TILE):
        part = splat(psi, 0.0)
        for x in range(start, min(start + _TILE, num_amplitudes)):
            u, v = load(psi, 2 * x), load(psi, 2 * x + 1)
            part = part + u * u + v * v
        total = total + part
    scale = splat(psi, 1.0) / square_root(total)
    scale_state(psi, 2 * num_amplitudes, scale)
    scale_state(lam, 2 * num_amplitudes, scale)


@kernel
def read_paulis(psi: Any, num_qubits: int, paulis: Any, values: Any) -> Any:
    """Write <psi|P|psi> / <psi|psi> of every Pauli string to ``values``; return <psi|psi>."""
    total = _read_diagonal(psi, num_qubits, paulis.diagonal_mask, paulis.diagonal_term, values)
    for window in range(len(paulis.neighbours)):
        _read_neighbours(psi, num_qubits, paulis.neighbours[window], values)
    for group in range(paulis.flip.size):
        start, stop = paulis.start[group], paulis.start[group + 1]
        _read_flips(
            psi,
            num_qubits,
            paulis.flip[group],
            paulis.z_mask[start:stop],
            paulis.power[start:stop],
            paulis.term[start:stop],
            values,
        )
    scale_state(values, paulis.num_strings, splat(psi, 1.0) / total)
    return total


@kernel
def _read_diagonal(psi: Any, num_qubits: int, masks: Any, terms: Any, values: Any) -> Any:
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
        if mask < lows:
            total = signed_sum(sums, 0, lows, mask)
        elif mask & (lows - 1) == 0:
            total = signed_sum(sums, lows, highs, mask >> low)
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
    return signed_sum(sums, lows, highs, 0)


@inline
def _multiply_conjugate(sums: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Add conj(c + i d) (a + i b) to the real and imaginary part ``sums``."""
    return sums[0] + c * a + d * b, sums[1] + c * b - d * a


@kernel
def _read_neighbours(psi: Any, num_qubits: int, places: Any, values: Any) -> None:
    """X and Y of three neighbour qubits in one pass."""
    low = places[0]
    far = 2 << low
    zero = (splat(psi, 0.0), splat(psi, 0.0))
    first, second, third = zero, zero, zero
    groups = 1 << (num_qubits - 3)
    for start in range(0, groups, _TILE >> 2):
        one, two, three = zero, zero, zero
        for k in range(start, min(start + (_TILE >> 2), groups)):
            i = ((k >> low) << (low + 4)) | ((k & ((1 << low) - 1)) << 1)
            a, b, c, d, e, f, g, h = load_eight(psi, i, far)
            p, q, r, s, t, u, v, w = load_eight(psi, i + 1, far)
            one = _multiply_conjugate(one, a, p, b, q)
            one = _multiply_conjugate(one, c, r, d, s)
            one = _multiply_conjugate(one, e, t, f, u)
            one = _multiply_conjugate(one, g, v, h, w)
            two = _multiply_conjugate(two, a, p, c, r)
            two = _multiply_conjugate(two, b, q, d, s)
            two = _multiply_conjugate(two, e, t, g, v)
            two = _multiply_conjugate(two, f, u, h, w)
            three = _multiply_conjugate(three, a, p, e, t)
            three = _multiply_conjugate(three, b, q, f, u)
            three = _multiply_conjugate(three, c, r, g, v)
            three = _multiply_conjugate(three, d, s, h, w)
        first = first[0] + one[0], first[1] + one[1]
        second = second[0] + two[0], second[1] + two[1]
        third = third[0] + three[0], third[1] + three[1]
    _write_pair(first, places[1], places[2], values)
    _write_pair(second, places[3], places[4], values)
    _write_pair(third, places[5], places[6], values)


@kernel
def _write_pair(sums: Any, place_x: int, place_y: int, values: Any) -> None:
    if place_x >= 0:
        store(values, place_x, splat(values, 2.0) * sums[0])
    if place_y >= 0:
        store(values, place_y, splat(values, -2.0) * sums[1])


@kernel
def _lowest_bit(mask: int) -> int:
    position = 0
    while not (mask >> position) & 1:
        position += 1
    return position


@kernel
def _read_flips(
    psi: Any, num_qubits: int, flip: int, z_masks: Any, powers: Any, terms: Any, values: Any
) -> None:
    """Strings that flip the same qubits: sums of conj(psi_y) psi_x over pairs y = x ^ flip."""
    pivot = _lowest_bit(flip)
    pairs = 1 << (num_qubits - 1)
    zero, two = splat(psi, 0.0), splat(psi, 2.0)
    for e in range(z_masks.size):
        total = zero
        for start in range(0, pairs, _TILE):
            part = zero
            for k in range(start, min(start + _TILE, pairs)):
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
    """Real part of i^power (re + i im)."""
    if power == 0:
        return re
    if power == 1:
        return -im
    if power == 2:
        return -re
    return im


@kernel
def pull_paulis(psi: Any, lam: Any, num_qubits: int, paulis: Any, weights: Any) -> None:
    """Add 2 sum_j weights_j P_j psi, the derivative of the readouts by psi, to ``lam``."""
    if paulis.diagonal_mask.size:
        _pull_diagonal(psi, lam, num_qubits, paulis.diagonal_mask, paulis.diagonal_term, weights)
    for window in range(len(paulis.neighbours)):
        _pull_neighbours(psi, lam, num_qubits, paulis.neighbours[window], weights)
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
            weights,
        )


@kernel
def _pull_diagonal(
    psi: Any, lam: Any, num_qubits: int, masks: Any, terms: Any, weights: Any
) -> None:
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


@inline
def _load_weights(weights: Any, place_x: int, place_y: int) -> Any:
    """Twice the weights of X and Y of a qubit; 0 for a negative place."""
    zero, two = splat(weights, 0.0), splat(weights, 2.0)
    x = two * load(weights, place_x) if place_x >= 0 else zero
    y = two * load(weights, place_y) if place_y >= 0 else zero
    return x, y


@inline
def _pull_three(lam: Any, i: int, one: Any, two: Any, three: Any) -> None:
    """Add to an amplitude of ``lam`` what three others of psi give, each (x, y, re, im)."""
    re, im = load(lam, i), load(lam, i + 1)
    for x, y, c, d in (one, two, three):
        re, im = re + x * c + y * d, im + x * d - y * c
    store(lam, i, re)
    store(lam, i + 1, im)


@kernel
def _pull_neighbours(psi: Any, lam: Any, num_qubits: int, places: Any, weights: Any) -> None:
    """X and Y of three neighbour qubits in one pass."""
    low = places[0]
    far = 2 << low
    x0, y0 = _load_weights(weights, places[1], places[2])
    x1, y1 = _load_weights(weights, places[3], places[4])
    x2, y2 = _load_weights(weights, places[5], places[6])
    for n in range(1 << (num_qubits - 3)):
        i = ((n >> low) << (low + 4)) | ((n & ((1 << low) - 1)) << 1)
        a, b, c, d, e, f, g, h = load_eight(psi, i, far)
        p, q, r, s, t, u, v, w = load_eight(psi, i + 1, far)
        _pull_three(lam, i, (x0, y0, b, q), (x1, y1, c, r), (x2, y2, e, t))
        _pull_three(lam, i + far, (x0, -y0, a, p), (x1, y1, d, s), (x2, y2, f, u))
        _pull_three(lam, i + 2 * far, (x0, y0, d, s), (x1, -y1, a, p), (x2, y2, g, v))
        _pull_three(lam, i + 3 * far, (x0, -y0, c, r), (x1, -y1, b, q), (x2, y2, h, w))
        _pull_three(lam, i + 4 * far, (x0, y0, f, u), (x1, y1, g, v), (x2, -y2, a, p))
        _pull_three(lam, i + 5 * far, (x0, -y0, e, t), (x1, y1, h, w), (x2, -y2, b, q))
        _pull_three(lam, i + 6 * far, (x0, y0, h, w), (x1, -y1, e, t), (x2, -y2, c, r))
        _pull_three(lam, i + 7 * far, (x0, -y0, g, v), (x1, -y1, f, u), (x2, -y2, d, s))


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

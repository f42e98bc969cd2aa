"""Triton functions for Pauli expectation values and their adjoint, and for the norm.

States are as in :mod:`.rotations`. ``values`` and ``weights`` hold one number for observable k, in
the functions of Pauli strings for string j. ``sums`` has room for one number for each value of the
low bits of a basis state and each value of its high bits. The mathematics is in
:mod:`qrnn_qiskit.engines.cpu.readouts`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from qrnn_qiskit.engines.gpu.diagonals import add_signed, is_odd, write_signed_sums
from qrnn_qiskit.engines.gpu.layers import apply_layer
from qrnn_qiskit.engines.gpu.neighbours import WINDOW_SIZE, pull_neighbours, read_neighbours


@triton.jit
def scale_state(psi: tl.tensor, factor: tl.tensor, N: tl.constexpr, TILE: tl.constexpr) -> None:
    """Multiply ``psi`` by ``factor``."""
    for start in range(0, 2 << N, 2 * TILE):
        i = start + tl.arange(0, 2 * TILE)
        tl.store(psi + i, factor * tl.load(psi + i))


@triton.jit
def normalize(psi: tl.tensor, lam: tl.tensor, N: tl.constexpr, TILE: tl.constexpr) -> None:
    """Scale ``psi`` to norm 1, and ``lam`` by the same factor."""
    squares = tl.zeros([2 * TILE], psi.dtype.element_ty)
    for start in range(0, 2 << N, 2 * TILE):
        part = tl.load(psi + start + tl.arange(0, 2 * TILE))
        squares += part * part
    factor = 1.0 / tl.sqrt(tl.sum(squares, 0))
    tl.debug_barrier()
    scale_state(psi, factor, N, TILE)
    scale_state(lam, factor, N, TILE)


@triton.jit
def read_observables(
    psi: tl.tensor,
    observables: tl.tuple,
    values: tl.tensor,
    strings: tl.tensor,
    sums: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> tl.tensor:
    """Write <psi|O|psi> / <psi|psi> of every observable to ``values``; return <psi|psi>.

    ``strings`` has room for the values of the Pauli strings; it is not used where the observables
    are single strings.
    """
    if observables.matrix is None:
        total = _read_strings(psi, observables, values, sums, N, TILE)
    else:
        total = _read_strings(psi, observables, strings, sums, N, TILE)
        tl.debug_barrier()
        apply_layer(
            observables.transposed,
            None,
            strings,
            values,
            observables.num_strings,
            observables.num_observables,
        )
    return total


@triton.jit
def _read_strings(
    psi: tl.tensor,
    observables: tl.tuple,
    values: tl.tensor,
    sums: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> tl.tensor:
    """Write the values of all Pauli strings, divided by <psi|psi>; return <psi|psi>."""
    total = _sum_halves(psi, sums, N, TILE)
    tl.debug_barrier()
    scale = 1.0 / total
    _read_diagonal(psi, observables, scale, values, sums, N, TILE)
    if N >= 3:
        for window in range(observables.num_windows):
            read_neighbours(
                psi, observables.neighbours + WINDOW_SIZE * window, scale, values, N, TILE
            )
    for group in range(observables.num_groups):
        flip = tl.load(observables.flip + group)
        first, last = tl.load(observables.start + group), tl.load(observables.start + group + 1)
        for entry in range(first, last):
            value = _read_flip(psi, observables, flip, entry, N, TILE)
            tl.store(values + tl.load(observables.term + entry), scale * value)
    return total


@triton.jit
def _sum_halves(psi: tl.tensor, sums: tl.tensor, N: tl.constexpr, TILE: tl.constexpr) -> tl.tensor:
    """Write the sums of |psi_x|^2 over either half of the bits; return the sum over all x."""
    LOW: tl.constexpr = N // 2
    low = tl.arange(0, 1 << LOW)
    low_sums = tl.zeros([1 << LOW], psi.dtype.element_ty)
    for start in range(0, 1 << (N - LOW), TILE >> LOW):
        high = start + tl.arange(0, TILE >> LOW)
        place = psi + ((high << LOW)[:, None] | low[None, :])
        u, v = tl.load(place), tl.load(place + (1 << N))
        w = u * u + v * v
        low_sums += tl.sum(w, 0)
        tl.store(sums + (1 << LOW) + high, tl.sum(w, 1))
    tl.store(sums + low, low_sums)
    return tl.sum(low_sums, 0)


@triton.jit
def _read_diagonal(
    psi: tl.tensor,
    observables: tl.tuple,
    scale: tl.tensor,
    values: tl.tensor,
    sums: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Write the values of the strings of I and Z, times ``scale``."""
    LOW: tl.constexpr = N // 2
    masks, terms = observables.diagonal_mask, observables.diagonal_term
    first, last = observables.high_start, observables.cross_start
    write_signed_sums(sums, 1 << LOW, 0, masks, terms, 0, first, scale, values)
    high_sums = sums + (1 << LOW)
    write_signed_sums(high_sums, 1 << (N - LOW), LOW, masks, terms, first, last, scale, values)
    for k in range(observables.cross_start, observables.num_diagonal):
        mask = tl.load(masks + k)
        total = tl.zeros([TILE], psi.dtype.element_ty)
        for start in range(0, 1 << N, TILE):
            x = start + tl.arange(0, TILE)
            u, v = tl.load(psi + x), tl.load(psi + x + (1 << N))
            w = u * u + v * v
            total += tl.where(is_odd(x & mask), -w, w)
        tl.store(values + tl.load(terms + k), scale * tl.sum(total, 0))


@triton.jit
def _read_flip(
    psi: tl.tensor,
    observables: tl.tuple,
    flip: tl.tensor,
    entry: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> tl.tensor:
    """Return the value of a string that flips qubits.

    It is the sum over x of i^power (-1)^parity(x & z) conj(psi_y) psi_x with y = x ^ flip.
    """
    z_mask, power = tl.load(observables.z_mask + entry), tl.load(observables.power + entry)
    total = tl.zeros([TILE], psi.dtype.element_ty)
    for start in range(0, 1 << N, TILE):
        x = start + tl.arange(0, TILE)
        y = x ^ flip
        a, b = tl.load(psi + x), tl.load(psi + x + (1 << N))
        c, d = tl.load(psi + y), tl.load(psi + y + (1 << N))
        re, im = c * a + d * b, c * b - d * a
        part = tl.where((power & 1) == 1, im, re)
        negative = is_odd(x & z_mask) ^ (power == 1) ^ (power == 2)
        total += tl.where(negative, -part, part)
    return tl.sum(total, 0)


@triton.jit
def pull_observables(
    psi: tl.tensor,
    lam: tl.tensor,
    observables: tl.tuple,
    weights: tl.tensor,
    strings: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Add 2 sum_k weights_k O_k psi, the derivative of the readouts by psi, to ``lam``.

    ``strings`` is as in :func:`read_observables`.
    """
    if observables.matrix is None:
        _pull_strings(psi, lam, observables, weights, N, TILE)
    else:
        apply_layer(
            observables.matrix,
            None,
            weights,
            strings,
            observables.num_observables,
            observables.num_strings,
        )
        tl.debug_barrier()
        _pull_strings(psi, lam, observables, strings, N, TILE)


@triton.jit
def _pull_strings(
    psi: tl.tensor,
    lam: tl.tensor,
    observables: tl.tuple,
    weights: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Add 2 sum_j weights_j P_j psi over all Pauli strings to ``lam``, in one pass over it."""
    LOW: tl.constexpr = N // 2
    masks, terms = observables.diagonal_mask, observables.diagonal_term
    first, last = observables.high_start, observables.cross_start
    low = tl.arange(0, 1 << LOW)
    by_low = tl.zeros([1 << LOW], psi.dtype.element_ty)
    by_low = add_signed(by_low, low, masks, terms, 0, first, weights)
    for start in range(0, 1 << (N - LOW), TILE >> LOW):
        high = (start + tl.arange(0, TILE >> LOW)) << LOW
        by_high = tl.zeros([TILE >> LOW], psi.dtype.element_ty)
        by_high = add_signed(by_high, high, masks, terms, first, last, weights)
        x = high[:, None] | low[None, :]
        factor = by_high[:, None] + by_low[None, :]
        factor = add_signed(factor, x, masks, terms, last, observables.num_diagonal, weights)
        re, im = factor * tl.load(psi + x), factor * tl.load(psi + x + (1 << N))
        for window in range(observables.num_windows):
            re, im = pull_neighbours(
                re, im, x, psi, observables.neighbours + WINDOW_SIZE * window, weights, N
            )
        for group in range(observables.num_groups):
            re, im = _pull_flips(re, im, x, psi, observables, group, weights, N)
        tl.store(lam + x, tl.load(lam + x) + 2.0 * re)
        tl.store(lam + x + (1 << N), tl.load(lam + x + (1 << N)) + 2.0 * im)


@triton.jit
def _pull_flips(
    re: tl.tensor,
    im: tl.tensor,
    x: tl.tensor,
    psi: tl.tensor,
    observables: tl.tuple,
    group: tl.tensor,
    weights: tl.tensor,
    N: tl.constexpr,
) -> tl.tuple:
    """Add to re + i im what amplitudes ``x`` receive from strings that flip the same qubits."""
    other = x ^ tl.load(observables.flip + group)
    a, b = tl.load(psi + other), tl.load(psi + other + (1 << N))
    for entry in range(tl.load(observables.start + group), tl.load(observables.start + group + 1)):
        power = tl.load(observables.power + entry)
        weight = tl.load(weights + tl.load(observables.term + entry))
        odd = is_odd(other & tl.load(observables.z_mask + entry)) ^ (power >= 2)
        signed = tl.where(odd, -weight, weight)
        if (power & 1) == 1:
            re, im = re - signed * b, im + signed * a
        else:
            re, im = re + signed * a, im + signed * b
    return re, im

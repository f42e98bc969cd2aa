"""Kernels for diagonal sweeps: products of phases exp(-i angle/2 Z...Z) and of CZ signs.

The phase of mask m multiplies the amplitude of basis state x by cos - i sin of half the angle, with
the opposite sign of the sine where x & m has an odd number of ones. Basis state x = (h, i) is split
into its low n // 2 bits i and its high bits h. Masks on one side of the split depend on i or on h
only, so their product is a table of 2^(n/2) factors for either side. However many phases there are,
the sweep itself costs one complex product of two table entries and one with the amplitude; only
masks that cross the split need a pass each. CZ signs come as a table of +1 and -1 for all 2^n basis
states, made once per circuit, and are folded into the factor in the same pass.

States, ``turns`` and ``slopes`` are laid out as in :mod:`~qrnn_qiskit.engines.cpu.rotations`.
"""

from __future__ import annotations

from typing import Any

from numba.extending import intrinsic

from qrnn_qiskit.engines.cpu.blocks import zero_vectors
from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, store
from qrnn_qiskit.engines.cpu.numba_compiler import inline, kernel


def _count_ones(typingctx: Any, bits: Any) -> Any:
    """``count_ones(bits)`` counts the ones of an integer, one instruction on most processors."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return bits(bits), codegen


_ones: Any = intrinsic(_count_ones)


@inline
def is_odd(bits: int) -> bool:
    """Return whether ``bits`` has an odd number of ones."""
    odd: bool = (_ones(bits) & 1) == 1
    return odd


@kernel
def scratch_vectors(num_qubits: int) -> int:
    """Return the lane vectors of scratch memory of a diagonal sweep: two complex tables."""
    low = num_qubits // 2
    return 2 * ((1 << low) + (1 << (num_qubits - low)))


@kernel
def _fill_table(
    table: Any,
    first: int,
    shift: int,
    bits: int,
    with_global: bool,
    sites: Any,
    columns: Any,
    turns: Any,
) -> None:
    """Multiply the phases on bits [shift, shift + bits) into 2^bits complex lane vectors.

    Phases of single qubits, the usual ones, double the table bit by bit: the entries with the new
    bit at 1 are those with the bit at 0 times another factor. All of them together cost about 2
    complex products per entry, instead of one per entry and qubit. The other masks inside follow
    with one product per entry each.

    Args:
        table: Where to write, entry j real in lane vector ``first + 2 j``, imaginary in the next.
        first: The first lane vector of the table.
        shift: The lowest bit.
        bits: How many bits.
        with_global: Whether mask 0, the global phase, belongs to this table.
        sites: The masks.
        columns: Their columns.
        turns: Cosines and sines.
    """
    inside = ((1 << bits) - 1) << shift
    one, zero = splat(table, 1.0), splat(table, 0.0)
    store(table, first, one)
    store(table, first + 1, zero)
    size = 1
    for bit in range(bits):
        c, s = one, zero
        for k in range(sites.size):
            if sites[k] == 1 << (shift + bit):
                c, s = load(turns, 2 * columns[k]), load(turns, 2 * columns[k] + 1)
        for i in range(size):
            re, im = load(table, first + 2 * i), load(table, first + 2 * i + 1)
            store(table, first + 2 * i, c * re + s * im)
            store(table, first + 2 * i + 1, c * im - s * re)
            store(table, first + 2 * (i + size), c * re - s * im)
            store(table, first + 2 * (i + size) + 1, c * im + s * re)
        size *= 2
    for k in range(sites.size):
        mask = sites[k]
        single = mask & (mask - 1) == 0 and mask != 0
        if single or mask & ~inside != 0 or (mask == 0 and not with_global):
            continue
        c, s = load(turns, 2 * columns[k]), load(turns, 2 * columns[k] + 1)
        for i in range(size):
            re, im = load(table, first + 2 * i), load(table, first + 2 * i + 1)
            t = -s if is_odd((i << shift) & mask) else s
            store(table, first + 2 * i, c * re + t * im)
            store(table, first + 2 * i + 1, c * im - t * re)


@kernel
def _fill_tables(table: Any, num_qubits: int, sites: Any, columns: Any, turns: Any) -> None:
    """Write the phases of the low bits, with the global one, then those of the high bits."""
    low = num_qubits // 2
    for half in range(2):  # a loop has one call in the code, which is compiled once
        bits = num_qubits - low if half else low
        _fill_table(table, 2 * half << low, half * low, bits, half == 0, sites, columns, turns)


@kernel
def _crosses(mask: int, low: int) -> bool:
    """Return whether ``mask`` has bits on both sides of the split."""
    return mask >> low != 0 and mask & ((1 << low) - 1) != 0


@kernel
def apply_phases(
    psi: Any,
    num_qubits: int,
    sites: Any,
    columns: Any,
    signs: Any,
    row: int,
    turns: Any,
    scratch: Any,
) -> None:
    """Multiply ``psi`` by the diagonal, with the signs of ``row`` unless that is -1."""
    low = num_qubits // 2
    lows, highs = 1 << low, 1 << (num_qubits - low)
    _fill_tables(scratch, num_qubits, sites, columns, turns)
    for h in range(highs):
        p, q = load(scratch, 2 * (lows + h)), load(scratch, 2 * (lows + h) + 1)
        for i in range(lows):
            x = (h << low) | i
            a, b = load(scratch, 2 * i), load(scratch, 2 * i + 1)
            re, im = p * a - q * b, p * b + q * a
            if row >= 0:
                sign = splat(psi, signs[row, x])
                re, im = re * sign, im * sign
            u, v = load(psi, 2 * x), load(psi, 2 * x + 1)
            store(psi, 2 * x, re * u - im * v)
            store(psi, 2 * x + 1, re * v + im * u)
    for k in range(sites.size):
        if _crosses(sites[k], low):
            c, s = load(turns, 2 * columns[k]), load(turns, 2 * columns[k] + 1)
            for x in range(1 << num_qubits):
                t = -s if is_odd(x & sites[k]) else s
                u, v = load(psi, 2 * x), load(psi, 2 * x + 1)
                store(psi, 2 * x, c * u + t * v)
                store(psi, 2 * x + 1, c * v - t * u)


@kernel
def _signed_sum(table: Any, first: int, size: int, mask: int) -> Any:
    """Return the sum of ``size`` lane vectors, each times (-1)^parity(index & mask)."""
    total = splat(table, 0.0)
    for i in range(size):
        value = load(table, first + i)
        total = total - value if is_odd(i & mask) else total + value
    return total


@kernel
def sum_half(sums: Any, num_qubits: int, mask: int) -> Any:
    """Return sum_x (-1)^parity(x & mask) w_x for a ``mask`` that does not cross the split.

    ``sums`` holds the marginals of w: lane vector i the sum over all high bits, then lane vector
    2^(n // 2) + h the sum over all low bits. They serve all masks of either side, so that each mask
    costs 2^(n/2) additions instead of 2^n.
    """
    low = num_qubits // 2
    half = 1 if mask >> low else 0
    size = 1 << (num_qubits - low if half else low)
    return _signed_sum(sums, half << low, size, mask >> (half * low))


@kernel
def unapply_phases(
    psi: Any,
    lam: Any,
    num_qubits: int,
    sites: Any,
    columns: Any,
    signs: Any,
    row: int,
    turns: Any,
    slopes: Any,
    scratch: Any,
) -> None:
    """Undo the diagonal on ``psi`` and ``lam`` and add the derivative of each phase to ``slopes``.

    The derivative with respect to the angle of mask m is 1/2 sum_x (-1)^parity(x & m) w_x with
    w_x = Im(conj(lam_x) psi_x). A diagonal of modulus 1 multiplies psi and lam by the same factor
    and leaves w as it is, so the pass that undoes the phases also gathers the marginals of w, from
    which all derivatives follow. Masks that cross the split are undone before it, each with its own
    sum; all diagonals commute, so their order is free.
    """
    low = num_qubits // 2
    lows, highs = 1 << low, 1 << (num_qubits - low)
    half, zero = splat(psi, 0.5), splat(psi, 0.0)
    for k in range(sites.size):
        if _crosses(sites[k], low):
            c, s = load(turns, 2 * columns[k]), load(turns, 2 * columns[k] + 1)
            slope = zero
            for x in range(1 << num_qubits):
                odd = is_odd(x & sites[k])
                t = -s if odd else s
                u, v = load(psi, 2 * x), load(psi, 2 * x + 1)
                f, g = load(lam, 2 * x), load(lam, 2 * x + 1)
                w = f * v - g * u
                slope = slope - w if odd else slope + w
                store(psi, 2 * x, c * u - t * v)
                store(psi, 2 * x + 1, c * v + t * u)
                store(lam, 2 * x, c * f - t * g)
                store(lam, 2 * x + 1, c * g + t * f)
            store(slopes, columns[k], load(slopes, columns[k]) + half * slope)
    _fill_tables(scratch, num_qubits, sites, columns, turns)
    sums = zero_vectors(lows + highs, psi.size >> (num_qubits + 1), psi)
    for h in range(highs):
        p, q = load(scratch, 2 * (lows + h)), load(scratch, 2 * (lows + h) + 1)
        high_sum = zero
        for i in range(lows):
            x = (h << low) | i
            a, b = load(scratch, 2 * i), load(scratch, 2 * i + 1)
            re, im = p * a - q * b, p * b + q * a
            if row >= 0:
                sign = splat(psi, signs[row, x])
                re, im = re * sign, im * sign
            u, v = load(psi, 2 * x), load(psi, 2 * x + 1)
            f, g = load(lam, 2 * x), load(lam, 2 * x + 1)
            w = f * v - g * u
            high_sum = high_sum + w
            store(sums, i, load(sums, i) + w)
            store(psi, 2 * x, re * u + im * v)
            store(psi, 2 * x + 1, re * v - im * u)
            store(lam, 2 * x, re * f + im * g)
            store(lam, 2 * x + 1, re * g - im * f)
        store(sums, lows + h, high_sum)
    for k in range(sites.size):
        if not _crosses(sites[k], low):
            slope = sum_half(sums, num_qubits, sites[k])
            store(slopes, columns[k], load(slopes, columns[k]) + half * slope)

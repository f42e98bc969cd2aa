"""Triton functions for what is diagonal: sweeps of phases exp(-i angle/2 Z...Z) and CZ signs.

Basis state x = (h, i) is split into its low n // 2 bits i and its high bits h, the columns and rows
of a tile. Phases on one side of the split are one factor for each column or row of the tile; only
masks that cross the split cost an operation for each amplitude. Sites come in this order: masks of
low bits only, of high bits only, of both. States, ``turns`` and ``slopes`` are as in
:mod:`.rotations`; :mod:`qrnn_qiskit.engines.cpu.diagonals` has the mathematics.
"""

from __future__ import annotations

import triton
import triton.language as tl

from qrnn_qiskit.engines.gpu.rotations import load_turn

_SITES = tl.constexpr(16)
_UNROLL = tl.constexpr(4)  # sites whose numbers are fetched together


@triton.jit
def is_odd(bits: tl.tensor) -> tl.tensor:
    """Return whether ``bits``, fewer than 32 of them, have an odd number of ones.

    Each line folds the upper half of the bits onto the lower half, which keeps the parity.
    """
    bits = bits ^ (bits >> 16)
    bits = bits ^ (bits >> 8)
    bits = bits ^ (bits >> 4)
    bits = bits ^ (bits >> 2)
    bits = bits ^ (bits >> 1)
    return (bits & 1) == 1


@triton.jit
def add_signed(
    total: tl.tensor,
    states: tl.tensor,
    masks: tl.tensor,
    terms: tl.tensor,
    first: tl.tensor,
    last: tl.tensor,
    weights: tl.tensor,
) -> tl.tensor:
    """Add to ``total`` the weights of strings ``first`` to ``last`` - 1, signed by ``states``."""
    for start in range(first, last, _UNROLL):
        for number in tl.static_range(_UNROLL):
            k = start + number
            term = tl.load(terms + k, k < last, 0)
            weight = tl.load(weights + term, k < last, 0.0)
            mask = tl.load(masks + k, k < last, 0)
            total += tl.where(is_odd(states & mask), -weight, weight)
    return total


@triton.jit
def write_signed_sums(
    sums: tl.tensor,
    SIZE: tl.constexpr,
    shift: tl.constexpr,
    masks: tl.tensor,
    places: tl.tensor,
    first: tl.tensor,
    last: tl.tensor,
    factor: tl.tensor,
    results: tl.tensor,
) -> None:
    """Write ``factor`` sum_i (-1)^parity((i << shift) & mask) sums_i for a range of masks."""
    i = tl.arange(0, SIZE)
    values = tl.load(sums + i)
    for start in range(first, last, _SITES):
        k = start + tl.arange(0, _SITES)
        mask = tl.load(masks + k, k < last, 0)
        odd = is_odd((i << shift)[None, :] & mask[:, None])
        total = tl.sum(tl.where(odd, -values[None, :], values[None, :]), 1)
        tl.store(results + tl.load(places + k, k < last, 0), factor * total, k < last)


@triton.jit
def _multiply_phases(
    re: tl.tensor,
    im: tl.tensor,
    states: tl.tensor,
    sites: tl.tensor,
    columns: tl.tensor,
    first: tl.tensor,
    last: tl.tensor,
    turns: tl.tensor,
) -> tl.tensor:
    """Multiply re + i im by the phases ``first`` to ``last`` - 1 of basis states ``states``."""
    for start in range(first, last, _UNROLL):
        for number in tl.static_range(_UNROLL):
            k = start + number
            c, s = load_turn(turns, tl.load(columns + k, k < last, -1))
            mask = tl.load(sites + k, k < last, 0)
            t = tl.where(is_odd(states & mask), -s, s)
            re, im = c * re + t * im, c * im - t * re
    return re, im


@triton.jit
def _multiply_low(
    circuit: tl.tuple, sweep: tl.tensor, turns: tl.tensor, N: tl.constexpr
) -> tl.tensor:
    """Return the factor of each column of a tile: the phases on low bits."""
    low = tl.arange(0, 1 << (N // 2))
    real = turns.dtype.element_ty
    one, zero = tl.full([1 << (N // 2)], 1.0, real), tl.full([1 << (N // 2)], 0.0, real)
    first, last = tl.load(circuit.start + sweep), tl.load(circuit.high_start + sweep)
    return _multiply_phases(one, zero, low, circuit.site, circuit.column, first, last, turns)


@triton.jit
def _multiply_tile(
    circuit: tl.tuple,
    sweep: tl.tensor,
    turns: tl.tensor,
    a: tl.tensor,
    b: tl.tensor,
    high: tl.tensor,
    states: tl.tensor,
    N: tl.constexpr,
) -> tl.tensor:
    """Return all factors of a tile, from those of its columns, a + i b, and its rows ``high``."""
    real = turns.dtype.element_ty
    one, zero = tl.full(high.shape, 1.0, real), tl.full(high.shape, 0.0, real)
    first, cross = tl.load(circuit.high_start + sweep), tl.load(circuit.cross_start + sweep)
    last = tl.load(circuit.start + sweep + 1)
    p, q = _multiply_phases(one, zero, high, circuit.site, circuit.column, first, cross, turns)
    re = p[:, None] * a[None, :] - q[:, None] * b[None, :]
    im = p[:, None] * b[None, :] + q[:, None] * a[None, :]
    re, im = _multiply_phases(re, im, states, circuit.site, circuit.column, cross, last, turns)
    place = tl.load(circuit.extra + sweep) * (1 << N) + states  # the row is -1 without signs
    sign = tl.load(circuit.signs + place, place >= 0, 1.0)
    return re * sign, im * sign


@triton.jit
def apply_phases(
    circuit: tl.tuple,
    sweep: tl.tensor,
    psi: tl.tensor,
    turns: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Multiply ``psi`` by the diagonal of a sweep."""
    LOW: tl.constexpr = N // 2
    low = tl.arange(0, 1 << LOW)
    a, b = _multiply_low(circuit, sweep, turns, N)
    for start in range(0, 1 << (N - LOW), TILE >> LOW):
        high = (start + tl.arange(0, TILE >> LOW)) << LOW
        states = high[:, None] | low[None, :]
        re, im = _multiply_tile(circuit, sweep, turns, a, b, high, states, N)
        place = psi + states
        u, v = tl.load(place), tl.load(place + (1 << N))
        tl.store(place, re * u - im * v)
        tl.store(place + (1 << N), re * v + im * u)


@triton.jit
def unapply_phases(
    circuit: tl.tuple,
    sweep: tl.tensor,
    psi: tl.tensor,
    lam: tl.tensor,
    turns: tl.tensor,
    slopes: tl.tensor,
    sums: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Undo :func:`apply_phases` on ``psi`` and ``lam`` and write the slope of each phase.

    The slope of mask m is 1/2 sum_x (-1)^parity(x & m) w_x with w_x = Im(conj(lam_x) psi_x), which
    no phase changes: slopes of crossing masks may come first, before anything is undone. ``sums``
    has room for the marginals of w over either half of the bits.
    """
    LOW: tl.constexpr = N // 2
    low = tl.arange(0, 1 << LOW)
    high_start = tl.load(circuit.high_start + sweep)
    cross_start = tl.load(circuit.cross_start + sweep)
    stop = tl.load(circuit.start + sweep + 1)
    for k in range(cross_start, stop):
        mask = tl.load(circuit.site + k)
        slope = tl.zeros([TILE >> LOW, 1 << LOW], psi.dtype.element_ty)
        for start in range(0, 1 << (N - LOW), TILE >> LOW):
            high = (start + tl.arange(0, TILE >> LOW)) << LOW
            states = high[:, None] | low[None, :]
            u, v = tl.load(psi + states), tl.load(psi + states + (1 << N))
            f, g = tl.load(lam + states), tl.load(lam + states + (1 << N))
            w = f * v - g * u
            slope += tl.where(is_odd(states & mask), -w, w)
        tl.store(slopes + tl.load(circuit.column + k), 0.5 * tl.sum(tl.sum(slope, 1), 0))
    a, b = _multiply_low(circuit, sweep, turns, N)
    low_sums = tl.zeros([1 << LOW], psi.dtype.element_ty)
    for start in range(0, 1 << (N - LOW), TILE >> LOW):
        high = (start + tl.arange(0, TILE >> LOW)) << LOW
        states = high[:, None] | low[None, :]
        re, im = _multiply_tile(circuit, sweep, turns, a, b, high, states, N)
        u, v = tl.load(psi + states), tl.load(psi + states + (1 << N))
        f, g = tl.load(lam + states), tl.load(lam + states + (1 << N))
        w = f * v - g * u
        low_sums += tl.sum(w, 0)
        tl.store(sums + (1 << LOW) + (high >> LOW), tl.sum(w, 1))
        tl.store(psi + states, re * u + im * v)
        tl.store(psi + states + (1 << N), re * v - im * u)
        tl.store(lam + states, re * f + im * g)
        tl.store(lam + states + (1 << N), re * g - im * f)
    tl.store(sums + low, low_sums)
    tl.debug_barrier()
    write_signed_sums(
        sums,
        1 << LOW,
        0,
        circuit.site,
        circuit.column,
        tl.load(circuit.start + sweep),
        high_start,
        0.5,
        slopes,
    )
    write_signed_sums(
        sums + (1 << LOW),
        1 << (N - LOW),
        LOW,
        circuit.site,
        circuit.column,
        high_start,
        cross_start,
        0.5,
        slopes,
    )

"""Triton functions for the controller: affine layers, its activation, and their derivatives."""

from __future__ import annotations

import math

import triton
import triton.language as tl

from qrnn_qiskit.engines import contract

LINEAR = tl.constexpr(contract.LINEAR)
_RELU = tl.constexpr(contract.RELU)
_GLU = tl.constexpr(contract.GLU)
_INPUTS = tl.constexpr(16)
_OUTPUTS = tl.constexpr(32)
_UNITS = tl.constexpr(32)
_ROOT_HALF = tl.constexpr(math.sqrt(0.5))
_BELL_HEIGHT = tl.constexpr(1.0 / math.sqrt(2.0 * math.pi))


@triton.jit
def apply_layer(
    weight: tl.tensor,
    bias: tl.tensor,
    vector: tl.tensor,
    result: tl.tensor,
    inputs: tl.tensor,
    outputs: tl.tensor,
) -> None:
    """Write ``vector`` @ ``weight`` + ``bias`` to ``result``.

    ``weight`` is (inputs, outputs): neighbouring threads take neighbouring outputs, so that they
    read consecutive weights and each adds up its own sum. ``bias`` may be None.
    """
    for start in range(0, outputs, _OUTPUTS):
        j = start + tl.arange(0, _OUTPUTS)
        total = tl.zeros([_INPUTS, _OUTPUTS], result.dtype.element_ty)
        for first in range(0, inputs, _INPUTS):
            i = first + tl.arange(0, _INPUTS)
            inside = (i < inputs)[:, None] & (j < outputs)[None, :]
            factors = tl.load(weight + i[:, None] * outputs + j[None, :], inside, 0.0)
            total += factors * tl.load(vector + i, i < inputs, 0.0)[:, None]
        sums = tl.sum(total, 0)
        if bias is not None:
            sums += tl.load(bias + j, j < outputs, 0.0)
        tl.store(result + j, sums, j < outputs)


@triton.jit
def activate(
    layer: tl.tensor,
    hidden: tl.tensor,
    num_units: tl.tensor,
    KIND: tl.constexpr,
    DROPS: tl.constexpr,
) -> None:
    """Write the activation of ``layer`` to ``hidden``, and its derivatives in place of ``layer``.

    It is computed in float64 and rounded once. GELU is the exact one, u Phi(u); GLU multiplies the
    first half by the sigmoid of the second. With ``DROPS``, ``hidden`` holds dropout factors at
    first.
    """
    for start in range(0, num_units, _UNITS):
        i = start + tl.arange(0, _UNITS)
        inside = i < num_units
        u = tl.load(layer + i, inside, 0.0).to(tl.float64)
        kept = tl.full([_UNITS], 1.0, tl.float64)
        if DROPS:
            kept = tl.load(hidden + i, inside, 0.0).to(tl.float64)
        gate = u
        if KIND == _GLU:
            gate = tl.load(layer + num_units + i, inside, 0.0).to(tl.float64)
        tl.debug_barrier()  # several threads may hold one number: all have read it by now
        if KIND == _GLU:
            sigmoid = 1.0 / (1.0 + tl.exp(-gate))
            tl.store(hidden + i, kept * u * sigmoid, inside)
            tl.store(layer + i, kept * sigmoid, inside)
            tl.store(layer + num_units + i, kept * u * sigmoid * (1.0 - sigmoid), inside)
        elif KIND == _RELU:
            tl.store(hidden + i, kept * tl.maximum(u, 0.0), inside)
            tl.store(layer + i, tl.where(u > 0.0, kept, 0.0), inside)
        else:
            below = 0.5 * (1.0 + tl.erf(u * _ROOT_HALF))
            tl.store(hidden + i, kept * u * below, inside)
            slope = below + u * _BELL_HEIGHT * tl.exp(-0.5 * u * u)
            tl.store(layer + i, kept * slope, inside)


@triton.jit
def pull_hidden(
    slope: tl.tensor, units: tl.tensor, layer: tl.tensor, width: tl.tensor, num_units: tl.tensor
) -> None:
    """Write the derivative with respect to the first layer, from that of the hidden ``units``."""
    for start in range(0, width, _UNITS):
        i = start + tl.arange(0, _UNITS)
        by_unit = tl.load(units + i % num_units, i < width, 0.0)
        tl.store(layer + i, tl.load(slope + i, i < width, 0.0) * by_unit, i < width)


@triton.jit
def copy_row(source: tl.tensor, target: tl.tensor, length: tl.tensor) -> None:
    """Copy ``length`` numbers."""
    for start in range(0, length, _UNITS):
        i = start + tl.arange(0, _UNITS)
        tl.store(target + i, tl.load(source + i, i < length, 0.0), i < length)


@triton.jit
def add_rows(one: tl.tensor, other: tl.tensor, target: tl.tensor, length: tl.tensor) -> None:
    """Write ``one`` + ``other`` to ``target``."""
    for start in range(0, length, _UNITS):
        i = start + tl.arange(0, _UNITS)
        inside = i < length
        total = tl.load(one + i, inside, 0.0) + tl.load(other + i, inside, 0.0)
        tl.store(target + i, total, inside)

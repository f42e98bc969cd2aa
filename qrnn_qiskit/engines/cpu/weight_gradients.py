"""Derivatives of the loss by the controller's weights, summed up in compiled code.

Each block sums up its own, a few steps at a time, and the sums of the blocks are added in their
order: they are the same whatever the number of threads.
"""

from __future__ import annotations

from typing import Any

from qrnn_qiskit.engines.contract import LINEAR
from qrnn_qiskit.engines.cpu.blocks import copy_vectors
from qrnn_qiskit.engines.cpu.call_records import view
from qrnn_qiskit.engines.cpu.lane_vectors import VECTOR_BYTES, load, splat, sum_lanes
from qrnn_qiskit.engines.cpu.numba_compiler import kernel

# Steps whose products are summed up at once: what they need stays in the cache nearest by.
CHUNK = 16


@kernel
def count_weights(sizes: Any) -> int:
    """Numbers of a controller, its biases among them."""
    numbers: int = sizes.layer * (sizes.width + sizes.heard + 1)
    if sizes.kind != LINEAR:
        numbers += sizes.angles * (sizes.units + 1)
    return numbers


@kernel
def open_sums(like: Any, address: int, sizes: Any) -> tuple[Any, Any, Any, Any]:
    """Sums of one block: by first weight and bias, and by those of the output layer."""
    seen = sizes.width + sizes.heard
    bias = address + sizes.layer * seen * like.itemsize
    output = bias + sizes.layer * like.itemsize
    output_bias = output + sizes.angles * sizes.units * like.itemsize
    return (
        view(like, address, (sizes.layer, seen)),
        view(like, bias, (sizes.layer,)),
        view(like, output, (sizes.angles, sizes.units)),
        view(like, output_bias, (sizes.angles,)),
    )


@kernel
def put_step(vectors: Any, count: int, busy: int, chunk: Any, place: int) -> None:
    """Write ``count`` lane vectors to a place of the chunk; lanes from ``busy`` on are 0."""
    lanes = VECTOR_BYTES // vectors.itemsize
    copy_vectors(vectors, count, chunk, place)
    for k in range(place * count, place * count + count):
        for lane in range(busy, lanes):
            chunk[k * lanes + lane] = 0.0


@kernel
def _add_sum(weight: Any, row: int, column: int, vector: Any) -> None:
    """Add the lanes of ``vector``; a kernel of its own is compiled once."""
    weight[row, column] += sum_lanes(vector)


@kernel
def add_outer(chunk: Any, vectors: Any, at: int, steps: int, weight: Any, bias: Any) -> None:
    """Add a layer's derivatives by ``weight`` (R, C) and ``bias`` (R,), those of ``steps`` steps.

    Args:
        chunk: Derivatives by the layer's results, R lane vectors a step.
        vectors: What it was applied to, C lane vectors a step from lane vector ``at`` on.
        steps: How many steps.
        weight: Sums over steps and lanes.
        bias: Likewise.
    """
    rows, columns = weight.shape
    zero = splat(chunk, 0.0)
    i = 0
    while i + 4 <= rows:  # four rows and two columns at a time keep a processor's units busy
        k = 0
        while k + 2 <= columns:
            a = b = c = d = e = f = g = h = zero
            for t in range(steps):
                p, q = t * rows + i, at + t * columns + k
                x, y = load(vectors, q), load(vectors, q + 1)
                u, v = load(chunk, p), load(chunk, p + 1)
                a, b, c, d = a + u * x, b + u * y, c + v * x, d + v * y
                u, v = load(chunk, p + 2), load(chunk, p + 3)
                e, f, g, h = e + u * x, f + u * y, g + v * x, h + v * y
            _add_sum(weight, i, k, a)
            _add_sum(weight, i, k + 1, b)
            _add_sum(weight, i + 1, k, c)
            _add_sum(weight, i + 1, k + 1, d)
            _add_sum(weight, i + 2, k, e)
            _add_sum(weight, i + 2, k + 1, f)
            _add_sum(weight, i + 3, k, g)
            _add_sum(weight, i + 3, k + 1, h)
            k += 2
        i += 4
    whole_rows, whole_columns = rows - rows % 4, columns - columns % 2
    for i in range(rows):
        for k in range(whole_columns if i < whole_rows else 0, columns):
            a = zero
            for t in range(steps):
                a = a + load(chunk, t * rows + i) * load(vectors, at + t * columns + k)
            _add_sum(weight, i, k, a)
        a = zero
        for t in range(steps):
            a = a + load(chunk, t * rows + i)
        bias[i] += sum_lanes(a)


@kernel
def add_blocks(sums: Any, result: Any) -> None:
    """Set ``result`` to the sum of the blocks' sums."""
    result[:] = 0.0  # to assign a row, Numba would compile what formats the message of an error
    for block in range(sums.shape[0]):
        for i in range(result.size):
            result[i] += sums[block, i]

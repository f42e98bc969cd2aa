"""Derivatives of the loss with respect to the controller's weights, summed in compiled code.

Each block has its own sums, and the sums of the blocks are added in their order, so that the result
does not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

from qrnn_qiskit.engines.contract import LINEAR
from qrnn_qiskit.engines.cpu.blocks import copy_vectors
from qrnn_qiskit.engines.cpu.call_records import view
from qrnn_qiskit.engines.cpu.lane_vectors import VECTOR_BYTES, load, splat, sum_lanes
from qrnn_qiskit.engines.cpu.numba_compiler import kernel

# Steps whose products are summed at once: their vectors stay in the nearest cache, and a weight's
# sum over them stays in a register and is added over its lanes once instead of in every step.
CHUNK = 16


@kernel
def count_weights(sizes: Any) -> int:
    """Return how many weights and biases a controller has."""
    numbers: int = sizes.layer * (sizes.width + sizes.heard + 1)
    if sizes.kind != LINEAR:
        numbers += sizes.angles * (sizes.units + 1)
    return numbers


@kernel
def open_sums(like: Any, address: int, sizes: Any) -> tuple[Any, Any, Any, Any]:
    """Return the sums of one block: by weights and biases of the first, then the output layer."""
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
    """Write ``count`` lane vectors to a place of the chunk, with 0 in the lanes from ``busy`` on.

    Idle lanes repeat a sequence, which would otherwise be counted twice.
    """
    lanes = VECTOR_BYTES // vectors.itemsize
    copy_vectors(vectors, count, chunk, place)
    for k in range(place * count, place * count + count):
        for lane in range(busy, lanes):
            chunk[k * lanes + lane] = 0.0


@kernel
def _add_sum(weight: Any, row: int, column: int, vector: Any) -> None:
    """Add the lanes of ``vector``; as a separate kernel this code is compiled once."""
    weight[row, column] += sum_lanes(vector)


@kernel
def add_outer(chunk: Any, vectors: Any, at: int, steps: int, weight: Any, bias: Any) -> None:
    """Add the derivatives with respect to a layer's weights and biases in ``steps`` steps.

    Args:
        chunk: Derivatives with respect to the layer's results, R lane vectors per step.
        vectors: What the layer was applied to, C lane vectors per step.
        at: The first lane vector of ``vectors``.
        steps: How many steps.
        weight: Sums (R, C) over steps and lanes, added to.
        bias: Sums (R,) over steps and lanes, added to.
    """
    rows, columns = weight.shape
    zero = splat(chunk, 0.0)
    i = 0
    # Four rows by two columns: eight independent sums hide the latency of a multiply-add, and six
    # loads serve eight of them.
    while i + 4 <= rows:
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
    result[:] = 0.0  # assigning a row would make Numba compile the message of a shape error
    for block in range(sums.shape[0]):
        for i in range(result.size):
            result[i] += sums[block, i]

"""Conversion between tensors, a sequence per row, and blocks of lane vectors, a sequence per lane.

A *block* is as many sequences as a lane vector has lanes: 16 in float32, 8 in float64. Its states
are 2 * 2^n lane vectors, vector 2 x the real and vector 2 x + 1 the imaginary part of the amplitude
of basis state x. Lanes of the last block without a sequence are *idle*; they compute like all
others, so no kernel has to branch, and nothing of them is written back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qrnn_qiskit.engines.cpu.lane_vectors import (
    VECTOR_BYTES,
    allocate_aligned,
    lanes_per_vector,
    load,
    store,
)
from qrnn_qiskit.engines.cpu.numba_compiler import kernel


def count_blocks(batch_size: int, dtype: torch.dtype | np.dtype[Any]) -> int:
    """Return the number of blocks of ``batch_size`` sequences; the last may have idle lanes."""
    return -(-batch_size // (VECTOR_BYTES // dtype.itemsize))


def pack_states(
    vector: Tensor | None, batch_size: int, num_qubits: int, real: np.dtype[Any]
) -> NDArray[Any]:
    """Return complex states (B, 2^n), or |0...0> for None, as (blocks, 2^n * 2 * lanes)."""
    lanes, blocks = lanes_per_vector(real), count_blocks(batch_size, real)
    states = allocate_aligned((blocks, 1 << num_qubits, 2, lanes), real)
    if vector is None:
        states[:, 0, 0, :] = 1.0
    else:
        states[-1, 0, 0, :] = 1.0  # idle lanes need a norm to be divided by
        sequences = states.transpose(0, 3, 1, 2)
        parts = torch.view_as_real(vector.detach().resolve_conj()).numpy()
        for block in range(blocks):
            part = parts[block * lanes : (block + 1) * lanes]
            sequences[block, : len(part)] = part
    return states.reshape(blocks, -1)


def unpack_states(states: NDArray[Any], batch_size: int, num_qubits: int) -> Tensor:
    """Return states in lane vectors as a complex tensor (B, 2^n), bit q of the index qubit q."""
    blocks = states.shape[0]
    split = states.reshape(blocks, 1 << num_qubits, 2, -1).transpose(0, 3, 1, 2)
    merged = split.reshape(-1, 1 << num_qubits, 2)[:batch_size]
    return torch.view_as_complex(torch.from_numpy(np.ascontiguousarray(merged)))


@kernel
def zero_vectors(count: int, lanes: int, like: Any) -> Any:
    """Return an aligned array of ``count`` lane vectors of 0 in the dtype of ``like``."""
    buffer = np.zeros((count + 1) * lanes, like.dtype)
    start = (-buffer.ctypes.data % VECTOR_BYTES) // buffer.itemsize
    return buffer[start : start + count * lanes]


@kernel
def copy_vectors(vectors: Any, count: int, kept: Any, place: int) -> None:
    """Copy ``count`` lane vectors to ``kept``, which has as many at each place."""
    for k in range(count):
        store(kept, place * count + k, load(vectors, k))


@kernel
def gather_step(batch: Any, step: int, first: int, lanes: int, block: Any) -> None:
    """Copy one step of the sequences from ``first`` on from (B, T, width) to lane vectors.

    Idle lanes get a copy of the last sequence.
    """
    for lane in range(lanes):
        row = min(first + lane, batch.shape[0] - 1)
        for i in range(block.size // lanes):
            block[i * lanes + lane] = batch[row, step, i]


@kernel
def scatter_step(block: Any, step: int, first: int, lanes: int, batch: Any) -> None:
    """Copy lane vectors to one step of the sequences from ``first`` on of (B, T, width)."""
    for lane in range(min(lanes, batch.shape[0] - first)):
        for i in range(block.size // lanes):
            batch[first + lane, step, i] = block[i * lanes + lane]


@kernel
def gather_rows(rows: Any, first: int, lanes: int, block: Any) -> None:
    """Copy the rows from ``first`` on of (B, width) to lane vectors.

    Idle lanes get a copy of the last row.
    """
    for lane in range(lanes):
        row = min(first + lane, rows.shape[0] - 1)
        for i in range(block.size // lanes):
            block[i * lanes + lane] = rows[row, i]


@kernel
def scatter_rows(block: Any, ends: Any, end: int, first: int, lanes: int, rows: Any) -> None:
    """Copy the lanes of a block whose sequences end with step ``end`` to (B, width)."""
    for lane in range(ends.size):
        if ends[lane] == end:
            for i in range(block.size // lanes):
                rows[first + lane, i] = block[i * lanes + lane]


@kernel
def add_rows(rows: Any, ends: Any, end: int, first: int, lanes: int, block: Any) -> None:
    """Add (B, width) to the lanes of a block whose sequences end with step ``end``."""
    for lane in range(ends.size):
        if ends[lane] == end:
            for i in range(block.size // lanes):
                block[i * lanes + lane] += rows[first + lane, i]


@kernel
def find_ends(given: Any, is_given: bool, steps: int, first: int, lanes: int) -> Any:
    """Return the last valid step of each sequence of a block, counted from 1."""
    ends = np.empty(min(lanes, given.size - first), np.int64)
    for lane in range(ends.size):
        ends[lane] = given[first + lane] if is_given else steps
    return ends


@kernel
def any_ends(ends: Any, end: int) -> bool:
    """Return whether a sequence of the block ends with step ``end``."""
    count = 0
    for each in ends:
        count += each == end
    return count > 0

"""What the kernels of measured mode share: branches, traces, noise, and sequences that end.

A block holds one density matrix for each value c of the last register, (2^m, 4^n * 2 * lanes).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrnn_qiskit.engines.cpu.angles import gather_turns, scatter_slopes
from qrnn_qiskit.engines.cpu.blocks import gather_step, scatter_step
from qrnn_qiskit.engines.cpu.channels import apply_map, merge_outcomes
from qrnn_qiskit.engines.cpu.lane_vectors import load, splat, store
from qrnn_qiskit.engines.cpu.numba_compiler import inline, kernel


@kernel
def find_turns(
    program: Any, theta: Any, step: int, place: Any, angles: Any, turns: Any, residual: Any
) -> None:
    """Write the cosines and sines of a step to ``turns``, from its angles ``theta`` (B, T, P).

    ``place`` is (first sequence, lanes).
    """
    first, lanes = place
    gather_step(theta, step, first, lanes, angles)
    gather_turns(program, angles, turns, residual)


@kernel
def write_gradient(
    program: Any, slopes: Any, angles: Any, step: int, place: Any, gradient: Any
) -> None:
    """Write the derivative by the angles of a step to ``gradient`` (B, T, P)."""
    first, lanes = place
    scatter_slopes(program, slopes, angles)
    scatter_step(angles, step, first, lanes, gradient)


@kernel
def add_matrix(source: Any, target: Any, vectors: int) -> None:
    """Add ``vectors`` lane vectors to ``target``."""
    for k in range(vectors):
        store(target, k, load(target, k) + load(source, k))


@kernel
def rescale(matrix: Any, vectors: int, scale: Any) -> None:
    """Multiply ``vectors`` lane vectors by ``scale``, lane by lane."""
    factor = load(scale, 0)
    for k in range(vectors):
        store(matrix, k, factor * load(matrix, k))


@kernel
def add_ended(
    ends: Any, step: int, first: int, lanes: int, source: Any, target: Any, adds: bool
) -> None:
    """Copy (or add) the states (C, size) of sequences whose last valid step this is."""
    for lane in range(min(lanes, ends.size - first)):
        if ends[first + lane] == step + 1:
            for c in range(source.shape[0]):
                for i in range(lane, source.shape[1], lanes):
                    target[c, i] = target[c, i] + source[c, i] if adds else source[c, i]


@inline
def find_trace(matrix: Any, num_qubits: int) -> Any:
    """Return the trace of each lane's density matrix."""
    value = splat(matrix, 0.0)
    for x in range(1 << num_qubits):
        value = value + load(matrix, 2 * ((x << num_qubits) | x))
    return value


@kernel
def read_traces(
    rho: Any, num_qubits: int, step: int, first: int, lanes: int, outcomes: Any
) -> None:
    """Write the traces of ``rho[c]``, the probabilities of the stored values c, to ``outcomes``."""
    for c in range(rho.shape[0]):
        total = np.zeros(lanes, rho.dtype)
        store(total, 0, find_trace(rho[c], num_qubits))
        for lane in range(min(lanes, outcomes.shape[1] - first)):
            outcomes[step, first + lane, c] = total[lane]


@kernel
def pull_traces(
    lam: Any, num_qubits: int, step: int, first: int, lanes: int, gradient: Any
) -> None:
    """Add the derivative with respect to the probabilities to the diagonals of ``lam``."""
    for c in range(lam.shape[0]):
        weight = np.zeros(lanes, lam.dtype)
        for lane in range(min(lanes, gradient.shape[1] - first)):
            weight[lane] = gradient[step, first + lane, c]
        value = load(weight, 0)
        for x in range(1 << num_qubits):
            i = 2 * ((x << num_qubits) | x)
            store(lam[c], i, load(lam[c], i) + value)


@kernel
def apply_noise(channels: Any, num_qubits: int, matrix: Any) -> None:
    """Apply the noise of a step to one matrix."""
    for k in range(channels.noise_qubit.size):
        apply_map(matrix, matrix, num_qubits, channels.noise_qubit[k], channels.noise[k], False)


@kernel
def pull_outcomes(adjoint: Any, num_qubits: int, lam: Any) -> None:
    """Pull the derivatives back through measurement and noise, from ``lam[c]`` to ``lam[0]``."""
    merge_outcomes(adjoint, num_qubits, lam)
    apply_noise(adjoint, num_qubits, lam[0])

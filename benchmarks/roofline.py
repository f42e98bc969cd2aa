"""Compute the share of the processor's arithmetic that a training step uses.

    from roofline import count_operations, measure_product_rate
    share = count_operations(8, 2, 16, 32) / seconds / measure_product_rate()

The count contains the operations that the mathematics of each gate and readout requires separately,
even if a program needs fewer: a kernel that applies all phases of a layer at once is credited with
every one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import torch
from timing import time_call

from qrnn_qiskit.engines.cpu import Simulator

# Real additions and multiplications for each of the 2^n amplitudes, for one gate or readout.
_ROTATION = 6  # RY: each half of a pair of complex amplitudes is a real combination of two
_PHASE = 6  # RZ: one complex product per amplitude
_ROTATION_SLOPE = 4  # sum over pairs of Re(conj(lam_j) psi_i - conj(lam_i) psi_j)
_PHASE_SLOPE = 4  # sum over amplitudes of Im(conj(lam) psi)
_READ_Z = 4  # sum over amplitudes of |psi|^2
_READ_FLIP = 2  # X or Y: a sum over pairs of one part of conj(psi_i) psi_j
_PULL = 4  # lam += 2 weight P psi


def count_operations(num_qubits: int, num_layers: int, num_steps: int, batch: int) -> int:
    """Count the floating-point operations of forward and backward of a whole batch.

    The circuit is the ``linear`` ansatz with X, Y and Z of every qubit read after each step. A
    step has ``num_layers`` RY and RZ on every qubit; CZ changes signs and counts nothing. Backward
    undoes the circuit on the state and on its adjoint. The controller is not counted.
    """
    gates = num_qubits * num_layers
    circuit = gates * (_ROTATION + _PHASE)
    slopes = gates * (_ROTATION_SLOPE + _PHASE_SLOPE)
    readouts = num_qubits * (_READ_Z + 2 * _READ_FLIP)
    pulls = 3 * num_qubits * _PULL
    per_amplitude = 3 * circuit + slopes + readouts + pulls
    return batch * num_steps * per_amplitude << num_qubits


def time_kernels(train: Callable[[], object]) -> float:
    """Return the seconds of a training step on the CPU inside its two calls of compiled code."""
    spent = 0.0

    def time_calls(method: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            nonlocal spent
            start = time.perf_counter()
            result = method(*arguments)
            spent += time.perf_counter() - start
            return result

        return call

    with (
        patch.object(Simulator, "run", time_calls(Simulator.run)),
        patch.object(Simulator, "reverse", time_calls(Simulator.reverse)),
    ):
        train()
    return spent


def measure_product_rate(size: int = 2048, rounds: int = 7) -> float:
    """Measure the operations per second of torch's float32 matrix product, current threads."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    result = torch.mm(left, right)
    multiply = partial(torch.mm, left, right, out=result)
    return 2.0 * size**3 / min(time_call(multiply) for _ in range(rounds))


def count_bytes(num_qubits: int, num_steps: int, batch: int) -> int:
    """Count the bytes that forward and backward move if every step passes over the states once.

    Forward reads and writes complex64 states; backward reads and writes them and their adjoints.
    States that stay in a cache need less.
    """
    return 6 * 8 * batch * num_steps << num_qubits


def measure_bandwidth(rounds: int = 7) -> float:
    """Measure the bytes per second of a triad, a = b + s c, with torch's current threads.

    Each element counts two reads and one write; the arrays have 256 MiB, more than a cache holds.
    """
    left, right, result = (torch.ones(64 << 20) for _ in range(3))
    add = partial(torch.add, left, right, alpha=0.5, out=result)
    seconds = min(time_call(add) for _ in range(rounds))
    return 3 * result.numel() * result.element_size() / seconds

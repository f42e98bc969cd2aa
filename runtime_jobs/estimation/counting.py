"""From the bits of a job to values with standard errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BitArray

from circuits import DynamicCircuit
from circuits.final_basis import FINAL_REGISTER
from qrnn_qiskit.executors import Outcomes
from runtime_jobs.estimation.bases import Basis
from runtime_jobs.estimation.standard_errors import estimate_mean
from runtime_jobs.ibm.encoding import Bits

__all__ = ["bind_bases", "count_states", "estimate_values", "join_bits", "read_outcomes"]


def join_bits(parts: Sequence[Bits]) -> Bits:
    """The bits of a PUB that was cut into jobs, joined along its sets of values."""
    return {
        name: BitArray(np.concatenate([part[name].array for part in parts]), array.num_bits)
        for name, array in parts[0].items()
    }


def count_states(bits: BitArray, size: int) -> NDArray[np.int64]:
    """How often each value of a register was seen, (rows, size)."""
    states = np.zeros(bits.array.shape[:-1], np.int64)
    for byte in np.moveaxis(bits.array, -1, 0):  # the first byte is the most significant
        states = states * 256 + byte
    offsets = np.arange(len(states))[:, None] * size
    counts = np.bincount((states + offsets).ravel(), minlength=len(states) * size)
    return counts.reshape(len(states), size)


def estimate_values(
    bits: Bits, bases: Sequence[Basis], num_qubits: int, num_observables: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values (B, K) of the observables and their standard errors, from the final register."""
    counts = count_states(bits[FINAL_REGISTER], 2**num_qubits)
    counts = counts.reshape(-1, len(bases), counts.shape[1])
    values = np.zeros((len(counts), num_observables))
    variances = np.zeros_like(values)
    for k, basis in enumerate(bases):
        rows, table = basis.tabulate(num_qubits)
        if rows:
            mean, variance = estimate_mean(counts[:, k], table)
            values[:, rows] += mean
            variances[:, rows] += variance
    return values, np.sqrt(variances)


def read_outcomes(
    bits: Bits, circuit: DynamicCircuit, bases: Sequence[Basis], num_observables: int
) -> Outcomes:
    """What a dynamic circuit measured; the shots of all bases say what its steps stored."""
    steps = [register.name for register in circuit.circuit.cregs[: circuit.num_steps]]
    counts = np.stack([count_states(bits[step], circuit.num_outcomes) for step in steps], 1)
    counts = counts.reshape(-1, len(bases), *counts.shape[1:]).sum(1)
    shots = int(counts[0, 0].sum())
    values, errors = estimate_values(bits, bases, circuit.num_qubits, num_observables)
    return Outcomes(counts / shots, values, errors, shots)


def bind_bases(
    circuit: DynamicCircuit, values: NDArray[np.float64], bases: Sequence[Basis]
) -> NDArray[np.float64]:
    """Values (B * bases, P) that measure in each basis at last; the basis changes fastest."""
    letters = [
        "".join(basis.letters.get(qubit, "Z") for qubit in range(circuit.num_qubits))
        for basis in bases
    ]
    bound = np.stack([circuit.bind_basis(values, spelled) for spelled in letters], 1)
    return bound.reshape(-1, values.shape[1])

"""From the counts or probabilities of bit strings to expectation values with standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BitArray

from circuits import DynamicCircuit, build_readout
from circuits.final_basis import FINAL_REGISTER
from qrnn_qiskit.executors import DynamicPub, Outcomes
from runtime_jobs.estimation.bases import SIGNS, Basis, group_terms
from runtime_jobs.estimation.bits import Bits, count_states, read_states
from runtime_jobs.estimation.standard_errors import estimate_mean, estimate_mean_of_shots

__all__ = [
    "average_values",
    "bind_bases",
    "choose_final_bases",
    "estimate_from_counts",
    "estimate_values",
    "read_outcomes",
    "read_steps",
]


_MOST_TABULATED = 16  # qubits, with 65,536 bit strings

Worth = Sequence[NDArray[np.float64]]


def choose_final_bases(pub: DynamicPub) -> list[Basis]:
    """Group the observables of a dynamic PUB into the bases of its final measurement.

    Returns:
        At least one basis: without observables the final measurement is in Z on every qubit.

    Raises:
        TypeError, ValueError: Observables that are not Hermitian or act on other qubits than the
            memory qubits.
    """
    num_qubits = pub.circuit.num_qubits
    observables = list(pub.observables)
    if observables:
        observables = build_readout(observables, num_qubits=num_qubits).observables
    return group_terms(observables, range(num_qubits)) or [Basis()]


def bind_bases(
    circuit: DynamicCircuit, values: NDArray[np.float64], bases: Sequence[Basis]
) -> NDArray[np.float64]:
    """Bind the final measurement of a dynamic circuit to each basis.

    Args:
        circuit: Circuit of P parameters.
        values: Parameter values (B, P), radians.
        bases: Bases of the final measurement.

    Returns:
        Parameter values (B * bases, P), radians; the basis changes fastest.
    """
    letters = [basis.spell(circuit.num_qubits) for basis in bases]
    bound = np.stack([circuit.bind_basis(values, spelled) for spelled in letters], 1)
    return bound.reshape(-1, values.shape[1])


def average_values(
    probabilities: NDArray[np.float64],
    bases: Sequence[Basis],
    num_observables: int,
    worth: Worth | None = None,
) -> NDArray[np.float64]:
    """Exact values (B, K) of K observables from the probabilities (B * bases, 2^n).

    The basis changes fastest along the rows of ``probabilities``; see :func:`estimate_values` for
    ``worth``.
    """
    by_basis = probabilities.reshape(-1, len(bases), probabilities.shape[-1])
    values = np.zeros((len(by_basis), num_observables))
    for k, basis in enumerate(bases):
        rows, table = basis.tabulate(by_basis.shape[-1].bit_length() - 1, worth)
        values[:, rows] += by_basis[:, k] @ table.T
    return values


def estimate_values(
    bits: Bits,
    bases: Sequence[Basis],
    num_qubits: int,
    num_observables: int,
    worth: Worth | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate observables from the bits of the final register.

    Args:
        bits: Bits of B * bases rows; the basis changes fastest.
        bases: Bases of the measurement.
        num_qubits: Number of qubits n in the final register, bit q measuring qubit q.
        num_observables: Number of observables K.
        worth: Values of bits 0 and 1 of each qubit; see :meth:`.Basis.tabulate`.

    Returns:
        Values (B, K) and their standard errors (B, K).
    """
    if num_qubits > _MOST_TABULATED:
        return _estimate_by_bits(bits[FINAL_REGISTER], bases, num_observables, worth)
    counts = count_states(bits[FINAL_REGISTER], 2**num_qubits)
    by_basis = counts.reshape(-1, len(bases), counts.shape[1])
    return estimate_from_counts(by_basis, bases, num_observables, worth)


def estimate_from_counts(
    counts: NDArray[np.int64],
    bases: Sequence[Basis],
    num_observables: int,
    worth: Worth | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate observables from counts (B, bases, 2^n), as :func:`estimate_values` does."""
    num_qubits = counts.shape[2].bit_length() - 1
    values = np.zeros((len(counts), num_observables))
    variances = np.zeros_like(values)
    for k, basis in enumerate(bases):
        rows, table = basis.tabulate(num_qubits, worth)
        if not rows:
            continue
        mean, variance = estimate_mean(counts[:, k], table)
        values[:, rows] += mean
        variances[:, rows] += variance
    return values, np.sqrt(variances)


def _estimate_by_bits(
    bits: BitArray, bases: Sequence[Basis], num_observables: int, worth: Worth | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate observables as :func:`estimate_values` does, from each shot instead of tables.

    A circuit of many qubits, such as registers side by side, has too many bit strings to tabulate.
    """
    rows = bits.array.reshape(-1, len(bases), *bits.array.shape[-2:])
    values = np.zeros((len(rows), num_observables))
    variances = np.zeros_like(values)
    by_bit = np.tile(SIGNS, (bits.num_bits, 1)) if worth is None else np.array(worth)
    for row, by_basis in enumerate(rows):
        for basis, shots in zip(bases, by_basis, strict=True):
            read = np.unpackbits(shots[:, ::-1], axis=1, bitorder="little", count=bits.num_bits)
            each = np.where(read, by_bit[:, 1], by_bit[:, 0])
            for observable, terms in basis.list_terms():
                products = [each[:, list(t.qubits)].prod(1) * t.coefficient for t in terms]
                largest = sum(
                    abs(term.coefficient) * np.abs(by_bit[list(term.qubits)]).max(1).prod()
                    for term in terms
                )
                mean, variance = estimate_mean_of_shots(np.sum(products, 0), largest)
                values[row, observable] += mean
                variances[row, observable] += variance
    return values, np.sqrt(variances)


def read_steps(
    bits: Bits, circuit: DynamicCircuit, num_bases: int
) -> tuple[NDArray[np.float64], int]:
    """Return how often the registers of the steps had each value, and the shots of each row.

    Args:
        bits: Bits of B * bases rows; the basis changes fastest.
        circuit: Circuit that measured them.
        num_bases: Number of bases, whose shots are added up.

    Returns:
        Frequencies (B, T, R 2^m), those of several registers of a step side by side.
    """
    names = [register.name for step in circuit.step_registers for register in step]
    counts = np.stack([count_states(bits[name], circuit.num_outcomes) for name in names], 1)
    counts = counts.reshape(-1, num_bases, circuit.num_steps, counts[0].size // circuit.num_steps)
    counts = counts.sum(1)
    shots = int(counts[0, 0, : circuit.num_outcomes].sum())
    return counts / shots, shots


def read_records(
    bits: Bits, circuit: DynamicCircuit, num_bases: int
) -> NDArray[np.unsignedinteger[Any]]:
    """Return the values that the registers stored in each step of each execution.

    Args:
        bits: Bits of B * bases rows; the basis changes fastest.
        circuit: Circuit that measured them.
        num_bases: Number of bases, whose executions are put one after another.

    Returns:
        (B, shots, T, R) of R registers in a step.
    """
    names = [register.name for step in circuit.step_registers for register in step]
    smallest = np.min_scalar_type(circuit.num_outcomes - 1)
    states = np.stack([read_states(bits[name]).astype(smallest) for name in names], 2)
    rows, shots, _ = states.shape
    shape = rows // num_bases, num_bases * shots, circuit.num_steps, circuit.num_registers
    return states.reshape(shape)


def read_outcomes(bits: Bits, pub: DynamicPub, bases: Sequence[Basis]) -> Outcomes:
    """Estimate the outcomes and observables of a dynamic circuit from its bits.

    Args:
        bits: Bits of B * bases rows; the basis changes fastest.
        pub: The circuit that measured them, and its observables.
        bases: Bases of its final measurement.

    Returns:
        Outcomes of B sets of values, those of several registers of a step side by side. The
        registers of the steps do not depend on the final basis, so the outcomes take the shots of
        all bases together.
    """
    circuit = pub.circuit
    outcomes, shots = read_steps(bits, circuit, len(bases))
    values, errors = estimate_values(bits, bases, circuit.num_qubits, len(pub.observables))
    records = read_records(bits, circuit, len(bases)) if pub.keeps_records else None
    return Outcomes(outcomes, values, errors, shots, records=records)

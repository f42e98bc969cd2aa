"""Readouts: the Pauli observables whose expectation values are read from the hidden state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import SparsePauliOp

from circuits.errors import InvalidTypeError, InvalidValueError
from circuits.validation import require_count

__all__ = ["PAIRS", "Readout", "build_readout", "locate_observables", "read_zero_state"]

PAIRS = "pairs"
_LETTERS = "xyz"
_SHOWN = 8  # labels in a message
_LABELLED_TERMS = 3  # an observable of more terms is labelled by its number
_IMAGINARY_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Readout:
    """K observables on the n memory qubits.

    Attributes:
        observables: Hermitian operators, in the order in which their values z[0] to z[K-1] feed
            the controller. As in Qiskit, the rightmost letter of a Pauli label is qubit 0.
        labels: One short name for each observable in tables and plots, by qubit number: ``X0``,
            ``Z3``, ``X0Z1``, ``0.5*Z0 + Z1``, ``I``; ``O7`` for observable 7 where the sum is
            long.
    """

    observables: list[SparsePauliOp]
    labels: list[str]


def build_readout(
    observables: str | Sequence[SparsePauliOp | str] | None = None, *, num_qubits: int
) -> Readout:
    """Build the readout of ``num_qubits`` qubits.

    >>> build_readout(num_qubits=2).labels
    ['X0', 'X1', 'Y0', 'Y1', 'Z0', 'Z1']
    >>> build_readout(["IZ", "XX"], num_qubits=2).labels
    ['Z0', 'X0X1']
    >>> build_readout("pairs", num_qubits=2).labels[5:9]
    ['Z1', 'X0X1', 'X0Y1', 'X0Z1']

    Args:
        observables: ``None`` for X, Y and Z of every qubit, which are the 3n measurements of
            arXiv:2510.25557: X0 to X(n-1), then Y0 to Y(n-1), then Z0 to Z(n-1). A string of
            lower-case letters, such as ``"z"`` or ``"xz"``, for these Paulis of every qubit, letter
            by letter in the given order. ``"pairs"`` for all Paulis of one and of two qubits, 3n +
            9n(n-1)/2: first those of ``None``, then XX of all pairs (0, 1), (0, 2), ..., (1, 2),
            ..., then XY, XZ, YX and so on, the first letter for the lower qubit. Or a list whose
            items are ``SparsePauliOp`` or Pauli labels of n letters (``"IZ"`` is Z of qubit 0).
        num_qubits: n, at least 1.

    Raises:
        TypeError: ``observables`` or an item has another type.
        ValueError: No observables, other letters, an observable on another number of qubits, or
            one that is not Hermitian (a coefficient with an imaginary part, a free parameter, NaN
            or infinity).
    """
    num_qubits = require_count("num_qubits", num_qubits)
    if observables is None:
        observables = _LETTERS
    if observables == PAIRS:
        operators = _build_local_paulis(_LETTERS, num_qubits) + _build_pairs(num_qubits)
    elif isinstance(observables, str):
        operators = _build_local_paulis(observables, num_qubits)
    elif isinstance(observables, Sequence):
        operators = [_check_observable(k, o, num_qubits) for k, o in enumerate(observables)]
    else:
        raise InvalidTypeError(
            "observables must be None, letters such as 'xyz', 'pairs', or a list of SparsePauliOp "
            f"or Pauli labels, got {type(observables).__name__}; "
            "put a single observable into a list"
        )
    if not operators:
        raise InvalidValueError(
            "observables is empty; give at least one observable, or None for X, Y, Z"
        )
    return Readout(operators, [_label(k, operator) for k, operator in enumerate(operators)])


def read_zero_state(observables: Sequence[SparsePauliOp]) -> NDArray[np.float64]:
    """Return the expectation values <0...0|O|0...0> of Hermitian observables, shape (K,), float64.

    I and Z have the value 1 in the state |0>, X and Y the value 0: each value is the sum of the
    coefficients of the Pauli strings without X or Y, rounded once.

    >>> read_zero_state([SparsePauliOp(["ZZ", "XI"], [0.5, 2.0]), SparsePauliOp("IY")]).tolist()
    [0.5, 0.0]
    """
    return np.array(
        [math.fsum(op.coeffs[~op.paulis.x.any(axis=1)].real) for op in observables], np.float64
    )


def _build_local_paulis(letters: str, num_qubits: int) -> list[SparsePauliOp]:
    if len(set(letters)) != len(letters) or not set(letters) <= set(_LETTERS):
        raise InvalidValueError(
            "observables must be 'pairs' or some of the letters x, y and z, each at most once, in "
            f"lower case, got {letters!r}; for one operator on all qubits write a list with its "
            f"label, such as [{'Z' * num_qubits!r}]"
        )
    return [
        SparsePauliOp.from_sparse_list([(letter.upper(), [qubit], 1.0)], num_qubits)
        for letter in letters
        for qubit in range(num_qubits)
    ]


def _build_pairs(num_qubits: int) -> list[SparsePauliOp]:
    """Build the Paulis of two qubits, pair of letters by pair of letters."""
    return [
        SparsePauliOp.from_sparse_list([("".join(letters), list(qubits), 1.0)], num_qubits)
        for letters in product(_LETTERS.upper(), repeat=2)
        for qubits in combinations(range(num_qubits), 2)
    ]


def locate_observables(part: Readout, whole: Readout) -> list[int]:
    """Return the place of each observable of ``part`` among those of ``whole``.

    >>> locate_observables(build_readout("z", num_qubits=2), build_readout(num_qubits=2))
    [4, 5]

    Raises:
        ValueError: An observable is not one of ``whole``, or comes twice.
    """
    places: dict[frozenset[tuple[str, complex]], int] = {}
    for place, operator in enumerate(whole.observables):
        places.setdefault(_spell(operator), place)
    found = [places.get(_spell(operator), -1) for operator in part.observables]
    missing = [label for label, place in zip(part.labels, found, strict=True) if place < 0]
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        known = ", ".join(whole.labels[:_SHOWN]) + (", ..." if len(places) > _SHOWN else "")
        raise InvalidValueError(
            f"feedback_observables must be some of the observables, but {shown} is not among them "
            f"({known}); add what is missing to observables"
        )
    if len(set(found)) < len(found):
        raise InvalidValueError(
            "feedback_observables has an observable twice; give each of them once"
        )
    return found


def _spell(operator: SparsePauliOp) -> frozenset[tuple[str, complex]]:
    """Return the terms of an operator, which are the same for equal operators."""
    return frozenset(operator.simplify().to_list())


def _check_observable(
    index: int, observable: SparsePauliOp | str, num_qubits: int
) -> SparsePauliOp:
    shown = " ".join(repr(observable).split())
    subject = f"observable {index} ({shown[:80]})"
    if not isinstance(observable, (SparsePauliOp, str)):
        raise InvalidTypeError(
            f"{subject} must be a SparsePauliOp or a Pauli label, got {type(observable).__name__}"
        )
    try:
        operator = SparsePauliOp(observable)
    except QiskitError as error:
        raise InvalidValueError(
            f"{subject} is not a Pauli label; it must be {num_qubits} of the letters I, X, Y, Z "
            "with qubit 0 on the right"
        ) from error
    if operator.num_qubits != num_qubits:
        raise InvalidValueError(
            f"{subject} acts on {operator.num_qubits} qubits, but the circuit has {num_qubits}; "
            "pad it with I, qubit 0 on the right"
        )
    if operator.coeffs.dtype == object:
        raise InvalidValueError(f"{subject} has free parameters; its coefficients must be numbers")
    if not np.all(np.isfinite(operator.coeffs)):
        raise InvalidValueError(f"{subject} has a coefficient that is NaN or infinite")
    if np.any(np.abs(operator.coeffs.imag) > _IMAGINARY_TOLERANCE):
        raise InvalidValueError(
            f"{subject} is not Hermitian: its coefficients must be real; "
            "use the real and the imaginary part as two observables"
        )
    return SparsePauliOp(operator.paulis, operator.coeffs.real)


def _label(index: int, operator: SparsePauliOp) -> str:
    if operator.size > _LABELLED_TERMS:
        return f"O{index}"
    terms = [_label_term(pauli, coeff.real) for pauli, coeff in operator.to_list()]
    return " + ".join(terms).replace("+ -", "- ")


def _label_term(pauli: str, coefficient: float) -> str:
    factors = [f"{letter}{q}" for q, letter in enumerate(reversed(pauli)) if letter != "I"]
    string = "".join(factors) or "I"
    if coefficient in (1.0, -1.0):
        return string if coefficient > 0 else f"-{string}"
    return f"{coefficient:g}*{string}"

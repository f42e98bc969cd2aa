"""Pauli transfer matrices of gates, and of the errors of a noise model."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Gate, Instruction, Parameter, ParameterExpression
from qiskit.quantum_info import PTM, Operator, SuperOp
from qiskit_aer.noise import NoiseModel

from circuits.angles import read_affine
from circuits.errors import InvalidValueError

__all__ = ["Angle", "Channels", "Piece"]

_AXES = {"rx": 1, "ry": 2, "rz": 3, "p": 3, "u1": 3}
_SKIPPED = {"barrier", "delay"}
_LARGEST = 2  # qubits of a channel that the kernels apply

Matrix = NDArray[np.float64]


class Angle(NamedTuple):
    """An angle in radians: ``offset`` plus slope times value of each column."""

    terms: tuple[tuple[int, float], ...]
    offset: float


class Piece(NamedTuple):
    """One operation of a program: a rotation by an angle, or a channel.

    Attributes:
        qubits: Where it acts.
        axis: 1 X, 2 Y, 3 Z for a rotation; 0 for a channel.
        angle: The angle of a rotation.
        matrix: The transfer matrix of a channel.
    """

    qubits: tuple[int, ...]
    axis: int = 0
    angle: Angle | None = None
    matrix: Matrix | None = None


class Channels:
    """Writes gates as rotations and channels, each followed by the error of a noise model.

    An error on the qubits of a gate, in their order, comes before one on all qubits, as in Aer.

    Args:
        noise: The noise; None for none.
    """

    def __init__(self, noise: NoiseModel | None) -> None:
        self._noise = noise
        self._fixed: dict[tuple[Any, ...], Matrix | None] = {}
        self._errors: dict[tuple[str, tuple[int, ...]], Matrix | None] = {}
        self._qubits: tuple[int, ...] | None = None

    def on(self, qubits: Sequence[int]) -> Channels:
        """Return the channels of a part of the circuit: its qubit k is ``qubits[k]`` here."""
        placed = copy.copy(self)  # shares what has been found so far
        placed._qubits = tuple(qubits)
        return placed

    def write(
        self, operation: Instruction, qubits: tuple[int, ...], columns: dict[Parameter, int]
    ) -> Iterator[Piece]:
        """Yield the pieces of an operation, which is no measurement and no branch.

        Args:
            operation: A gate, channel or reset; its angles are affine in the parameters.
            qubits: Its qubits.
            columns: The column of each parameter.

        Raises:
            ValueError: An angle is not affine, or a gate has no definition.
        """
        yield from self._write_ideal(operation, qubits, columns)
        error = self._find_error(operation.name, qubits)
        if error is not None:
            yield Piece(qubits, matrix=error)

    def find_assignment(self, qubit: int) -> Matrix:
        """Return the readout error (2, 2) of a qubit, [c, k] for outcome k recorded as c."""
        if self._noise is None:
            return np.eye(2)
        error = self._noise._local_readout_errors.get(self._place((qubit,)))
        error = self._noise._default_readout_error if error is None else error
        return np.eye(2) if error is None else np.asarray(error.probabilities, float).T

    def find_reading(self, qubit: int) -> Matrix:
        """Return the measurement of a qubit in Z with its readout error, (2, 4).

        Row c maps the Pauli coefficients to the probability that c is recorded.
        """
        recorded = self.find_assignment(qubit)
        plus, minus = recorded.sum(1) / 2, (recorded[:, 0] - recorded[:, 1]) / 2
        return np.stack((plus, 0 * plus, 0 * plus, minus), 1)

    def _place(self, qubits: tuple[int, ...]) -> tuple[int, ...]:
        """Return qubits as the noise model counts them."""
        return qubits if self._qubits is None else tuple(self._qubits[q] for q in qubits)

    def _write_ideal(
        self, operation: Instruction, qubits: tuple[int, ...], columns: dict[Parameter, int]
    ) -> Iterator[Piece]:
        name, params = operation.name, operation.params
        if name in _SKIPPED:
            return
        is_free = any(isinstance(p, ParameterExpression) and p.parameters for p in params)
        if is_free and name in _AXES:
            yield Piece(qubits, axis=_AXES[name], angle=_read(params[0], name, columns))
        elif is_free or len(qubits) > _LARGEST:
            definition = operation.definition
            if definition is None:
                raise InvalidValueError(
                    f"gate {name!r} on {len(qubits)} qubits has no definition by smaller gates, "
                    "which the noisy simulator needs; use 'aer' for this circuit"
                )
            for item in definition.data:
                inner = tuple(qubits[definition.find_bit(q).index] for q in item.qubits)
                yield from self._write_ideal(item.operation, inner, columns)
        else:
            matrix = self._find_fixed(operation)
            if matrix is not None:
                yield Piece(qubits, matrix=matrix)

    def _find_fixed(self, operation: Instruction) -> Matrix | None:
        """Return the transfer matrix of an operation without angles; None for the identity."""
        if not isinstance(operation, Gate) and operation.name != "reset":
            return _transfer(SuperOp(operation))  # a channel, which has no name of its content
        key = (operation.name, *map(float, operation.params))
        if key not in self._fixed:
            is_gate = isinstance(operation, Gate)
            channel = SuperOp(Operator(operation)) if is_gate else SuperOp(operation)
            self._fixed[key] = _transfer(channel)
        return self._fixed[key]

    def _find_error(self, name: str, qubits: tuple[int, ...]) -> Matrix | None:
        if self._noise is None:
            return None
        key = (name, self._place(qubits))
        if key not in self._errors:
            error = self._noise._local_quantum_errors.get(name, {}).get(key[1])
            if error is None:
                error = self._noise._default_quantum_errors.get(name)
            self._errors[key] = None if error is None else _transfer(SuperOp(error))
        return self._errors[key]


def _transfer(channel: SuperOp) -> Matrix | None:
    """Return the real transfer matrix of a channel; None for the identity."""
    matrix: Matrix = np.ascontiguousarray(PTM(channel).data.real)
    return None if np.allclose(matrix, np.eye(len(matrix)), rtol=0, atol=1e-14) else matrix


def _read(value: Any, name: str, columns: dict[Parameter, int]) -> Angle:
    angle = read_affine(value)
    if angle is None:
        raise InvalidValueError(
            f"gate {name!r} has the angle {value}, but the noisy simulator needs angles that are "
            "sums of multiples of parameters; put a separate parameter in place of this angle"
        )
    terms = tuple(sorted((columns[parameter], slope) for parameter, slope in angle.slopes))
    return Angle(terms, angle.offset)

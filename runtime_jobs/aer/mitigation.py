"""Error mitigation by name: readout inversion and zero-noise extrapolation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from circuits.errors import InvalidValueError
from runtime_jobs.estimation.bases import SIGNS

__all__ = [
    "CALIBRATION_SHOTS",
    "METHODS",
    "Calibration",
    "Mitigation",
    "calibrate_readout",
    "fold_pairs",
    "parse_mitigation",
]

METHODS = ("readout", "zne")
CALIBRATION_SHOTS = 10_000  # of each of the two circuits that calibrate the readout

_FOLDED = {"cz", "cx", "ecr"}  # each is its own inverse
_FACTORS = (1, 3, 5)
_LEAST_CONTRAST = 1e-3


@dataclass(frozen=True)
class Mitigation:
    """What is done against noise.

    Attributes:
        readout: whether the readout errors of each qubit are measured and inverted. The standard
            errors grow by it, and those of the calibration itself are in them; these are common to
            all values that one calibration serves.
        factors: how often each two-qubit gate stands for itself; (1,) is no extrapolation. Every
            factor takes all shots, and a line through the values goes back to factor 0.
    """

    readout: bool = False
    factors: tuple[int, ...] = (1,)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Factors of the values in the estimate, as many as ``factors``; their sum is 1."""
        if len(self.factors) == 1:
            return np.ones(1)
        line = np.vander(np.array(self.factors, float), 2)
        weights: NDArray[np.float64] = np.linalg.pinv(line)[1]  # least squares, the intercept
        return weights


def parse_mitigation(text: str | None) -> Mitigation:
    """``readout``, ``zne`` or ``readout+zne``; None for no mitigation.

    Raises:
        ValueError: another name, or one that is given twice.
    """
    names = [] if text is None else text.split("+")
    if len(set(names)) != len(names) or not set(names) <= set(METHODS):
        raise InvalidValueError(
            f"mitigation is {text!r}; required is one of readout, zne and readout+zne"
        )
    return Mitigation("readout" in names, _FACTORS if "zne" in names else (1,))


def fold_pairs(circuit: QuantumCircuit, factor: int) -> QuantumCircuit:
    """Repeat every CZ, CX and ECR an odd number of times: the same unitary with more noise."""
    folded = circuit.copy_empty_like()
    for instruction in circuit.data:
        for _ in range(factor if instruction.operation.name in _FOLDED else 1):
            folded.append(instruction)
    return folded


@dataclass(frozen=True)
class Calibration:
    """What the bits of each of n qubits are worth, and how well that is known.

    Attributes:
        worth: of each qubit (2,), the values of bits 0 and 1 whose mean is that of a true readout.
        moves: (qubit, (2,)), how its values change when one of the probabilities that were measured
            is off by its standard error; empty where the probabilities are exact.
    """

    worth: list[NDArray[np.float64]]
    moves: list[tuple[int, NDArray[np.float64]]]

    def move(self, number: int) -> list[NDArray[np.float64]]:
        """``worth`` after the move of this number."""
        qubit, change = self.moves[number]
        return [w + change if q == qubit else w for q, w in enumerate(self.worth)]


def calibrate_readout(
    zeros: NDArray[np.float64], ones: NDArray[np.float64], num_qubits: int, shots: int | None
) -> Calibration:
    """Invert the readout errors of each qubit by itself.

    Args:
        zeros: probabilities or frequencies (2^n,) of the bit strings read from 0...0.
        ones: the same read from 1...1.
        num_qubits: n.
        shots: of each of the two; None where they are exact.

    Raises:
        ValueError: a qubit whose readout does not tell 0 from 1.
    """
    bits = (np.arange(2**num_qubits)[:, None] >> np.arange(num_qubits)) & 1
    worth: list[NDArray[np.float64]] = []
    moves: list[tuple[int, NDArray[np.float64]]] = []
    for qubit, (wrong, right) in enumerate(zip(zeros @ bits, ones @ bits, strict=True)):
        if abs(right - wrong) < _LEAST_CONTRAST:
            raise InvalidValueError(
                f"the readout of qubit {qubit} does not tell 0 from 1 (1 is read with probability "
                f"{wrong:.3f} and {right:.3f}), so it cannot be inverted; leave mitigation out"
            )
        assignment = np.array([[1 - wrong, wrong], [1 - right, right]])  # [true, read]
        values = np.linalg.solve(assignment, SIGNS)
        worth.append(values)
        if shots is None:
            continue
        for row, probability in enumerate((wrong, right)):
            smooth = (probability * shots + 1) / (shots + 2)  # Laplace: never certain
            error = math.sqrt(smooth * (1 - smooth) / shots)
            change = np.zeros(2)
            change[row] = error * (values[0] - values[1])
            moves.append((qubit, np.linalg.solve(assignment, change)))
    return Calibration(worth, moves)

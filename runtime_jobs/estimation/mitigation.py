"""Error mitigation by name: readout inversion, feed-forward flips, zero-noise extrapolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, QuantumCircuit

from circuits.errors import InvalidValueError
from circuits.final_basis import FINAL_REGISTER
from circuits.recurrence import name_parameter
from runtime_jobs.estimation.bases import SIGNS
from runtime_jobs.estimation.standard_errors import find_probability_error

__all__ = [
    "CALIBRATION_SHOTS",
    "FLIPS",
    "METHODS",
    "Calibration",
    "Mitigation",
    "build_calibration",
    "calibrate_readout",
    "fold_pairs",
    "parse_mitigation",
]

METHODS = ("readout", "feedforward", "zne")
CALIBRATION_SHOTS = 10_000  # of each of the two circuits that calibrate the readout
FLIPS = np.array([[0.0], [np.pi]])

_FOLDED = {"cz", "cx", "ecr"}  # each is its own inverse
_FACTORS = (1, 3, 5)
_LEAST_CONTRAST = 1e-3


@dataclass(frozen=True)
class Mitigation:
    """Error mitigation of expectation values.

    Attributes:
        readout: Whether the readout errors of each qubit are measured and inverted. This increases
            the standard errors, which include those of the calibration itself; the latter are
            common to all values that use one calibration.
        factors: Number of times that each two-qubit gate is repeated; (1,) is no extrapolation.
            Every factor takes all shots, and a line through the values is extrapolated to factor 0.
        feed_forward: Whether bits that are fed forward go through random functions that undo their
            readout errors on average, see :mod:`runtime_jobs.estimation.feed_forward`. Includes
            the inversion of the final readouts.
    """

    readout: bool = False
    factors: tuple[int, ...] = (1,)
    feed_forward: bool = False

    @property
    def calibrates(self) -> bool:
        """Whether the readout errors are measured."""
        return self.readout or self.feed_forward

    @property
    def name(self) -> str:
        """The name that :func:`parse_mitigation` reads; empty for none."""
        chosen = (self.readout, self.feed_forward, len(self.factors) > 1)
        return "+".join(name for name, is_on in zip(METHODS, chosen, strict=True) if is_on)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weight of the value of each factor in the estimate; the weights add up to 1."""
        if len(self.factors) == 1:
            return np.ones(1)
        line = np.vander(np.array(self.factors, float), 2)
        weights: NDArray[np.float64] = np.linalg.pinv(line)[1]  # least squares, the intercept
        return weights


def parse_mitigation(text: str | None) -> Mitigation:
    """Parse ``readout``, ``feedforward``, ``zne``, ``readout+zne`` or ``feedforward+zne``.

    None is no mitigation.

    Raises:
        ValueError: Another name, one that is given twice, or readout with feedforward.
    """
    names = [] if text is None else text.split("+")
    is_known = len(set(names)) == len(names) and set(names) <= set(METHODS)
    if not is_known or {"readout", "feedforward"} <= set(names):
        raise InvalidValueError(
            "expected mitigation to be readout, feedforward (which includes readout), zne, "
            f"readout+zne or feedforward+zne, got {text!r}"
        )
    factors = _FACTORS if "zne" in names else (1,)
    return Mitigation("readout" in names, factors, "feedforward" in names)


def fold_pairs(circuit: QuantumCircuit, factor: int) -> QuantumCircuit:
    """Repeat every CZ, CX and ECR an odd number of times: the same unitary with more noise.

    Gates inside branches are left as they are.
    """
    if factor == 1:
        return circuit
    folded = circuit.copy_empty_like()
    for instruction in circuit.data:
        for _ in range(factor if instruction.operation.name in _FOLDED else 1):
            folded.append(instruction)
    return folded


def build_calibration(num_qubits: int) -> QuantumCircuit:
    """Build the circuit that calibrates readouts: every qubit turned by one angle and measured.

    Its values for all qubits in 0 and all in 1 are ``FLIPS``.
    """
    circuit = QuantumCircuit(num_qubits, name="readout")
    circuit.rx(name_parameter("flip"), range(num_qubits))
    register = ClassicalRegister(num_qubits, FINAL_REGISTER)
    circuit.add_register(register)
    circuit.measure(range(num_qubits), register)
    return circuit


@dataclass(frozen=True)
class Calibration:
    """Values of the bits of each of n qubits that invert its readout error.

    Attributes:
        worth: For each qubit the values (2,) of bits 0 and 1 whose mean is that of an error-free
            readout.
        moves: Pairs of a qubit and the change (2,) of its values when one of the measured
            probabilities is off by its standard error; empty where the probabilities are exact.
    """

    worth: list[NDArray[np.float64]]
    moves: list[tuple[int, NDArray[np.float64]]]

    def move(self, number: int) -> list[NDArray[np.float64]]:
        """``worth`` after move ``number``."""
        qubit, change = self.moves[number]
        return [w + change if q == qubit else w for q, w in enumerate(self.worth)]

    def find_errors(self, number: int | None = None) -> NDArray[np.float64]:
        """Return the probabilities (n, 2) that 0 is read as 1 and 1 as 0, after a move if given."""
        worth = self.worth if number is None else self.move(number)
        zero, one = np.array(worth).T
        errors: NDArray[np.float64] = np.stack([zero - 1, -1 - one], 1) / (zero - one)[:, None]
        return errors

    def select(self, qubits: Sequence[int]) -> Calibration:
        """Return the calibration of some qubits, counted in the order given."""
        place = {qubit: k for k, qubit in enumerate(qubits)}
        moves = [(place[qubit], change) for qubit, change in self.moves if qubit in place]
        return Calibration([self.worth[qubit] for qubit in qubits], moves)


def calibrate_readout(
    zeros: NDArray[np.float64], ones: NDArray[np.float64], shots: int | None
) -> Calibration:
    """Invert the readout errors of each qubit independently.

    Args:
        zeros: Probability or frequency (n,) with which each qubit reads 1 if all are in 0.
        ones: The same if all are in 1.
        shots: Shots of each of the two; None where the probabilities are exact.

    Raises:
        ValueError: The readout of a qubit does not distinguish 0 from 1.
    """
    worth: list[NDArray[np.float64]] = []
    moves: list[tuple[int, NDArray[np.float64]]] = []
    for qubit, (wrong, right) in enumerate(zip(zeros, ones, strict=True)):
        if abs(right - wrong) < _LEAST_CONTRAST:
            raise InvalidValueError(
                f"the readout of qubit {qubit} does not distinguish 0 from 1 (it reads 1 with "
                f"probability {wrong:.3f} and {right:.3f}), so it cannot be inverted; leave "
                "mitigation out"
            )
        assignment = np.array([[1 - wrong, wrong], [1 - right, right]])  # [true, read]
        values = np.linalg.solve(assignment, SIGNS)
        worth.append(values)
        if shots is None:
            continue
        for row, probability in enumerate((wrong, right)):
            # First order: a change dA of the assignment changes the values by -A^-1 dA values.
            change = np.zeros(2)
            change[row] = find_probability_error(probability, shots) * (values[0] - values[1])
            moves.append((qubit, np.linalg.solve(assignment, change)))
    return Calibration(worth, moves)

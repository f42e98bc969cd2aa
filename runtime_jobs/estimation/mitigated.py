"""Results of a dynamic circuit with error mitigation: rows of values in, estimates out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Measure, QuantumCircuit

from circuits import DynamicCircuit, Measurement
from circuits.errors import InvalidValueError
from circuits.feed_forward import redirect_branches
from qrnn_qiskit.executors import DynamicPub, Outcomes
from runtime_jobs.estimation.bases import Basis
from runtime_jobs.estimation.bits import Bits
from runtime_jobs.estimation.counting import Worth, estimate_values, read_records, read_steps
from runtime_jobs.estimation.feed_forward import Mean, invert_registers, split_shots
from runtime_jobs.estimation.mitigation import Calibration, Mitigation
from runtime_jobs.estimation.register_draws import RegisterDraws

__all__ = ["BitCalibration", "MitigatedRun", "check_measurement", "find_places", "refuse_records"]

Values = NDArray[np.float64]
Read = Callable[[Worth | None], tuple[Values, Values]]

_LEAST_SHOTS = 16


def check_measurement(measurement: Measurement, mitigation: Mitigation, shots: int | None) -> None:
    """Refuse a mitigation that is not unbiased for a measurement of the steps.

    Raises:
        ValueError: Feed-forward flips where branches return the ancillas: their X follows the
            recorded bit, so a misread ancilla starts the next step in 1. Or too few shots for them.
    """
    if not mitigation.feed_forward:
        return
    if measurement.has_ancillas and not measurement.resets_ancillas:
        raise InvalidValueError(
            "mitigation=feedforward needs ancilla_return=reset: with ancilla_return=branch a "
            "misread ancilla starts the next step in 1, which random functions of the bits do not "
            "undo. Train the model with --set ancilla_return=reset (without noise that gives the "
            "same weights)"
        )
    if shots is not None and shots < _LEAST_SHOTS:
        raise InvalidValueError(
            f"mitigation=feedforward divides the shots over random functions of the bits and needs "
            f"at least {_LEAST_SHOTS}, got {shots}; give more shots"
        )


def refuse_records(pub: DynamicPub, mitigation: Mitigation) -> None:
    """Refuse to keep records that a mitigation has changed (ValueError)."""
    if pub.keeps_records and mitigation != Mitigation():
        raise InvalidValueError(
            "records of single executions were requested of a device with error mitigation, which "
            "holds for averages only; open the device without mitigation"
        )


def find_places(
    compiled: QuantumCircuit, circuit: DynamicCircuit
) -> tuple[list[int], NDArray[np.int64]]:
    """Find the qubits of a compiled circuit that are measured.

    Returns:
        The qubit of each final bit, and (T, R, m) that of each bit of the registers of a step: not
        the same in every step where the circuit is routed.
    """
    read = {
        item.clbits[0]: compiled.find_bit(item.qubits[0]).index
        for item in compiled.data
        if isinstance(item.operation, Measure)
    }
    *registers, last = compiled.cregs
    steps = np.array([[read[bit] for bit in register] for register in registers])
    shape = circuit.num_steps, circuit.num_registers, -1
    return [read[bit] for bit in last], steps.reshape(shape)


@dataclass(frozen=True)
class BitCalibration:
    """The readout errors of the bits of a dynamic circuit.

    Attributes:
        calibration: Those of the qubits.
        final: The qubit of each final bit.
        steps: (T, R, m) the qubit of each bit of a step.
    """

    calibration: Calibration
    final: Sequence[int]
    steps: NDArray[np.int64]

    def find_worth(self, move: int | None = None) -> Worth:
        """Return the values of 0 and 1 of each final bit, after a move of the calibration."""
        worth = self.calibration.worth if move is None else self.calibration.move(move)
        return [worth[qubit] for qubit in self.final]

    def find_errors(self, move: int | None = None) -> Values:
        """Return the readout errors (T, R, m, 2) of the bits of the steps, after a move."""
        return self.calibration.find_errors(move)[self.steps]


class MitigatedRun:
    """The results of a PUB, collected for each factor of the extrapolation.

    Args:
        pub: B sets of values.
        num_bases: Bases of its final measurement.
        mitigation: The mitigation.
        calibration: The calibrated readout; None where the mitigation needs none.
        shots: Shots of each basis and set of values.
        random: Source of the functions of the bits.

    Attributes:
        values: The parameter values (rows, P) to run.
        shots: Shots of each row and basis.
        records: (B, shots, T, R) the record of each execution, if the PUB keeps them.
    """

    def __init__(
        self,
        pub: DynamicPub,
        num_bases: int,
        mitigation: Mitigation,
        calibration: BitCalibration | None,
        shots: int,
        random: np.random.Generator,
    ) -> None:
        self.values = np.asarray(pub.values)
        self.shots = shots
        self.records: NDArray[np.unsignedinteger[Any]] | None = None
        self._keeps_records = pub.keeps_records
        self._circuit = pub.circuit
        self._num_bases = num_bases
        self._calibration = calibration
        self._draws: RegisterDraws | None = None
        self._largest = np.array([np.abs(o.coeffs).sum() for o in pub.observables])
        self._factors = 0
        batch = len(self.values)
        if mitigation.feed_forward and pub.circuit.measurement.bit_feedback:
            assert calibration is not None
            rows, self.shots = split_shots(shots)
            errors = calibration.find_errors()[:-1]  # the last step feeds no branch
            self._draws = RegisterDraws(pub, errors, rows, random)
            heard = self._draws.find_heard()
            self.values = redirect_branches(pub.circuit, self.values.repeat(rows, 0), heard)
        self._is_mitigated = mitigation != Mitigation()
        bits = pub.circuit.num_registers * pub.circuit.measurement.num_ancillas
        steps = pub.circuit.num_steps
        self._inverts = mitigation.feed_forward
        self._moves = 0 if calibration is None else len(calibration.calibration.moves)
        size = pub.circuit.num_registers * pub.circuit.num_outcomes
        shapes = (batch, len(self._largest)), (batch, steps, size), (batch, steps, bits)
        self._sums = [Mean(np.zeros(shape), np.zeros(shape)) for shape in shapes]
        self._changes = [[np.zeros(shape) for shape in shapes] for _ in range(self._moves)]

    @property
    def rows(self) -> int:
        """The rows of each set of values."""
        return 1 if self._draws is None else self._draws.rows

    def add(self, weight: float, outcomes: Values, read: Read) -> None:
        """Add ``weight`` times the results of all rows.

        Args:
            weight: Weight of the factor in the extrapolation.
            outcomes: (rows, T, R 2^m) frequencies of the recorded values.
            read: From values of the final bits, if mitigated, to the observables (rows, K) and
                their standard errors.
        """
        self._factors += 1
        found = self._estimate(outcomes, read, None)
        for total, mean in zip(self._sums, found, strict=True):
            total.values[:] += weight * mean.values
            total.variances[:] += weight**2 * mean.variances
        for move, changes in enumerate(self._changes):
            moved = self._estimate(outcomes, read, move)
            for change, mean, other in zip(changes, found, moved, strict=True):
                change += weight * (other.values - mean.values)

    def add_bits(self, weight: float, bits: Bits, bases: Sequence[Basis]) -> None:
        """Add ``weight`` times the results of all rows; the basis changes fastest in ``bits``."""
        circuit, count = self._circuit, len(self._largest)

        def read(worth: Worth | None) -> tuple[Values, Values]:
            return estimate_values(bits, bases, circuit.num_qubits, count, worth)

        self.add(weight, read_steps(bits, circuit, len(bases))[0], read)
        if self._keeps_records:
            self.records = read_records(bits, circuit, len(bases))

    def close(self) -> Outcomes:
        """Return the estimates with their standard errors, that of the calibration included."""
        errors = [
            np.sqrt(total.variances + sum(changes[k] ** 2 for changes in self._changes))
            for k, total in enumerate(self._sums)
        ]
        values, outcomes, _ = (total.values for total in self._sums)
        executions = self._factors * self.rows * self.shots * self._num_bases
        bit_errors = errors[2] if self._is_mitigated else None
        return Outcomes(outcomes, values, errors[0], executions, bit_errors, records=self.records)

    def _estimate(self, outcomes: Values, read: Read, move: int | None) -> list[Mean]:
        """Return observables, outcomes and bits, with the calibration as it is or after a move."""
        calibration = self._calibration
        values, errors = read(None if calibration is None else calibration.find_worth(move))
        ones = recorded = self._sum_bits(outcomes)
        contrast: Values | float = 1.0  # of the recorded bits, which the inversion divides by
        if self._inverts:
            assert calibration is not None
            wrong = calibration.find_errors(move)
            outcomes = self._invert(outcomes, wrong)
            ones = self._sum_bits(outcomes)
            contrast = 1 - wrong.sum(-1).reshape(len(wrong), -1)
        shots = self.shots * self._num_bases
        draws = self._draws
        if draws is None:
            smooth = (recorded * shots + 1) / (shots + 2)  # never an error of 0
            variances = smooth * (1 - smooth) / shots / contrast**2
            return [
                Mean(values, errors**2),
                Mean(outcomes, np.zeros_like(outcomes)),
                Mean(ones, variances),
            ]
        assert calibration is not None
        before, after = calibration.find_errors(), calibration.find_errors(move)
        weights = draws.weigh(before[:-1], after[:-1])
        most = 1 / (4 * shots)  # the variance of a bit that is 1 half of the time
        return [
            draws.average_observables(weights, values, self._largest**2 / self.shots),
            draws.average_steps(weights, outcomes, most),
            draws.average_steps(weights, ones, most),
        ]

    def _invert(self, outcomes: Values, errors: Values) -> Values:
        """Undo the readout errors of outcomes (rows, T, R 2^m)."""
        registers, size = self._circuit.num_registers, self._circuit.num_outcomes
        split = outcomes.reshape(*outcomes.shape[:2], registers, size)
        steps = len(errors)
        inverses = invert_registers(errors.reshape(steps * registers, *errors.shape[2:]))
        inverses = inverses.reshape(steps, registers, size, size)
        inverted = np.einsum("trij,btrj->btri", inverses, split)
        return np.asarray(inverted, np.float64).reshape(outcomes.shape)

    def _sum_bits(self, outcomes: Values) -> Values:
        """Return the probabilities (rows, T, R m) that each bit is 1."""
        registers, size = self._circuit.num_registers, self._circuit.num_outcomes
        bits = self._circuit.measurement.num_ancillas
        is_one = (np.arange(size)[:, None] >> np.arange(bits)) & 1
        split = outcomes.reshape(*outcomes.shape[:2], registers, size) @ is_one
        return np.asarray(split, np.float64).reshape(*outcomes.shape[:2], registers * bits)

"""Parameter-shift rules: exact derivatives of expectation values from shifted runs of a circuit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp, Parameter, ParameterExpression

from circuits.angles import list_names, read_affine
from circuits.recurrence import name_parameter
from circuits.shift_rules import (
    ShiftError,
    find_angles,
    flatten_gates,
    list_angles,
)

__all__ = ["ShiftError", "ShiftedCircuit", "shift_parameters"]


@dataclass(frozen=True, eq=False)
class ShiftedCircuit:
    """A circuit in which every gate angle is a separate parameter, with the shifts to run.

    Its G parameters are affine in the P parameters of the original, entry by entry:
    ``values_G = offsets``, plus ``slopes[i] * values_P[columns[i]]`` on row ``rows[i]``.

    Attributes:
        circuit: The circuit with G parameters, in the order of ``circuit.parameters``; the
            original itself where each parameter is the angle of exactly one gate.
        num_parameters: P of the original.
        rows, columns, slopes: The nonzero derivatives of the G parameters by the P parameters.
        offsets: (G,) gate angles in radians where the P parameters are 0.
        angles: (S,) index of the parameter, out of G, that each run shifts.
        shifts: (S,) size of the shift in radians.
        weights: (S,) factor of that run in the derivative with respect to the gate angle.
    """

    circuit: QuantumCircuit
    num_parameters: int
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    slopes: NDArray[np.float64]
    offsets: NDArray[np.float64]
    angles: NDArray[np.int64]
    shifts: NDArray[np.float64]
    weights: NDArray[np.float64]

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the parameters (B, G) of ``circuit`` at the parameter values (B, P)."""
        spread = np.tile(self.offsets, (len(values), 1))
        np.add.at(spread.T, self.rows, (values[:, self.columns] * self.slopes).T)
        return spread

    def bind(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the parameters (B * S, G) of all shifts at the parameter values (B, P)."""
        return self.bind_runs(values, *self.list_runs(len(values)))

    def list_runs(self, batch_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return sequence and run (B * S,) of all shifts, in the order of :meth:`bind`."""
        sequences, runs = np.indices((batch_size, len(self.shifts))).reshape(2, -1)
        return sequences, runs

    def bind_runs(
        self, values: NDArray[np.float64], sequences: NDArray[np.int64], runs: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the parameters (R, G) of selected shifts.

        Run r is the shift ``runs[r]`` of the parameter values ``values[sequences[r]]``.
        """
        shifted = self.spread(values)[sequences]
        shifted[np.arange(len(runs)), self.angles[runs]] += self.shifts[runs]
        return shifted

    def group_runs(
        self, sequences: NDArray[np.int64], runs: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return numbers (R,), equal where runs shift the same angle of the same sequence."""
        groups: NDArray[np.int64] = sequences * len(self.offsets) + self.angles[runs]
        return groups

    def differentiate(self, estimates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivatives (B, K, P) of K observables from their estimates (B * S, K)."""
        runs = estimates.reshape(-1, len(self.shifts), estimates.shape[1])
        weighted = (runs * self.weights[:, None]).transpose(0, 2, 1)
        return self._chain(weighted, self.angles)

    def pull(
        self,
        estimates: NDArray[np.float64],
        sequences: NDArray[np.int64],
        runs: NDArray[np.int64],
        batch_size: int,
    ) -> NDArray[np.float64]:
        """Return the gradient (B, P) of a number from its estimates (R,) in selected runs."""
        weighted = np.zeros((batch_size, len(self.offsets)))
        np.add.at(weighted, (sequences, self.angles[runs]), estimates * self.weights[runs])
        return self._chain(weighted, np.arange(len(self.offsets)))

    def pull_spread(self, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gradient (B, P) from that by the parameters (B, G) of ``circuit``."""
        return self._chain(gradient, np.arange(len(self.offsets)))

    def _chain(
        self, weighted: NDArray[np.float64], angles: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return derivatives (..., P) from contributions (..., A) to those by ``angles`` (A,)."""
        by_angle = np.zeros((*weighted.shape[:-1], len(self.offsets)))
        np.add.at(np.moveaxis(by_angle, -1, 0), angles, np.moveaxis(weighted, -1, 0))
        derivatives = np.zeros((*weighted.shape[:-1], self.num_parameters))
        chained = np.moveaxis(by_angle[..., self.rows] * self.slopes, -1, 0)
        np.add.at(np.moveaxis(derivatives, -1, 0), self.columns, chained)
        return derivatives


def shift_parameters(
    circuit: QuantumCircuit, *, fixed: Collection[Parameter] = ()
) -> ShiftedCircuit:
    """Find the shifts that differentiate ``circuit`` by its parameters.

    A parameter may be the angle of several gates, and an angle may be affine in several parameters:
    each gate is shifted separately, also in each branch of an ``if_else``, and the chain rule adds
    the results. An angle takes two runs where its generator has two eigenvalues, and four in
    controlled rotations. The rule holds for every observable, for the probability of every history
    of outcomes, and under noise that does not depend on the angle.

    Args:
        circuit: Gates, barriers, measurements, resets and branches with at least one free
            parameter. Its global phase, which no observable sees, is left out.
        fixed: Parameters that are not differentiated: their derivatives are 0 and cost no run. No
            angle may depend on both fixed and other parameters.

    Raises:
        ShiftError: An angle is not affine in the parameters or mixes fixed and other ones, or a
            gate with a free angle has neither a rule nor a definition.
    """
    columns = {parameter: column for column, parameter in enumerate(circuit.parameters)}
    held = set(fixed)
    owners = list(list_angles(circuit, held))
    affine = [_read_affine(value, columns, gate) for gate, value, _ in owners]
    values = [value for _, value, _ in owners]
    expanded, names = circuit, values
    if not _are_parameters(values, circuit.num_parameters - len(held)):
        width = len(str(len(owners) - 1))
        names = [name_parameter(f"angle[{g:0{width}}]") for g in range(len(owners))]
        expanded = _rebuild(circuit, held, iter(names))
        expanded.name = f"{circuit.name}, an angle a gate"
    places = {parameter: place for place, parameter in enumerate(expanded.parameters)}
    entries = [
        (places[name], column, slope)
        for name, (slopes, _) in zip(names, affine, strict=True)
        for column, slope in slopes
    ]
    entries += [(places[item], columns[item], 1.0) for item in held]
    offsets = np.zeros(len(places))
    for name, (_, offset) in zip(names, affine, strict=True):
        offsets[places[name]] = offset
    runs = sorted(
        (
            (places[name], *term)
            for name, (_, _, rule) in zip(names, owners, strict=True)
            for term in rule
        ),
        key=lambda run: run[0],
    )
    rows, by, slopes = zip(*entries, strict=True)
    angles, shifts, weights = zip(*runs, strict=True)
    return ShiftedCircuit(
        circuit=expanded,
        num_parameters=len(columns),
        rows=np.array(rows, np.int64),
        columns=np.array(by, np.int64),
        slopes=np.array(slopes),
        offsets=offsets,
        angles=np.array(angles, np.int64),
        shifts=np.array(shifts),
        weights=np.array(weights),
    )


def _read_affine(
    value: ParameterExpression, columns: dict[Parameter, int], gate: str
) -> tuple[list[tuple[int, float]], float]:
    """Return the slopes of an angle by column, and its offset."""
    angle = read_affine(value)
    if angle is None:
        raise ShiftError(
            f"gate {gate!r} has the angle {value}, which is not affine in "
            f"{list_names(value)}; the parameter-shift rule needs a real number plus real "
            "multiples of parameters. Put a separate parameter in place of this angle: the "
            "controller then computes the angle itself."
        )
    return [(columns[parameter], slope) for parameter, slope in angle.slopes], angle.offset


def _are_parameters(values: Sequence[ParameterExpression], count: int) -> bool:
    """Return whether each of ``count`` parameters is exactly the angle of one gate."""
    plain = {value for value in values if isinstance(value, Parameter)}
    return len(plain) == len(values) == count


def _rebuild(
    circuit: QuantumCircuit, held: set[Parameter], names: Iterator[Parameter]
) -> QuantumCircuit:
    """Return the circuit with the next of ``names`` for every angle to differentiate."""
    rebuilt = circuit.copy_empty_like()
    rebuilt.global_phase = 0.0
    for item in flatten_gates(circuit, circuit.qubits):
        operation = item.operation
        if isinstance(operation, ControlFlowOp):
            blocks = [_rebuild(block, held, names) for block in operation.blocks]
            operation = operation.replace_blocks(blocks)
        elif places := find_angles(operation, held):
            operation = operation.to_mutable()
            params = list(operation.params)
            for place in places:
                params[place] = next(names)
            operation.params = params
        rebuilt.append(operation, item.qubits, item.clbits)
    return rebuilt

"""Parameter-shift rules: exact derivatives of expectation values from shifted runs of a circuit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Instruction, Parameter, ParameterExpression, Qubit

from circuits.recurrence import name_parameter

__all__ = [
    "ShiftError",
    "ShiftedCircuit",
    "flatten_gates",
    "has_free_angle",
    "shift_parameters",
]

Rule = tuple[tuple[float, float], ...]  # (shift in radians, weight)

# exp(-i theta G) whose generator has two eigenvalues, 1 apart.
_TWO_TERMS: Rule = ((math.pi / 2, 0.5), (-math.pi / 2, -0.5))

# Eigenvalues 0 and +-1/2 give the frequencies 1/2 and 1 (arXiv:2107.12390).
_NEAR = (math.sqrt(2.0) + 1.0) / (4.0 * math.sqrt(2.0))
_FAR = (math.sqrt(2.0) - 1.0) / (4.0 * math.sqrt(2.0))
_FOUR_TERMS: Rule = (
    (math.pi / 2, _NEAR),
    (-math.pi / 2, -_NEAR),
    (3 * math.pi / 2, -_FAR),
    (-3 * math.pi / 2, _FAR),
)

# One rule for each angle of a gate; every other gate with free angles is taken by its definition.
_RULES: dict[str, tuple[Rule, ...]] = {
    **dict.fromkeys(("rx", "ry", "rz", "p", "u1", "rxx", "ryy", "rzz", "rzx"), (_TWO_TERMS,)),
    **dict.fromkeys(("cp", "cu1", "mcphase"), (_TWO_TERMS,)),
    **dict.fromkeys(("crx", "cry", "crz"), (_FOUR_TERMS,)),
    "u2": (_TWO_TERMS,) * 2,
    **dict.fromkeys(("u", "u3"), (_TWO_TERMS,) * 3),
    "cu": (_FOUR_TERMS, _TWO_TERMS, _TWO_TERMS, _TWO_TERMS),
    "cu3": (_FOUR_TERMS, _TWO_TERMS, _TWO_TERMS),
}


class ShiftError(ValueError):
    """A circuit without a parameter-shift rule; the message names gate and angle."""


@dataclass(frozen=True, eq=False)
class ShiftedCircuit:
    """A circuit in which every gate angle is a parameter of its own, with the shifts to run.

    Attributes:
        circuit: The circuit with G gate angles, in the order of ``circuit.parameters``; the
            original itself where each parameter is the angle of exactly one gate.
        slopes: (G, P) derivatives of the gate angles by the P parameters of the original.
        offsets: (G,) gate angles at parameters 0, in radians.
        angles: (S,) index of the gate angle that each run shifts.
        shifts: (S,) by how much, in radians.
        weights: (S,) factor of that run in the derivative by the gate angle.
    """

    circuit: QuantumCircuit
    slopes: NDArray[np.float64]
    offsets: NDArray[np.float64]
    angles: NDArray[np.int64]
    shifts: NDArray[np.float64]
    weights: NDArray[np.float64]

    def bind(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gate angles (B * S, G) of all shifts at the parameter values (B, P)."""
        angles = values @ self.slopes.T + self.offsets
        shifted = np.repeat(angles[:, None], len(self.shifts), axis=1)
        shifted[:, np.arange(len(self.shifts)), self.angles] += self.shifts
        return shifted.reshape(-1, len(self.offsets))

    def differentiate(self, estimates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivatives (B, K, P) of K observables from their estimates (B * S, K)."""
        runs = estimates.reshape(-1, len(self.shifts), estimates.shape[1])
        chain = self.weights[:, None] * self.slopes[self.angles]
        derivatives: NDArray[np.float64] = runs.transpose(0, 2, 1) @ chain
        return derivatives


def shift_parameters(circuit: QuantumCircuit) -> ShiftedCircuit:
    """Find the shifts that differentiate ``circuit`` by all of its parameters.

    A parameter may be the angle of several gates and angles may be affine in several parameters:
    each gate is shifted by itself and the chain rule sums up. Two runs for each angle whose
    generator has two eigenvalues, four for controlled rotations. The rule holds for every
    observable, and under noise that does not depend on the angle.

    Args:
        circuit: Unitary gates and barriers with at least one free parameter. Its global phase is
            left out, which no observable sees.

    Raises:
        ShiftError: An angle that is not affine in the parameters, or a gate with a free angle that
            has neither a rule nor a definition.
    """
    columns = {parameter: column for column, parameter in enumerate(circuit.parameters)}
    items = list(flatten_gates(circuit, circuit.qubits))
    owners = [
        (item, position, rule)
        for item, (operation, _) in enumerate(items)
        for position, rule in _list_rules(operation)
    ]
    values = [items[item][0].params[position] for item, position, _ in owners]
    rows = [
        _read_affine(value, columns, items[item][0].name)
        for value, (item, _, _) in zip(values, owners, strict=True)
    ]
    order = _order_by_parameter(circuit, values)
    if order is None:
        expanded = _rebuild(circuit, items, owners)
    else:
        expanded = circuit
        rows = [rows[index] for index in order]
        owners = [owners[index] for index in order]
    runs = [(g, *term) for g, (_, _, rule) in enumerate(owners) for term in rule]
    angles, shifts, weights = zip(*runs, strict=True)
    return ShiftedCircuit(
        circuit=expanded,
        slopes=np.array([slope for slope, _ in rows]),
        offsets=np.array([offset for _, offset in rows]),
        angles=np.array(angles, np.int64),
        shifts=np.array(shifts),
        weights=np.array(weights),
    )


def _list_rules(operation: Instruction) -> Iterator[tuple[int, Rule]]:
    """The angles of a gate that depend on parameters, by position, with their rules."""
    for position, value in enumerate(operation.params):
        if _is_free(value):
            yield position, _RULES[operation.name][position]


def has_free_angle(operation: Instruction) -> bool:
    """Whether an angle of the gate depends on parameters."""
    return any(map(_is_free, operation.params))


def _is_free(value: object) -> bool:
    return isinstance(value, ParameterExpression) and bool(value.parameters)


def flatten_gates(
    circuit: QuantumCircuit, qubits: Sequence[Qubit]
) -> Iterator[tuple[Instruction, list[Qubit]]]:
    """The operations in time order; gates with free angles but no rule by their definitions.

    Raises:
        ShiftError: A gate with a free angle that has neither a rule nor a definition.
    """
    for item in circuit.data:
        operation = item.operation
        targets = [qubits[circuit.find_bit(qubit).index] for qubit in item.qubits]
        if operation.name in _RULES or not has_free_angle(operation):
            yield operation, targets
        elif operation.definition is None:
            raise ShiftError(
                f"gate {operation.name!r} has a free angle, no parameter-shift rule and no "
                "definition in simpler gates; write it with rotations, for example by "
                "qiskit.transpile(circuit, basis_gates=['rz', 'ry', 'cz'])"
            )
        else:
            yield from flatten_gates(operation.definition, targets)


def _read_affine(
    value: ParameterExpression, columns: dict[Parameter, int], gate: str
) -> tuple[NDArray[np.float64], float]:
    """Slopes (P,) and offset of an angle."""
    slopes = np.zeros(len(columns))
    for parameter in value.parameters:
        refusal = ShiftError(
            f"gate {gate!r} has the angle {value}, which is not affine in {parameter.name}; the "
            "parameter-shift rule takes sums of multiples of parameters. Compute the angle in the "
            "controller instead."
        )
        try:
            slope = value.gradient(parameter)
        except RuntimeError as error:  # Qiskit knows no derivative of sign(parameter)
            raise refusal from error
        if _is_free(slope):
            raise refusal
        slopes[columns[parameter]] = float(slope)
    return slopes, float(value.bind(dict.fromkeys(value.parameters, 0.0)))


def _order_by_parameter(
    circuit: QuantumCircuit, values: Sequence[ParameterExpression]
) -> list[int] | None:
    """Whose angle each parameter is, if each is by itself that of one gate; else None."""
    places = {value: g for g, value in enumerate(values) if isinstance(value, Parameter)}
    if not len(places) == len(values) == circuit.num_parameters:
        return None
    return [places[parameter] for parameter in circuit.parameters]


def _rebuild(
    circuit: QuantumCircuit,
    items: Sequence[tuple[Instruction, list[Qubit]]],
    owners: Sequence[tuple[int, int, Rule]],
) -> QuantumCircuit:
    """The circuit with a parameter of its own for every free gate angle."""
    width = len(str(len(owners) - 1))
    operations = {item: items[item][0].to_mutable() for item, _, _ in owners}
    for g, (item, position, _) in enumerate(owners):
        params = list(operations[item].params)
        params[position] = name_parameter(f"angle[{g:0{width}}]")
        operations[item].params = params
    rebuilt = circuit.copy_empty_like(name=f"{circuit.name}, an angle a gate")
    rebuilt.global_phase = 0.0
    for item, (operation, qubits) in enumerate(items):
        rebuilt.append(operations.get(item, operation), qubits)
    return rebuilt

"""Circuits with a separate parameter for each angle, which Aer binds fastest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ControlFlowOp, Parameter, ParameterExpression, QuantumCircuit

__all__ = ["PlainCircuit", "make_plain"]


@dataclass(frozen=True)
class PlainCircuit:
    """A circuit without expressions, and the map from P parameter values to its Q angles.

    Aer evaluates an expression in Python once for each gate and binding; a bare parameter costs
    nothing. So every expression becomes a parameter, and its values are computed for all bindings
    at once.

    Attributes:
        circuit: Circuit with bare parameters and without a global phase.
        angles: Its Q parameters.
        slopes: Slopes (P, Q): angles = values @ slopes + offsets.
        offsets: Offsets (Q,), radians.
        curved: Expressions that are not affine, by position; they are evaluated one by one.
        parameters: The P parameters of the original circuit, in its order.
    """

    circuit: QuantumCircuit
    angles: list[Parameter]
    slopes: NDArray[np.float64]
    offsets: NDArray[np.float64]
    curved: dict[int, ParameterExpression]
    parameters: list[Parameter]

    def evaluate(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The angles (B, Q) for parameter values (B, P), both in radians."""
        angles: NDArray[np.float64] = values @ self.slopes + self.offsets
        for column, expression in self.curved.items():
            used = [k for k, p in enumerate(self.parameters) if p in expression.parameters]
            for row in range(len(values)):
                bound = {self.parameters[k]: float(values[row, k]) for k in used}
                angles[row, column] = float(expression.bind(bound))
        return angles


def make_plain(circuit: QuantumCircuit, parameters: list[Parameter]) -> PlainCircuit:
    """Give every parametrized angle of ``circuit`` a separate parameter.

    Args:
        circuit: Circuit whose parameters are among ``parameters``, also in branches of ``if_test``.
        parameters: The P parameters in the order of the values.
    """
    found: dict[Parameter, ParameterExpression] = {}
    plain = _rename_angles(circuit, found)
    plain.global_phase = 0.0
    angles, expressions = list(found), list(found.values())
    columns = {parameter: k for k, parameter in enumerate(parameters)}
    slopes = np.zeros((len(parameters), len(angles)))
    offsets = np.zeros(len(angles))
    curved = {}
    for column, expression in enumerate(expressions):
        gradients = {p: expression.gradient(p) for p in expression.parameters}
        if any(isinstance(g, ParameterExpression) and g.parameters for g in gradients.values()):
            curved[column] = expression
            continue
        offsets[column] = float(expression.bind(dict.fromkeys(expression.parameters, 0.0)))
        for parameter, gradient in gradients.items():
            slopes[columns[parameter], column] = float(gradient)
    return PlainCircuit(plain, angles, slopes, offsets, curved, parameters)


def _rename_angles(
    circuit: QuantumCircuit, found: dict[Parameter, ParameterExpression]
) -> QuantumCircuit:
    """Copy a circuit with new parameters as angles, and add these to ``found``."""
    plain = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation = instruction.operation
        if isinstance(operation, ControlFlowOp):
            bodies = [_rename_angles(body, found) for body in operation.blocks]
            operation = operation.replace_blocks(bodies)
        elif operation.is_parameterized():
            operation = operation.to_mutable()
            for position, expression in enumerate(operation.params):
                if isinstance(expression, ParameterExpression) and expression.parameters:
                    angle = Parameter(f"angle[{len(found)}]")
                    operation.params[position] = angle
                    found[angle] = expression
        plain.append(instruction.replace(operation=operation))
    return plain

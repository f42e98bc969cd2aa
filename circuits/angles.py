"""Gate angles as sums of multiples of parameters."""

from __future__ import annotations

import math
from typing import NamedTuple

from qiskit.circuit import Parameter, ParameterExpression
from qiskit.exceptions import QiskitError

__all__ = ["Affine", "find_slope", "is_free", "list_names", "read_affine"]


class Affine(NamedTuple):
    """An angle in radians: ``offset`` plus the sum of slope times parameter.

    Attributes:
        slopes: Pairs of a parameter and its slope, by the parameter's name.
        offset: The constant part in radians.
    """

    slopes: tuple[tuple[Parameter, float], ...]
    offset: float


def is_free(value: object) -> bool:
    """Return whether a parameter of a gate is an expression of free parameters."""
    return isinstance(value, ParameterExpression) and bool(value.parameters)


def list_names(value: object) -> str:
    """Return the names of the parameters of an angle, sorted, for messages."""
    parameters = value.parameters if isinstance(value, ParameterExpression) else ()
    return ", ".join(sorted(parameter.name for parameter in parameters))


def read_affine(value: object) -> Affine | None:
    """Read a gate angle, a number or an expression.

    Returns:
        The angle; None where it is not affine in its parameters, or where a slope or the offset is
        complex, infinite or NaN.
    """
    parameters: list[Parameter] = []
    if isinstance(value, ParameterExpression):
        parameters = sorted(value.parameters, key=lambda parameter: parameter.name)
    slopes = [(parameter, find_slope(value, parameter)) for parameter in parameters]
    try:
        if isinstance(value, ParameterExpression):
            value = value.bind(dict.fromkeys(parameters, 0.0)).numeric()
        offset = _read_real(value)
    except (QiskitError, RuntimeError, ArithmeticError):  # 1 / a, log(a) and the like have no value
        return None
    if offset is None or any(slope is None for _, slope in slopes):
        return None
    return Affine(tuple((p, slope) for p, slope in slopes if slope is not None), offset)


def find_slope(value: object, parameter: Parameter) -> float | None:
    """Return the derivative of an angle by a parameter; None where it is no finite constant."""
    if not isinstance(value, ParameterExpression) or parameter not in value.parameters:
        return 0.0
    try:
        slope = value.gradient(parameter)
        return _read_real(slope.numeric() if isinstance(slope, ParameterExpression) else slope)
    except (QiskitError, RuntimeError, TypeError):  # it has parameters, or Qiskit has no derivative
        return None


def _read_real(value: object) -> float | None:
    if isinstance(value, complex):
        if value.imag:
            return None
        value = value.real
    number = float(value)  # type: ignore[arg-type]
    return number if math.isfinite(number) else None

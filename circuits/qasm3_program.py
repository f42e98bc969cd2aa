"""Convert a parsed OpenQASM 3 program, with sizes checked first and functions in angles.

The importer of Qiskit is extended in three places: it knows no powers and functions in angles,
which Qiskit's exporter writes; it builds registers and gates of any size; and it asks for
controlled gates in a way that Qiskit deprecates.
"""

from __future__ import annotations

import math
from typing import Any

from openqasm3 import ast
from qiskit.circuit import Gate, ParameterExpression, QuantumCircuit
from qiskit_qasm3_import import types
from qiskit_qasm3_import.converter import ConvertVisitor
from qiskit_qasm3_import.exceptions import raise_from_node
from qiskit_qasm3_import.expression import ValueResolver

from circuits.errors import InvalidValueError
from circuits.limits import MOST_CONTROLS, MOST_GATES, MOST_QUBITS

__all__ = ["convert_program"]

# The names of OpenQASM 3, and those that Qiskit's exporter writes for the same functions.
_FUNCTIONS = {
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "arcsin": "arcsin",
    "asin": "arcsin",
    "arccos": "arccos",
    "acos": "arccos",
    "arctan": "arctan",
    "atan": "arctan",
    "exp": "exp",
    "log": "log",
    "sqrt": "sqrt",
    "abs": "abs",
    "sign": "sign",
    "conj": "conjugate",
}
_NUMBERS: Any = (types.Int, types.Uint, types.Float, types.Angle)


def convert_program(program: ast.Program) -> QuantumCircuit:
    """Convert a program to a circuit.

    Raises:
        InvalidValueError: It declares more qubits, bits, gates or controls than the limits allow.
        qiskit_qasm3_import.ConversionError: It uses something that Qiskit does not read.
    """
    _check_declared_gates(program)
    circuit: QuantumCircuit = _Converter().convert(program).circuit
    return circuit


class _Angles(ValueResolver):
    """Angles with powers and functions. Numbers and parameters mix as floats."""

    def visit_BinaryExpression(self, node: ast.BinaryExpression) -> tuple[Any, Any]:
        left, left_type = self.visit(node.lhs)
        right, right_type = self.visit(node.rhs)
        name = node.op.name
        if not (isinstance(left_type, _NUMBERS) and isinstance(right_type, _NUMBERS)):
            raise_from_node(node, "an angle is computed from numbers and inputs only")
        const = _is_const(left_type) and _is_const(right_type)
        whole = const and isinstance(left, int) and isinstance(right, int)
        if name == "+":
            value = left + right
        elif name == "-":
            value = left - right
        elif name == "*":
            value = left * right
        elif name == "/":
            value = left // right if whole else left / right  # OpenQASM divides integers so
        elif name == "**":
            value, whole = _raise_to(left, right), False
        else:
            raise_from_node(node, f"unsupported binary operation '{name}'")
        return value, types.Int(const=True) if whole else types.Float(const=const)

    def visit_FunctionCall(self, node: ast.FunctionCall) -> tuple[Any, Any]:
        arguments = [self.visit(argument) for argument in node.arguments]
        name = node.name.name
        if name not in _FUNCTIONS or len(arguments) != 1:
            known = ", ".join(sorted(_FUNCTIONS))
            raise_from_node(node, f"unknown function '{name}' of an angle; known are {known}")
        ((value, kind),) = arguments
        return _apply(_FUNCTIONS[name], value), types.Float(const=_is_const(kind))


def _is_const(kind: Any) -> bool:
    return bool(kind.const)


def _raise_to(base: Any, power: Any) -> Any:
    if isinstance(base, ParameterExpression) or not isinstance(power, ParameterExpression):
        value = (base if isinstance(base, ParameterExpression) else float(base)) ** power
        if isinstance(value, complex):
            raise ValueError(f"{base} ** {power} is not a real number")
        return value
    return base**power


def _apply(function: str, value: Any) -> Any:
    if function == "sqrt":
        return _raise_to(value, 0.5)
    if function == "abs":
        return abs(value)
    if isinstance(value, ParameterExpression):
        return getattr(value, function)()
    if function == "conjugate":
        return value
    if function == "sign":
        return math.copysign(1.0, value) if value else 0.0
    return getattr(math, function.replace("arc", "a"))(value)


class _Converter(ConvertVisitor):
    """The importer with limits."""

    def _resolve_angle(self, node: ast.Expression, context: Any) -> Any:
        value, kind = _Angles(context, strict=False).resolve(node)
        if not isinstance(kind, _NUMBERS):
            raise_from_node(node, "required an angle-like value")
        return value

    def visit_QubitDeclaration(self, node: ast.QubitDeclaration, context: Any) -> Any:
        self._check_size(node.qubit.name, node.size, context)
        return super().visit_QubitDeclaration(node, context)

    def visit_ClassicalDeclaration(self, node: ast.ClassicalDeclaration, context: Any) -> Any:
        self._check_size(node.identifier.name, getattr(node.type, "size", None), context)
        return super().visit_ClassicalDeclaration(node, context)

    def _check_size(self, name: str, size: ast.Expression | None, context: Any) -> None:
        count = 1 if size is None else self._resolve_constant_int(size, context)
        if count + context.circuit.num_qubits > MOST_QUBITS:
            raise InvalidValueError(
                f"register {name!r} has {_shorten(count)} bits, but a program may have at most "
                f"{MOST_QUBITS}; declare fewer"
            )

    def visit_QuantumGate(self, node: ast.QuantumGate, context: Any) -> Any:
        _check_gates("the program", len(context.circuit.data))
        return super().visit_QuantumGate(node, context)

    def _apply_gate_modifier(
        self, modifier: ast.QuantumGateModifier, gate: Gate, context: Any
    ) -> Gate:
        kind = modifier.modifier
        if kind is ast.GateModifierName.pow and modifier.argument is not None:
            power = self._resolve_constant_float(modifier.argument, context)
            _check_gates(f"pow({_shorten(power)})", abs(power))
        elif kind in (ast.GateModifierName.ctrl, ast.GateModifierName.negctrl):
            count = 1
            if modifier.argument is not None:
                count = self._resolve_constant_int(modifier.argument, context)
            if not 1 <= count <= MOST_CONTROLS:
                raise InvalidValueError(
                    f"a gate has {_shorten(count)} controls, but may have 1 to {MOST_CONTROLS}; "
                    "write it with smaller gates"
                )
            state = (1 << count) - 1 if kind is ast.GateModifierName.ctrl else 0
            return gate.control(count, ctrl_state=state, annotated=False)
        return super()._apply_gate_modifier(modifier, gate, context)


def _check_declared_gates(program: ast.Program) -> None:
    """Count the gates of declared gates, written out, before the importer copies them."""
    sizes: dict[str, int] = {}
    for statement in program.statements:
        if isinstance(statement, ast.QuantumGateDefinition):
            calls = [item for item in statement.body if isinstance(item, ast.QuantumGate)]
            size = sum(sizes.get(call.name.name, 1) for call in calls)
            _check_gates(f"gate {statement.name.name!r}", size)
            sizes[statement.name.name] = size


def _check_gates(subject: str, count: float) -> None:
    if count > MOST_GATES:
        raise InvalidValueError(
            f"{subject} gives {_shorten(count)} gates, but one step may have at most {MOST_GATES}; "
            "use fewer gates or repetitions"
        )


def _shorten(number: float) -> str:
    return str(number) if abs(number) < 10**12 else "more than 10^12"

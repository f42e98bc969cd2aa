"""OpenQASM 3 in both directions, so that a written circuit reads back as the same circuit.

Qiskit's exporter and importer change two things, and both are corrected here. Parameter names lose
their brackets, which sorts ``theta[10]`` before ``theta[2]``: indices are written with leading
zeros. And gates outside OpenQASM's standard library, such as RZZ, are read as gates declared in the
file: they are replaced by Qiskit's own gates.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
from pathlib import Path

import openqasm3
from qiskit import QuantumCircuit, qasm3
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator

from circuits.errors import InvalidValueError
from circuits.files import read_file
from circuits.limits import MOST_BYTES, MOST_NESTING
from circuits.qasm3_program import convert_program

__all__ = ["dump_qasm3", "load_qasm3", "read_qasm3", "write_qasm3"]


def dump_qasm3(circuit: QuantumCircuit) -> str:
    """Return a circuit as OpenQASM 3 text.

    Free parameters become ``input float[64]`` declarations in the order of
    ``circuit.parameters``: ``theta[3]`` of sixteen is written ``theta_03``. Where names cannot be
    written so that reading keeps their order, all are written ``parameter_00``, ``parameter_01``
    and so on. The global phase is lost: Qiskit's exporter does not write it. No readout sees it.

    Raises:
        ValueError: The circuit has no OpenQASM 3 form, such as one with an angle that is NaN.
    """
    names = _flatten_names(circuit)
    if names == sorted(set(names)):
        text = _dump_renamed(circuit, names)
        # The exporter escapes some names (keywords, gates, spaces), which can move them.
        written = re.findall(r"^input float\[64\] (\w+);$", text, flags=re.MULTILINE)
        if written == sorted(set(written)):
            return text
    width = len(str(len(names) - 1))
    return _dump_renamed(circuit, [f"parameter_{p:0{width}}" for p in range(len(names))])


def load_qasm3(text: str, *, source: str = "the text") -> QuantumCircuit:
    """Return the circuit of an OpenQASM 3 program.

    ``input float`` and ``input angle`` declarations become free parameters. A gate declared in
    the program becomes Qiskit's gate of that name if both are equal up to a global phase, and
    is otherwise replaced by its body.

    Args:
        text: The program.
        source: Name of the program in messages, such as its file name.

    Raises:
        ValueError: The text is not OpenQASM 3, or uses something that Qiskit does not read.
    """
    text = text.removeprefix("\ufeff")
    _check_text(text, source)
    syntax_errors = io.StringIO()
    try:
        # The parser prints where a syntax error is instead of raising it.
        with contextlib.redirect_stderr(syntax_errors):
            circuit = convert_program(openqasm3.parse(text))
    except InvalidValueError as error:
        raise InvalidValueError(f"{source}: {error}") from error
    except Exception as error:
        reason = str(error).strip() or syntax_errors.getvalue().strip() or type(error).__name__
        if isinstance(error, RecursionError):
            reason = "an expression has too many operators"
        raise InvalidValueError(
            f"{source} could not be read as OpenQASM 3 ({reason}); it needs gates of "
            "stdgates.inc or declared gates, with angles declared as 'input float[64] name;'"
        ) from error
    return _write_out_declared_gates(circuit)


def _check_text(text: str, source: str) -> None:
    """Refuse OpenQASM 2, and programs that are too large or too deeply nested to parse."""
    if len(text) > MOST_BYTES:
        raise InvalidValueError(
            f"{source} has {len(text)} characters, but an OpenQASM program may have at most "
            f"{MOST_BYTES}; write a shorter one, or a QPY file"
        )
    code = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    if re.match(r"\s*OPENQASM\s+2", code):
        raise InvalidValueError(
            f"{source} is OpenQASM 2, which has no parameters; write OpenQASM 3 and declare "
            "the angles with 'input float[64] name;' under 'OPENQASM 3.0;'"
        )
    depth = deepest = 0
    for bracket in re.findall(r"[][(){}]", code):
        depth += 1 if bracket in "([{" else -1
        deepest = max(deepest, depth)
    if deepest > MOST_NESTING:
        raise InvalidValueError(
            f"{source} has {deepest} nested brackets, but may have at most {MOST_NESTING}; leave "
            "out brackets or simplify the angles"
        )


def write_qasm3(circuit: QuantumCircuit, path: str | os.PathLike[str]) -> None:
    """Write a circuit to an OpenQASM 3 file (UTF-8); see :func:`dump_qasm3`."""
    Path(path).write_text(dump_qasm3(circuit), encoding="utf-8")


def read_qasm3(path: str | os.PathLike[str]) -> QuantumCircuit:
    """Read a circuit from an OpenQASM 3 file (UTF-8); see :func:`load_qasm3`.

    Raises:
        OSError: The file cannot be read, or is larger than ``MOST_BYTES``.
        ValueError: It does not contain OpenQASM 3 that Qiskit reads.
    """
    try:
        text = read_file(path, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidValueError(
            f"{str(path)!r} is not UTF-8 text, so it is not OpenQASM 3"
        ) from error
    return load_qasm3(text, source=repr(str(path)))


def _dump_renamed(circuit: QuantumCircuit, names: list[str]) -> str:
    renamed = circuit.copy()
    renamed.global_phase = 0.0
    unused = set(circuit.parameters) - set(renamed.parameters)
    renamed = renamed.assign_parameters(
        {
            old: Parameter(new)
            for old, new in zip(circuit.parameters, names, strict=True)
            if old not in unused
        }
    )
    try:
        return str(qasm3.dumps(renamed))
    except (QiskitError, ValueError, TypeError) as error:  # an angle that is NaN or complex
        raise InvalidValueError(
            f"the circuit {circuit.name!r} has no OpenQASM 3 form ({error}); write a QPY file"
        ) from error


def _flatten_names(circuit: QuantumCircuit) -> list[str]:
    """Return ``theta_03_12`` for ``theta[3][12]``, every index as wide as the widest."""
    index = re.compile(r"\[(\d+)\]")
    names = [parameter.name for parameter in circuit.parameters]
    width = max((len(number) for name in names for number in index.findall(name)), default=0)
    return [index.sub(lambda found: f"_{int(found[1]):0{width}}", name) for name in names]


def _write_out_declared_gates(circuit: QuantumCircuit) -> QuantumCircuit:
    """Replace declared gates by Qiskit's gates, or by their bodies."""
    result = circuit.copy_empty_like()
    for item in circuit.data:
        gate = item.operation
        # Qiskit's gates are of their own classes; a declared one is a bare Gate with a body.
        if type(gate) is not Gate or gate.definition is None:
            result.append(item)
            continue
        standard = _find_standard_gate(gate)
        if standard is not None:
            result.append(standard, item.qubits)
        else:
            body = _write_out_declared_gates(gate.definition)
            result.compose(body, qubits=item.qubits, inplace=True)
    return result


def _find_standard_gate(declared: Gate) -> Gate | None:
    """Return Qiskit's gate of that name if both are equal up to a global phase.

    Free parameters are compared at one generic value each: the matrices are analytic in them.
    """
    known = get_standard_gate_name_mapping().get(declared.name)
    shape = (declared.num_qubits, len(declared.params))
    if known is None or (known.num_qubits, len(known.params)) != shape:
        return None
    standard = type(known)(*declared.params)
    matrices = []
    for gate in (declared, standard):
        circuit = QuantumCircuit(gate.num_qubits)
        circuit.append(gate, circuit.qubits)
        values = [math.sqrt(k + 2) for k in range(circuit.num_parameters)]
        matrices.append(Operator(circuit.assign_parameters(values)))
    return standard if matrices[0].equiv(matrices[1]) else None

"""The rules of the hardware, checked before anything is submitted.

The client does not check them: a nested branch or an angle out of range passes locally and fails
on the service, after the wait in the queue.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import (
    CircuitInstruction,
    ControlFlowOp,
    IfElseOp,
    ParameterExpression,
    QuantumCircuit,
)
from qiskit.circuit.controlflow import condition_resources
from qiskit.transpiler import Target

from circuits.errors import InvalidValueError
from circuits.limits import JobLimits
from circuits.profile import CircuitProfile, profile_circuit

__all__ = [
    "HardwareRuleError",
    "HardwareRuleWarning",
    "RulePub",
    "Violation",
    "check_rules",
    "find_violations",
]

_NEEDED = ("if_else", "reset")
_TOLERANCE = 1e-9  # radians


class HardwareRuleError(InvalidValueError):
    """Circuits that the device would refuse; the message gives rule, place and remedy."""


class HardwareRuleWarning(UserWarning):
    """Circuits that the device runs, but with little use."""


class RulePub(NamedTuple):
    """One PUB of a job.

    Attributes:
        circuit: Circuit compiled for the device, on its physical qubits.
        bindings: Number of sets of parameter values, measurement bases included.
        values: (bindings, P) radians in the order of ``circuit.parameters``; needed only where
            the device limits an angle, as that of a fractional RZZ.
    """

    circuit: QuantumCircuit
    bindings: int
    values: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Violation:
    """A broken rule.

    Attributes:
        rule: The requirement of the hardware.
        place: Where it is broken, with the offending value.
        change: Remedy.
        is_error: Whether the device refuses it; otherwise it is a warning.
    """

    rule: str
    place: str
    change: str
    is_error: bool = True

    def __str__(self) -> str:
        """Return rule, place and remedy in one line."""
        return f"{self.rule}: {self.place}; {self.change}"


def check_rules(
    pubs: Sequence[RulePub], target: Target, *, shots: int, limits: JobLimits | None = None
) -> None:
    """Refuse a job that breaks a rule of the hardware.

    Args:
        pubs: The PUBs of one job.
        target: The device; see :func:`find_violations`.
        shots: Executions of each set of parameter values.
        limits: Limits of the service; today's by default.

    Raises:
        HardwareRuleError: The message has all broken rules.

    Warns:
        HardwareRuleWarning: A circuit is long for the coherence time of its qubits.
    """
    violations = find_violations(pubs, target, shots=shots, limits=limits)
    errors = [str(violation) for violation in violations if violation.is_error]
    if errors:
        raise HardwareRuleError("the hardware would refuse this job. " + "\n".join(errors))
    for violation in violations:
        warnings.warn(str(violation), HardwareRuleWarning, stacklevel=2)


def find_violations(
    pubs: Sequence[RulePub], target: Target, *, shots: int, limits: JobLimits | None = None
) -> list[Violation]:
    """List all rules that a job breaks, and warnings.

    Args:
        pubs: The PUBs of one job.
        target: The device: its instructions with durations, T1 and T2 of its qubits.
        shots: Executions of each set of parameter values.
        limits: Limits of the service; today's by default.
    """
    limits = limits or JobLimits()
    violations: list[Violation] = []
    loads = []
    for number, pub in enumerate(pubs):
        where = f"PUB {number}, " if len(pubs) > 1 else ""
        profile = profile_circuit(pub.circuit, target)
        loads.append((pub.bindings, profile))
        violations += _check_support(pub.circuit, target, where)
        violations += _check_branches(pub.circuit, limits, where)
        violations += _check_angles(pub, target, where)
        violations += _check_size(profile, limits, where)
        violations += _check_duration(pub.circuit, profile, target, limits, where)
    violations += _check_job(loads, shots, limits)
    return violations


def _check_support(circuit: QuantumCircuit, target: Target, where: str) -> Iterator[Violation]:
    used = {name: place for place, name in reversed(list(_list_names(circuit, where)))}
    for name in _NEEDED:
        if name in used and name not in target.operation_names:
            yield Violation(
                f"the device has no {name!r}",
                used[name],
                "use a device with dynamic circuits, such as kingston"
                + (", or ancilla_return='branch'" if name == "reset" else ""),
            )


def _check_branches(circuit: QuantumCircuit, limits: JobLimits, where: str) -> Iterator[Violation]:
    for place, item in _list_items(circuit, where):
        operation = item.operation
        if not isinstance(operation, ControlFlowOp):
            continue
        if not isinstance(operation, IfElseOp):
            yield Violation(
                "only if_test runs", place, "write for, while and switch as several if_test"
            )
            continue
        bits = len(condition_resources(operation.condition).clbits)
        if bits > limits.condition_bits:
            yield Violation(
                f"a condition reads at most {limits.condition_bits} bits",
                f"{place} reads {bits}",
                "test a smaller register",
            )
        for number, block in enumerate(operation.blocks):
            for inside, inner in _list_items(block, f"{place}, branch {number}, "):
                if isinstance(inner.operation, ControlFlowOp):
                    yield Violation(
                        "branches are not nested", inside, "put both conditions into one register"
                    )
                elif inner.operation.name.startswith(("measure", "reset")):
                    yield Violation(
                        "no measurement and no reset in a branch", inside, "put it after the branch"
                    )


def _check_angles(pub: RulePub, target: Target, where: str) -> Iterator[Violation]:
    """Check that the angles of a fractional RZZ are from 0 to pi/2."""
    if "rzz" not in target.operation_names:
        return
    for place, item in _list_all(pub.circuit, where):
        if item.operation.name != "rzz":
            continue
        angles = _evaluate(item.operation.params[0], pub)
        change = "compile to cz, without fractional gates"
        rule = "a fractional rzz takes an angle from 0 to pi/2"
        if angles is None:
            yield Violation(rule, f"{place} has the free angle {item.operation.params[0]}", change)
        elif angles.min() < -_TOLERANCE or angles.max() > math.pi / 2 + _TOLERANCE:
            span = f"{angles.min():.4g} to {angles.max():.4g} rad"
            yield Violation(rule, f"{place} has {span}", change)


def _evaluate(angle: object, pub: RulePub) -> NDArray[np.float64] | None:
    """Return the angle in all bindings; None where it has no values."""
    if not isinstance(angle, ParameterExpression):
        return np.array([angle], np.float64)
    if pub.values is None:
        return None
    columns = {parameter: k for k, parameter in enumerate(pub.circuit.parameters)}
    used = list(angle.parameters)
    rows = np.unique(pub.values[:, [columns[parameter] for parameter in used]], axis=0)
    return np.array([float(angle.bind(dict(zip(used, row, strict=True)))) for row in rows])


def _check_size(profile: CircuitProfile, limits: JobLimits, where: str) -> Iterator[Violation]:
    if profile.two_qubit_gates > limits.two_qubit_gates:
        yield Violation(
            f"a circuit has at most {limits.two_qubit_gates:,} two-qubit gates",
            f"{where}the circuit has {profile.two_qubit_gates:,}",
            "use shorter sequences, fewer layers or fewer qubits",
        )


def _check_duration(
    circuit: QuantumCircuit, profile: CircuitProfile, target: Target, limits: JobLimits, where: str
) -> Iterator[Violation]:
    qubits = {circuit.find_bit(qubit).index for item in circuit.data for qubit in item.qubits}
    properties = target.qubit_properties or []
    times = [
        (time, name, qubit)
        for qubit in qubits
        if qubit < len(properties) and properties[qubit] is not None
        for name, time in (("T1", properties[qubit].t1), ("T2", properties[qubit].t2))
        if time
    ]
    if not times:
        return
    time, name, qubit = min(times)
    seconds = profile.find_duration(serial_branches=limits.serial_branches)
    share = seconds / time
    if share > limits.warned_coherence:
        yield Violation(
            "a circuit should end well within the coherence time of its qubits",
            f"{where}the circuit takes {seconds * 1e6:.1f} us (measurements, branches and "
            f"feed-forward summed), and qubit {qubit} has {name} = {time * 1e6:.0f} us: "
            f"{share:.2f} times, which leaves {math.exp(-share):.0%} of it",
            "use shorter sequences, fewer layers or better qubits"
            + (
                f"; this exceeds limits.coherence = {limits.coherence:g}, raise it to run anyway"
                if share > limits.coherence
                else ""
            ),
            is_error=share > limits.coherence,
        )


def _check_job(
    loads: Sequence[tuple[int, CircuitProfile]], shots: int, limits: JobLimits
) -> Iterator[Violation]:
    counts = {
        "executions": sum(bindings * shots for bindings, _ in loads),
        "instructions": sum(bindings * profile.instructions for bindings, profile in loads),
        "broadcasts": sum(bindings * profile.broadcasts for bindings, profile in loads),
    }
    names = {
        "executions": "executions (circuits times shots)",
        "instructions": "control instructions of a qubit",
        "broadcasts": "feed-forward broadcasts of one bit (wider registers count more)",
    }
    bindings = sum(number for number, _ in loads)
    for key, count in counts.items():
        allowed = getattr(limits, key)
        if count > allowed:
            fitting = math.floor(bindings * allowed / count)
            change = "use fewer shots or shorter sequences"
            if fitting:
                change = f"split it into jobs of at most {fitting:,} bindings"
            yield Violation(
                f"a job holds at most {allowed:,} {names[key]}",
                f"{bindings:,} bindings of {shots:,} shots take {count:,.0f}",
                change,
            )


def _list_items(circuit: QuantumCircuit, where: str) -> Iterator[tuple[str, CircuitInstruction]]:
    """List the instructions of a block with their places; qubits are numbered in the block."""
    for index, item in enumerate(circuit.data):
        qubits = ", ".join(str(circuit.find_bit(qubit).index) for qubit in item.qubits)
        yield f"{where}instruction {index} ({item.operation.name} on {qubits})", item


def _list_all(circuit: QuantumCircuit, where: str) -> Iterator[tuple[str, CircuitInstruction]]:
    """List the instructions, including those of branches."""
    for place, item in _list_items(circuit, where):
        yield place, item
        if isinstance(item.operation, ControlFlowOp):
            for number, block in enumerate(item.operation.blocks):
                yield from _list_all(block, f"{place}, branch {number}, ")


def _list_names(circuit: QuantumCircuit, where: str) -> Iterator[tuple[str, str]]:
    for place, item in _list_all(circuit, where):
        yield place, item.operation.name

"""Lower the gates of a Qiskit circuit to the four operations that the simulator runs.

Every gate becomes a product of rotations about Y, phases exp(-i angle/2 Z...Z), CZ signs and
controlled rotations about Y. Phases and signs are diagonal and commute, so whole layers of them
become one sweep over the state. The matrix of a rotation about Y is real: it acts on the real and
on the imaginary parts separately and costs half as much as a complex one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from qiskit.circuit import Gate, QuantumCircuit

from circuits.angles import list_names, read_affine
from circuits.errors import InvalidValueError


class UnsupportedCircuitError(InvalidValueError):
    """The circuit contains an instruction that the simulator does not run; the message names it."""


@dataclass(frozen=True)
class Angle:
    """An angle in radians that is affine in the circuit's parameters.

    Attributes:
        terms: Pairs of a parameter's name and its coefficient.
        offset: The constant part in radians.
    """

    terms: tuple[tuple[str, float], ...] = ()
    offset: float = 0.0

    def __add__(self, other: Angle) -> Angle:
        coefficients: dict[str, float] = {}
        for name, coefficient in self.terms + other.terms:
            coefficients[name] = coefficients.get(name, 0.0) + coefficient
        return Angle(tuple(coefficients.items()), self.offset + other.offset)

    def __mul__(self, factor: float) -> Angle:
        terms = tuple((name, factor * coefficient) for name, coefficient in self.terms)
        return Angle(terms, factor * self.offset)


@dataclass(frozen=True)
class Rotation:
    """RY(angle) on ``qubit``."""

    qubit: int
    angle: Angle


@dataclass(frozen=True)
class ControlledRotation:
    """RY(angle) on ``target`` where ``control`` is 1."""

    control: int
    target: int
    angle: Angle


@dataclass(frozen=True)
class Phase:
    """exp(-i angle/2 P), where P is the product of Z on the qubits of ``mask``.

    With mask 0, P is the identity and this is a global phase.
    """

    mask: int
    angle: Angle


@dataclass(frozen=True)
class Sign:
    """CZ between the two qubits of ``mask``."""

    mask: int


Primitive = Rotation | ControlledRotation | Phase | Sign


def name_parameters(circuit: QuantumCircuit) -> list[str]:
    """Return the names of the P parameters in the order of ``circuit.parameters``.

    Angle sets have the same order.
    """
    return [parameter.name for parameter in circuit.parameters]


def lower_circuit(circuit: QuantumCircuit) -> list[Primitive]:
    """Lower ``circuit`` to primitives, in time order.

    Qubit q of the circuit is bit q of every mask (Qiskit's little-endian order).

    Raises:
        UnsupportedCircuitError: The circuit has instructions that are not unitary gates (such as
            measurements, resets and control flow), gates on more than two qubits, gates outside
            Qiskit's standard library, gates controlled on 0, or angles that are not affine in the
            parameters. The message names the gate, its position and a remedy.
    """
    # A global phase of angle g is exp(i g), and Phase(0, angle) is exp(-i angle / 2).
    primitives: list[Primitive] = [
        Phase(0, _read_angle(circuit.global_phase, "the global phase") * -2.0)
    ]
    for position, instruction in enumerate(circuit.data):
        gate = instruction.operation
        where = f"instruction {position} ({gate.name!r})"
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if gate.name == "barrier":
            continue
        _check_gate(gate, where)
        primitives.extend(_lower_gate(gate, qubits, where))
    return primitives


def invert_primitives(primitives: Sequence[Primitive]) -> list[Primitive]:
    """Return the inverse of a lowered circuit: negative angles, in reverse order."""
    return [
        each if isinstance(each, Sign) else replace(each, angle=each.angle * -1.0)
        for each in reversed(primitives)
    ]


def _check_gate(gate: object, where: str) -> None:
    if not isinstance(gate, Gate):
        raise UnsupportedCircuitError(
            f"{where} cannot be simulated: it is not a unitary gate. The simulator takes standard "
            "one- and two-qubit gates; remove it, or run the circuit on an Aer device."
        )
    if gate.num_qubits > 2:
        raise UnsupportedCircuitError(
            f"{where} acts on {gate.num_qubits} qubits; the simulator takes gates on one or two. "
            "Decompose it first: circuit.decompose() or qiskit.transpile(circuit, "
            "basis_gates=['u', 'cz'])."
        )
    if not gate.base_class.__module__.startswith("qiskit.circuit.library.standard_gates"):
        raise UnsupportedCircuitError(
            f"{where} is not a gate of Qiskit's standard library. Decompose it first: "
            "circuit.decompose() or qiskit.transpile(circuit, basis_gates=['u', 'cz'])."
        )
    if getattr(gate, "ctrl_state", None) == 0:
        raise UnsupportedCircuitError(
            f"{where} is controlled on 0; the simulator takes gates controlled on 1. Put an X "
            "before and after the control instead."
        )


def _read_angle(value: object, where: str) -> Angle:
    """Read a gate parameter as an angle that is affine in the circuit's parameters."""
    angle = read_affine(value)
    if angle is None:
        raise UnsupportedCircuitError(
            f"{where} has the angle {value}, which is not affine in {list_names(value)}; the "
            "simulator takes a real number plus real multiples of parameters. Put a separate "
            "parameter in place of this angle: the controller then computes the angle itself."
        )
    terms = tuple((parameter.name, slope) for parameter, slope in angle.slopes)
    return Angle(terms, angle.offset)


def _bit(*qubits: int) -> int:
    """Return the mask of ``qubits``."""
    return sum(1 << qubit for qubit in qubits)


def _lower_u(theta: Angle, phi: Angle, lam: Angle, qubit: int) -> Iterator[Primitive]:
    """Lower U(theta, phi, lambda) = exp(i (phi + lambda) / 2) RZ(phi) RY(theta) RZ(lambda)."""
    yield Phase(_bit(qubit), lam)
    yield Rotation(qubit, theta)
    yield Phase(_bit(qubit), phi)
    yield Phase(0, (phi + lam) * -1.0)


def _lower_phase_gate(lam: Angle, qubit: int) -> Iterator[Primitive]:
    """Lower diag(1, exp(i lambda)) = exp(i lambda / 2) RZ(lambda)."""
    yield Phase(_bit(qubit), lam)
    yield Phase(0, lam * -1.0)


def _lower_controlled_phase(lam: Angle, first: int, second: int) -> Iterator[Primitive]:
    """Lower exp(i lambda/4 (1 - Z)(1 - Z)), which is exp(i lambda) on |11> and 1 elsewhere."""
    yield Phase(0, lam * -0.5)
    yield Phase(_bit(first), lam * 0.5)
    yield Phase(_bit(second), lam * 0.5)
    yield Phase(_bit(first, second), lam * -0.5)


def _lower_cx(control: int, target: int) -> Iterator[Primitive]:
    """Lower CX = RY(pi/2) CZ RY(-pi/2) on the target: RY turns Z into X."""
    yield Rotation(target, Angle(offset=-math.pi / 2))
    yield Sign(_bit(control, target))
    yield Rotation(target, Angle(offset=math.pi / 2))


def _lower_crx(theta: Angle, control: int, target: int) -> Iterator[Primitive]:
    """Lower CRX: RX = RZ(-pi/2) RY RZ(pi/2), and the two RZ cancel where the control is 0."""
    yield Phase(_bit(target), Angle(offset=math.pi / 2))
    yield ControlledRotation(control, target, theta)
    yield Phase(_bit(target), Angle(offset=-math.pi / 2))


def _lower_crz(theta: Angle, control: int, target: int) -> Iterator[Primitive]:
    """Lower CRZ: Z (1 - Z_control) / 2 is 0 where the control is 0, and Z where it is 1."""
    yield Phase(_bit(target), theta * 0.5)
    yield Phase(_bit(control, target), theta * -0.5)


def _lower_cu(angles: Sequence[Angle], control: int, target: int) -> Iterator[Primitive]:
    """Lower exp(i gamma) U(theta, phi, lambda) where the control is 1, factor by factor of U."""
    theta, phi, lam, gamma = angles
    yield from _lower_crz(lam, control, target)
    yield ControlledRotation(control, target, theta)
    yield from _lower_crz(phi, control, target)
    yield from _lower_phase_gate((phi + lam) * 0.5 + gamma, control)


_HALF_PI = Angle(offset=math.pi / 2)
_MINUS_HALF_PI = Angle(offset=-math.pi / 2)
_PI = Angle(offset=math.pi)
_ZERO = Angle()

Lowering = Callable[[list[Angle], list[int]], Iterator[Primitive]]

# Gates with a short form; every other standard gate is lowered by its definition.
_LOWERINGS: dict[str, Lowering] = {
    "id": lambda angles, qubits: iter(()),
    "rx": lambda angles, qubits: _lower_u(angles[0], _MINUS_HALF_PI, _HALF_PI, *qubits),
    "ry": lambda angles, qubits: iter([Rotation(qubits[0], angles[0])]),
    "rz": lambda angles, qubits: iter([Phase(_bit(*qubits), angles[0])]),
    "p": lambda angles, qubits: _lower_phase_gate(angles[0], *qubits),
    "u1": lambda angles, qubits: _lower_phase_gate(angles[0], *qubits),
    "u": lambda angles, qubits: _lower_u(angles[0], angles[1], angles[2], *qubits),
    "u3": lambda angles, qubits: _lower_u(angles[0], angles[1], angles[2], *qubits),
    "h": lambda angles, qubits: _lower_u(_HALF_PI, _ZERO, _PI, *qubits),
    "x": lambda angles, qubits: _lower_u(_PI, _ZERO, _PI, *qubits),
    "y": lambda angles, qubits: _lower_u(_PI, _HALF_PI, _HALF_PI, *qubits),
    "z": lambda angles, qubits: _lower_phase_gate(_PI, *qubits),
    "s": lambda angles, qubits: _lower_phase_gate(_HALF_PI, *qubits),
    "sdg": lambda angles, qubits: _lower_phase_gate(_MINUS_HALF_PI, *qubits),
    "t": lambda angles, qubits: _lower_phase_gate(_PI * 0.25, *qubits),
    "tdg": lambda angles, qubits: _lower_phase_gate(_PI * -0.25, *qubits),
    "cz": lambda angles, qubits: iter([Sign(_bit(*qubits))]),
    "cx": lambda angles, qubits: _lower_cx(*qubits),
    "cp": lambda angles, qubits: _lower_controlled_phase(angles[0], *qubits),
    "cu1": lambda angles, qubits: _lower_controlled_phase(angles[0], *qubits),
    "rzz": lambda angles, qubits: iter([Phase(_bit(*qubits), angles[0])]),
    "crx": lambda angles, qubits: _lower_crx(angles[0], *qubits),
    "cry": lambda angles, qubits: iter([ControlledRotation(qubits[0], qubits[1], angles[0])]),
    "crz": lambda angles, qubits: _lower_crz(angles[0], *qubits),
    "cu": lambda angles, qubits: _lower_cu(angles, *qubits),
    "cu3": lambda angles, qubits: _lower_cu([*angles, _ZERO], *qubits),
}


def _lower_gate(gate: Gate, qubits: Sequence[int], where: str) -> Iterator[Primitive]:
    if gate.name in _LOWERINGS:
        angles = [_read_angle(parameter, where) for parameter in gate.params]
        yield from _LOWERINGS[gate.name](angles, list(qubits))
        return
    definition = gate.definition
    if definition is None:
        raise UnsupportedCircuitError(
            f"{where} has no definition in simpler gates. Decompose it first: "
            "qiskit.transpile(circuit, basis_gates=['u', 'cz'])."
        )
    yield Phase(0, _read_angle(definition.global_phase, where) * -2.0)
    for instruction in definition.data:
        inner = [qubits[definition.find_bit(qubit).index] for qubit in instruction.qubits]
        yield from _lower_gate(instruction.operation, inner, where)

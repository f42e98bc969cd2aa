"""Gather primitives into the fewest sweeps over the state.

A sweep is one pass over all amplitudes: rotations about Y on distinct qubits, diagonal phases and
signs, or one controlled rotation. For more than a few qubits passes over memory cost more than the
arithmetic in them, so a primitive joins the earliest sweep of its kind that it can reach by
commuting backwards. This turns a layer of the ``linear`` ansatz (RY, RZ, CZ) into two sweeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from qrnn_qiskit.engines.lowering import (
    Angle,
    ControlledRotation,
    Phase,
    Primitive,
    Rotation,
    Sign,
)


@dataclass
class RotationSweep:
    """RY on several qubits.

    Attributes:
        angles: The angle of each qubit.
    """

    angles: dict[int, Angle] = field(default_factory=dict)


@dataclass
class PhaseSweep:
    """A diagonal of phases exp(-i angle/2 Z...Z) and CZ signs.

    Attributes:
        angles: The angle of each mask of Z.
        signs: The masks of CZ, two bits each.
    """

    angles: dict[int, Angle] = field(default_factory=dict)
    signs: set[int] = field(default_factory=set)


@dataclass
class ControlledSweep:
    """RY(angle) on ``target`` where ``control`` is 1."""

    control: int
    target: int
    angle: Angle


Sweep = RotationSweep | PhaseSweep | ControlledSweep


def schedule_sweeps(primitives: Iterable[Primitive]) -> list[Sweep]:
    """Return sweeps, in time order, whose product is the product of ``primitives``."""
    sweeps: list[Sweep] = []
    for primitive in primitives:
        # Lowering leaves phases with angle 0, such as the global phase of most gates.
        if not (isinstance(primitive, Phase) and primitive.angle == Angle()):
            _place(primitive, sweeps)
    return sweeps


def _place(primitive: Primitive, sweeps: list[Sweep]) -> None:
    """Put ``primitive`` into the earliest sweep of its kind that it can reach, or a new one."""
    reachable = len(sweeps)  # it commutes with all sweeps from this one on
    host: Sweep | None = None
    while reachable > 0:
        candidate = sweeps[reachable - 1]
        if _can_join(primitive, candidate):
            host = candidate
        if not _commutes(primitive, candidate):
            break
        reachable -= 1
    if host is None:
        host = _open_sweep(primitive)
        # A controlled rotation goes to the front of what it commutes with, so that phases which
        # come before and after a chain of them still meet in one sweep.
        early = isinstance(primitive, ControlledRotation)
        sweeps.insert(reachable if early else len(sweeps), host)
    _join(primitive, host)


def _can_join(primitive: Primitive, sweep: Sweep) -> bool:
    if isinstance(primitive, ControlledRotation):
        return isinstance(sweep, ControlledSweep) and (
            (sweep.control, sweep.target) == (primitive.control, primitive.target)
        )
    if isinstance(primitive, Rotation):
        return isinstance(sweep, RotationSweep)
    return isinstance(sweep, PhaseSweep)


def _open_sweep(primitive: Primitive) -> Sweep:
    if isinstance(primitive, ControlledRotation):
        return ControlledSweep(primitive.control, primitive.target, Angle())
    return RotationSweep() if isinstance(primitive, Rotation) else PhaseSweep()


def _join(primitive: Primitive, sweep: Sweep) -> None:
    if isinstance(primitive, Sign) and isinstance(sweep, PhaseSweep):
        sweep.signs ^= {primitive.mask}  # CZ is its own inverse: two of them cancel
    elif isinstance(primitive, Phase) and isinstance(sweep, PhaseSweep):
        sweep.angles[primitive.mask] = sweep.angles.get(primitive.mask, Angle()) + primitive.angle
    elif isinstance(primitive, Rotation) and isinstance(sweep, RotationSweep):
        sweep.angles[primitive.qubit] = sweep.angles.get(primitive.qubit, Angle()) + primitive.angle
    elif isinstance(primitive, ControlledRotation) and isinstance(sweep, ControlledSweep):
        sweep.angle = sweep.angle + primitive.angle
    else:
        raise AssertionError(f"{primitive} cannot join {sweep}")


def _commutes(primitive: Primitive, sweep: Sweep) -> bool:
    """Return whether ``primitive`` commutes with every part of ``sweep``.

    On one qubit, rotations about Y commute with each other, and so do Z and controls, which are
    diagonal; a rotation and a diagonal do not. No finer rule is tried, such as angles of pi.
    """
    turned = _turned_mask(sweep)
    diagonal = _diagonal_mask(sweep)
    if isinstance(primitive, Phase | Sign):
        return not primitive.mask & turned
    if isinstance(primitive, Rotation):
        return not (1 << primitive.qubit) & diagonal
    return not ((1 << primitive.control) & turned or (1 << primitive.target) & diagonal)


def _turned_mask(sweep: Sweep) -> int:
    """Return the mask of the qubits that ``sweep`` rotates about Y."""
    if isinstance(sweep, RotationSweep):
        return sum(1 << qubit for qubit in sweep.angles)
    return 1 << sweep.target if isinstance(sweep, ControlledSweep) else 0


def _diagonal_mask(sweep: Sweep) -> int:
    """Return the mask of the qubits on which ``sweep`` acts by Z or as a control."""
    if isinstance(sweep, PhaseSweep):
        mask = 0
        for part in (*sweep.angles, *sweep.signs):
            mask |= part
        return mask
    return 1 << sweep.control if isinstance(sweep, ControlledSweep) else 0

"""The mid-circuit measurement that ends a step of measured mode, and its Kraus operators.

Ancilla a starts in |0>, is coupled to one memory qubit by one CX and measured. P_+ and P_- are the
projectors of the Pauli that it reads, and g is the coupling strength (radians):

* ``cry``: M_0 = P_+ + cos(g/2) P_-, M_1 = sin(g/2) P_-. A click (outcome 1) projects at any g.
* ``symmetric``: M_0 = cos(a/2) P_+ + sin(a/2) P_-, M_1 = sin(a/2) P_+ + cos(a/2) P_- with
  a = pi/2 - g/2: the same circuit without its last rotation, gentle for both outcomes.
* ``direct``: M_0 = P_+, M_1 = P_-: the memory qubit itself is measured, without an ancilla.

At g = pi all three are the projective measurement, the limiting case of arXiv:2510.25557 v1.

A step is U(theta) and then this measurement (frame ``kept``). In the frame ``undone`` it ends with
U(theta)^dagger, so that outcome y acts on the memory as U^dagger M_y U: the angles choose the
observable, and a projective measurement leaves everything that commutes with it unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from circuits.errors import InvalidTypeError, InvalidValueError
from circuits.validation import require_count, require_flag, require_name

__all__ = [
    "ANCILLA_RETURNS",
    "COUPLINGS",
    "MEASUREMENT_FRAMES",
    "MOST_ANCILLAS",
    "Measurement",
    "MeasurementOptions",
    "build_measurement",
]

COUPLINGS = ("cry", "symmetric", "direct")
ANCILLA_RETURNS = ("branch", "reset")
MEASUREMENT_FRAMES = ("kept", "undone")

MOST_ANCILLAS = 4
_PAULIS = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]], complex),
    "Z": np.array([[1, 0], [0, -1]], complex),
}


@dataclass(frozen=True)
class MeasurementOptions:
    """The arguments of :func:`build_measurement`; their defaults are defined only here."""

    num_ancillas: int = 1
    coupling: str = "cry"
    coupling_strength: float = math.pi
    measured_qubits: Sequence[int] | None = None
    measured_bases: str = "Z"
    ancilla_return: str = "branch"
    measurement_frame: str = "kept"
    bit_feedback: bool = True


@dataclass(frozen=True)
class Measurement:
    """The measurement of a step: m ancillas, each reading a Pauli of one memory qubit.

    Attributes:
        num_qubits: n, the memory qubits.
        qubits: The memory qubit that each ancilla reads; ancilla 0 is the first to act.
        bases: m letters of X, Y, Z, the Pauli that each ancilla reads.
        coupling: One of ``COUPLINGS``.
        strength: g in radians, in (0, pi]; pi for ``direct``.
        ancilla_return: How an ancilla returns to |0> after its measurement: ``branch`` flips it in
            the branches of the next step, where its outcome is known; ``reset`` is a reset
            instruction, which stands for ``branch`` too where bits do not feed back. Without effect
            for ``direct``, which has no ancilla.
        frame: Whether U(theta) of a step stays on the memory (``kept``) or is taken back after the
            measurement (``undone``).
        bit_feedback: Whether the angles of a step depend on the bits of the step before.
    """

    num_qubits: int
    qubits: tuple[int, ...]
    bases: str
    coupling: str
    strength: float
    ancilla_return: str = MeasurementOptions.ancilla_return
    frame: str = MeasurementOptions.measurement_frame
    bit_feedback: bool = MeasurementOptions.bit_feedback

    @property
    def num_ancillas(self) -> int:
        """The number m of bits per step; ``direct`` has as many bits, but no ancillas."""
        return len(self.qubits)

    @property
    def num_outcomes(self) -> int:
        """2^m, the values of a step's register; bit a of a value is the outcome of ancilla a."""
        return 1 << len(self.qubits)

    def kraus(self) -> list[NDArray[np.complex128]]:
        """Return the Kraus operators of each ancilla: m arrays (2, 2, 2), outcome first.

        They act on the ancilla's memory qubit. The operator of a register value c is the product
        of those of its bits; that of ancilla 0 acts first.
        """
        paulis = [_PAULIS[letter] for letter in self.bases]
        projectors = [np.stack((np.eye(2) + pauli, np.eye(2) - pauli)) / 2 for pauli in paulis]
        amplitudes = self.amplitudes().astype(np.complex128)
        return [np.tensordot(amplitudes, pair, axes=1) for pair in projectors]

    def amplitudes(self) -> NDArray[np.float64]:
        """Return (2, 2): M_y of each ancilla is ``a[y, 0]`` P_+ + ``a[y, 1]`` P_-."""
        if self.coupling == "direct":
            return np.eye(2)
        if self.coupling == "cry":
            half = self.strength / 2
            return np.array([[1.0, math.cos(half)], [0.0, math.sin(half)]])
        quarter = math.pi / 4 - self.strength / 4
        near, far = math.cos(quarter), math.sin(quarter)
        return np.array([[near, far], [far, near]])

    @property
    def has_ancillas(self) -> bool:
        """Whether a bit is read from an ancilla, not from the memory qubit itself."""
        return self.coupling != "direct"

    @property
    def resets_ancillas(self) -> bool:
        """Whether a reset instruction returns the ancillas to |0>; otherwise branches do."""
        return self.has_ancillas and (self.ancilla_return == "reset" or not self.bit_feedback)

    @property
    def is_undone(self) -> bool:
        """Whether U(theta) of a step is taken back after the measurement."""
        return self.frame == "undone"


def build_measurement(
    *,
    num_qubits: int,
    num_ancillas: int = MeasurementOptions.num_ancillas,
    coupling: str = MeasurementOptions.coupling,
    coupling_strength: float = MeasurementOptions.coupling_strength,
    measured_qubits: Sequence[int] | None = MeasurementOptions.measured_qubits,
    measured_bases: str = MeasurementOptions.measured_bases,
    ancilla_return: str = MeasurementOptions.ancilla_return,
    measurement_frame: str = MeasurementOptions.measurement_frame,
    bit_feedback: bool = MeasurementOptions.bit_feedback,
) -> Measurement:
    """Build the measurement of a step on ``num_qubits`` memory qubits.

    Args:
        num_qubits: n, at least 1.
        num_ancillas: m, from 1 to 4 and at most n. The controller is compiled into 2^m branches.
        coupling: One of ``COUPLINGS``.
        coupling_strength: g in (0, pi] radians; ``direct`` is projective and takes only pi.
        measured_qubits: The memory qubit that each ancilla reads, from 0 to n - 1. The default is
            0, n - 1, 1, n - 2, ..., the ends of the line first, so that up to two ancillas and
            the memory form a line on a device.
        measured_bases: X, Y or Z, one letter for all ancillas or one for each.
        ancilla_return: One of ``ANCILLA_RETURNS``.
        measurement_frame: One of ``MEASUREMENT_FRAMES``.
        bit_feedback: Whether the controller receives the bits of the step before.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A number is out of range, a name is unknown, or the number of qubits or letters
            is not that of the ancillas.
    """
    num_qubits = require_count("num_qubits", num_qubits)
    num_ancillas = _check_ancillas(num_ancillas, num_qubits)
    coupling = require_name("coupling", coupling, COUPLINGS)
    return Measurement(
        num_qubits=num_qubits,
        qubits=_choose_qubits(measured_qubits, num_ancillas, num_qubits),
        bases=_check_bases(measured_bases, num_ancillas),
        coupling=coupling,
        strength=_check_strength(coupling_strength, coupling),
        ancilla_return=require_name("ancilla_return", ancilla_return, ANCILLA_RETURNS),
        frame=require_name("measurement_frame", measurement_frame, MEASUREMENT_FRAMES),
        bit_feedback=require_flag("bit_feedback", bit_feedback),
    )


def _check_ancillas(num_ancillas: int, num_qubits: int) -> int:
    num_ancillas = require_count("num_ancillas", num_ancillas)
    if num_ancillas > MOST_ANCILLAS:
        raise InvalidValueError(
            f"num_ancillas={num_ancillas} would compile 2^{num_ancillas} = {1 << num_ancillas} "
            "branches of the controller into every step; use at most "
            f"{MOST_ANCILLAS} ({1 << MOST_ANCILLAS} branches)"
        )
    if num_ancillas > num_qubits:
        raise InvalidValueError(
            f"num_ancillas={num_ancillas} exceeds num_qubits={num_qubits}, the memory qubits that "
            "they read; use at most one ancilla for each memory qubit"
        )
    return num_ancillas


def _check_strength(strength: float, coupling: str) -> float:
    if not isinstance(strength, Real) or isinstance(strength, bool):
        raise InvalidTypeError(
            "coupling_strength must be a number (g in radians), got "
            f"{strength!r} ({type(strength).__name__})"
        )
    strength = float(strength)
    if not 0.0 < strength <= math.pi:
        raise InvalidValueError(
            f"coupling_strength must be in (0, pi] radians, got {strength!r}; near 0 the ancilla "
            f"learns nothing, at pi = {math.pi!r} the measurement is projective"
        )
    if coupling == "direct" and strength != math.pi:
        raise InvalidValueError(
            "coupling='direct' measures the memory qubit itself, so coupling_strength must be pi, "
            f"got {strength!r}; leave it out, or use the coupling 'cry' or 'symmetric'"
        )
    return strength


def _choose_qubits(
    qubits: Sequence[int] | None, num_ancillas: int, num_qubits: int
) -> tuple[int, ...]:
    if qubits is None:
        return tuple(a // 2 if a % 2 == 0 else num_qubits - 1 - a // 2 for a in range(num_ancillas))
    if isinstance(qubits, str) or not isinstance(qubits, Sequence):
        raise InvalidTypeError(
            "measured_qubits must be a list of memory qubits, one for each ancilla, got "
            f"{qubits!r} ({type(qubits).__name__})"
        )
    chosen = tuple(require_count("measured_qubits", qubit, minimum=0) for qubit in qubits)
    if len(chosen) != num_ancillas:
        raise InvalidValueError(
            f"measured_qubits must name the memory qubit of each of the {num_ancillas} ancillas, "
            f"got {list(chosen)}; change it or num_ancillas"
        )
    if max(chosen) >= num_qubits:
        raise InvalidValueError(
            f"measured_qubits must be from 0 to {num_qubits - 1}, the {num_qubits} memory qubits, "
            f"got {list(chosen)}"
        )
    return chosen


def _check_bases(bases: str, num_ancillas: int) -> str:
    if not isinstance(bases, str):
        raise InvalidTypeError(
            "measured_bases must be a string of the letters X, Y and Z, got "
            f"{bases!r} ({type(bases).__name__})"
        )
    if not bases or not set(bases) <= set(_PAULIS) or len(bases) not in (1, num_ancillas):
        raise InvalidValueError(
            f"measured_bases must be one of the letters X, Y, Z for all ancillas, or "
            f"{num_ancillas} of them, one for each, got {bases!r}"
        )
    return bases * num_ancillas if len(bases) == 1 else bases

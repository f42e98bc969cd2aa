"""The arguments of measured mode: their defaults, their two spellings, and the limits on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.coupling import (
    MOST_ANCILLAS,
    Measurement,
    MeasurementOptions,
    build_measurement,
)
from circuits.errors import InvalidTypeError, InvalidValueError
from circuits.validation import require_count
from qrnn_qiskit.checks import check_fit

__all__ = [
    "MAX_EXACT_QUBITS",
    "Measured",
    "check_branches",
    "check_exact",
    "check_simulation",
    "check_states",
    "choose_measured",
]

MAX_EXACT_QUBITS = 6


@dataclass(frozen=True)
class Measured(MeasurementOptions):
    """The arguments of ``QRNN(readout="measured")`` as one object.

    >>> from qrnn_qiskit import QRNN, Measured
    >>> model = QRNN(2, 3, readout="measured", measurement=Measured(num_ancillas=2))
    >>> model.readout_size
    2

    :class:`~qrnn_qiskit.QRNN` checks the values when it is built.

    Attributes:
        num_ancillas: m, the bits read in each step, from 1 to 4.
        coupling: "cry", "symmetric" or "direct" (no ancilla); see
            :func:`circuits.build_measurement`.
        coupling_strength: g in radians, above 0 and up to pi, the projective measurement.
        measured_qubits: The memory qubit that each ancilla reads; the ends of the line by default.
        measured_bases: X, Y or Z, one letter for all ancillas or one for each.
        ancilla_return: "branch" or "reset", how a device returns an ancilla to |0>.
        measurement_frame: "kept": a step is U(theta), then the measurement. "undone": it ends with
            U(theta)^dagger, so that the controller chooses the observable that is measured.
        bit_feedback: Whether the controller receives the bits of the step before. Without them a
            device needs no branches.
        readout_error: Error of each bit, in simulation only; see
            :func:`~qrnn_qiskit.modes.noise.read_assignment`.
        step_noise: Noise on every memory qubit after each measurement, in simulation only, such as
            "damping:0.01"; see :func:`~qrnn_qiskit.modes.noise.read_step_noise`.
        num_trajectories: N sampled pure states for each sequence instead of exact density
            matrices; needed above 6 memory qubits. See :mod:`qrnn_qiskit.modes.trajectories`.
    """

    readout_error: float | Sequence[Any] = 0.0
    step_noise: str | Sequence[Any] | None = None
    num_trajectories: int | None = None

    def build(self, num_qubits: int) -> Measurement:
        """Return the measurement of a step on ``num_qubits`` memory qubits."""
        names = [field.name for field in fields(MeasurementOptions)]
        values = {name: getattr(self, name) for name in names}
        return build_measurement(num_qubits=num_qubits, **values)

    def list_changed(self) -> list[str]:
        """Return the names of the arguments that differ from their defaults."""
        return [f.name for f in fields(self) if not _equals(getattr(self, f.name), f.default)]


def choose_measured(mode: str, measurement: Measured | None, flat: Measured) -> Measured:
    """Return the arguments of measured mode, passed as ``measurement=`` or under their own names.

    Args:
        mode: Name of the readout mode.
        measurement: The object that was passed, if any.
        flat: The arguments that were passed under their own names.

    Raises:
        TypeError: ``measurement`` is not a :class:`Measured`.
        ValueError: Both forms were used, or either of them in another mode.
    """
    changed = flat.list_changed()
    if measurement is not None and not isinstance(measurement, Measured):
        raise InvalidTypeError(
            "measurement must be a qrnn_qiskit.Measured, such as Measured(num_ancillas=1), got "
            f"{measurement!r} ({type(measurement).__name__})"
        )
    if mode != "measured" and (measurement is not None or changed):
        name = "measurement" if measurement is not None else changed[0]
        value = measurement if measurement is not None else getattr(flat, name)
        raise InvalidValueError(
            f"{name}={value!r} applies only to readout='measured', but readout is {mode!r}; leave "
            f"{name} out, or use readout='measured'"
        )
    if measurement is not None and changed:
        raise InvalidValueError(
            f"{', '.join(changed)} and measurement= were both passed; put {changed[0]} into "
            "Measured(...), or leave measurement out"
        )
    return flat if measurement is None else measurement


def check_simulation(
    num_trajectories: int | None,
    assignment: NDArray[np.float64],
    noise: Sequence[NDArray[np.complex128]],
) -> None:
    """Refuse trajectories that cannot be simulated.

    Raises:
        TypeError: ``num_trajectories`` is not an integer.
        ValueError: Fewer than 2 trajectories, or noise with trajectories.
    """
    if num_trajectories is not None:
        require_count("num_trajectories", num_trajectories, minimum=2)
        if len(noise) or not np.array_equal(assignment, [np.eye(2)] * len(assignment)):
            raise InvalidValueError(
                "readout_error and step_noise need exact simulation, but trajectories have "
                f"neither (num_trajectories={num_trajectories}); leave them out, or leave out "
                f"num_trajectories with up to {MAX_EXACT_QUBITS} memory qubits"
            )


def check_exact(num_qubits: int, num_ancillas: int) -> None:
    """Refuse more memory qubits than density matrices simulate (ValueError)."""
    if num_qubits > MAX_EXACT_QUBITS:
        raise InvalidValueError(
            f"readout='measured' with num_qubits={num_qubits}: exact simulation would take "
            f"2^{2 * num_qubits + num_ancillas} complex numbers for each sequence and is limited "
            f"to {MAX_EXACT_QUBITS} memory qubits. Trajectories take 2^{num_qubits} for each "
            "sequence and trajectory, with a sampling error of about 1/sqrt(N): pass "
            "num_trajectories=N, for example 100. Along a given record, filter is exact"
        )


def check_states(
    needed: int, num_qubits: int, num_registers: int, what: str, batch_size: int, num_steps: int
) -> None:
    """Refuse states of a batch that do not fit into memory (ValueError)."""
    check_fit(
        needed,
        f"num_qubits={num_qubits}"
        + (f" in each of {num_registers} registers" if num_registers > 1 else "")
        + " in measured mode needs",
        f"for the {what} of {batch_size} sequence(s), {num_steps} step(s) of each",
        "Take fewer qubits or trajectories, a smaller batch or shorter sequences.",
    )


def check_branches(
    num_registers: int, measurement: Measurement, num_qubits: int, num_trajectories: int | None
) -> None:
    """Refuse registers of shared feedback with too many branches, or too many qubits.

    Raises:
        ValueError: R registers of m bits take more branches of the controller than one register may
            have, or exact simulation more than its number of qubits.
    """
    bits = num_registers * measurement.num_ancillas
    if bits > MOST_ANCILLAS:
        raise InvalidValueError(
            f"register_feedback='shared' with num_registers={num_registers} and "
            f"num_ancillas={measurement.num_ancillas} would compile 2^{bits} branches of the "
            f"controller into every step; at most {1 << MOST_ANCILLAS} are possible. Use "
            f"register_feedback='own' (2^{measurement.num_ancillas} branches for each register), "
            "or fewer registers"
        )
    if num_trajectories is None and num_registers * num_qubits > MAX_EXACT_QUBITS:
        raise InvalidValueError(
            f"register_feedback='shared' with num_registers={num_registers} of num_qubits="
            f"{num_qubits} in measured mode: the registers depend on each other's bits and are "
            f"simulated as one of {num_registers * num_qubits} qubits, but exact simulation is "
            f"limited to {MAX_EXACT_QUBITS}. Use register_feedback='own', or pass "
            "num_trajectories=N, for example 100"
        )


def _equals(value: Any, default: Any) -> bool:
    try:
        return bool(value == default)
    except (ValueError, RuntimeError):  # arrays and tensors compare by element; no default is one
        return False

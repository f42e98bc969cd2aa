"""The readout modes by name."""

from __future__ import annotations

import math
from typing import Any

from circuits import Ansatz, Readout, build_measurement
from circuits.errors import InvalidValueError
from qrnn_qiskit.modes.base import Core
from qrnn_qiskit.modes.expectation import UnitaryCore
from qrnn_qiskit.modes.measured import MeasuredCore
from qrnn_qiskit.modes.noise import read_assignment, read_step_noise

__all__ = ["ENGINES", "READOUT_MODES", "build_core"]

READOUT_MODES = ("expectation", "measured", "none")
ENGINES = ("auto", "torch")

# Arguments that only measured mode has, as the other modes accept them.
_UNMEASURED: dict[str, Any] = {
    "num_ancillas": 1,
    "coupling": "cry",
    "coupling_strength": math.pi,
    "measured_qubits": None,
    "measured_bases": "Z",
    "ancilla_return": "branch",
    "readout_error": 0.0,
    "step_noise": None,
    "num_trajectories": None,
}


def build_core(
    mode: str,
    ansatz: Ansatz,
    readout: Readout,
    *,
    reset_state: bool = False,
    engine: str = "auto",
    **of_measured: Any,
) -> Core:
    """The readout mode ``mode``, one of ``READOUT_MODES``.

    ``reset_state`` is of the mode ``expectation``, the only one that remembers without a state.
    ``engine`` is one of ``ENGINES``; measured mode has the compiled one alone.
    ``of_measured`` are the arguments of measured mode, all of them; see
    :class:`~qrnn_qiskit.QRNN`.

    Raises:
        ValueError, TypeError: What :func:`circuits.build_measurement` and
            :mod:`~qrnn_qiskit.modes.noise` say; arguments of measured mode in another mode.
    """
    if reset_state and mode != "expectation":
        raise InvalidValueError(
            f"reset_state=True leaves only the expectation values to remember with, and readout is "
            f"{mode!r}; take readout='expectation', or leave reset_state out"
        )
    if mode != "measured":
        for name, value in of_measured.items():
            if value != _UNMEASURED[name]:
                raise InvalidValueError(
                    f"{name}={value!r} is of readout='measured', and readout is {mode!r}; leave "
                    f"{name} out, or take readout='measured'"
                )
        return UnitaryCore(ansatz, readout, mode == "expectation", reset_state, engine)
    if engine != "auto":
        raise InvalidValueError(
            f"engine={engine!r} with readout='measured', which is simulated by compiled kernels; "
            "leave engine out, or take readout='expectation'"
        )
    simulated = ("readout_error", "step_noise", "num_trajectories")
    errors, noise, num_trajectories = (of_measured.pop(name) for name in simulated)
    measurement = build_measurement(num_qubits=ansatz.num_qubits, **of_measured)
    assignment = read_assignment(errors, measurement.num_ancillas)
    return MeasuredCore(
        ansatz, readout, measurement, assignment, read_step_noise(noise), num_trajectories
    )

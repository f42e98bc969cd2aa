"""The readout modes by name."""

from __future__ import annotations

import numpy as np

from circuits import Ansatz, Readout
from circuits.errors import InvalidValueError
from circuits.registers import repeat_ansatz, repeat_measurement, repeat_readout
from qrnn_qiskit.modes.base import ReadoutMode
from qrnn_qiskit.modes.expectation import ExpectationMode
from qrnn_qiskit.modes.feedback import Heard
from qrnn_qiskit.modes.measured import MeasuredMode
from qrnn_qiskit.modes.no_feedback import NoFeedbackMode
from qrnn_qiskit.modes.noise import read_assignment, read_step_noise
from qrnn_qiskit.modes.options import Measured, check_branches

__all__ = ["ENGINES", "READOUT_MODES", "build_mode"]

READOUT_MODES = (ExpectationMode.name, MeasuredMode.name, NoFeedbackMode.name)
ENGINES = ("auto", "torch")


def build_mode(
    name: str,
    ansatz: Ansatz,
    readout: Readout,
    *,
    reset_state: bool = False,
    engine: str = "auto",
    measured: Measured | None = None,
    num_registers: int = 1,
    shares_feedback: bool = False,
    heard: Heard | None = None,
) -> ReadoutMode:
    """Build a readout mode.

    Args:
        name: One of ``READOUT_MODES``.
        ansatz: Circuit of a step of one register.
        readout: The observables of one register.
        reset_state: Whether every step starts from |0...0>; only in expectation mode, the only one
            that remembers without a state.
        engine: One of ``ENGINES``; measured mode has only compiled kernels.
        measured: The arguments of measured mode; its defaults unless given.
        num_registers: R registers side by side.
        shares_feedback: Whether the controller of a register hears all registers.
        heard: The readouts that the controller hears in expectation mode; all by default.

    Raises:
        ValueError, TypeError: An argument is out of range or does not apply to the mode; see
            :func:`circuits.build_measurement` and :mod:`~qrnn_qiskit.modes.noise`.
    """
    if reset_state and name != ExpectationMode.name:
        raise InvalidValueError(
            "reset_state=True leaves only the expectation values to remember with, but readout is "
            f"{name!r}; use readout='expectation', or leave reset_state out"
        )
    if name == ExpectationMode.name:
        return ExpectationMode(ansatz, readout, reset_state, engine, num_registers, heard)
    if name == NoFeedbackMode.name:
        return NoFeedbackMode(ansatz, readout, engine=engine, num_registers=num_registers)
    if engine != "auto":
        raise InvalidValueError(
            f"engine={engine!r} does not apply to readout='measured', which is simulated by "
            "compiled kernels; leave engine out, or use readout='expectation'"
        )
    measured = measured or Measured()
    measurement = measured.build(ansatz.num_qubits)
    assignment = read_assignment(measured.readout_error, measurement.num_ancillas)
    noise = read_step_noise(measured.step_noise)
    count = measured.num_trajectories
    if shares_feedback and num_registers > 1:
        # The controller of each register depends on the bits of all, so that the states of the
        # registers, averaged over the outcomes, are no longer independent: one wide register.
        check_branches(num_registers, measurement, ansatz.num_qubits, count)
        ansatz = repeat_ansatz(ansatz, num_registers)
        readout = repeat_readout(readout, num_registers)
        measurement = repeat_measurement(measurement, num_registers)
        assignment = np.tile(assignment, (num_registers, 1, 1))
        num_registers = 1
    return MeasuredMode(ansatz, readout, measurement, assignment, noise, count, num_registers)

"""Controllers map the input and the last readouts to the angles of a step; how they start."""

from qrnn_qiskit.controller.feedforward import ACTIVATIONS, Controller, count_kept, is_plain
from qrnn_qiskit.controller.registers import REGISTER_FEEDBACK, RegisterControllers
from qrnn_qiskit.controller.starts import (
    AUTO_GAIN,
    STARTS,
    apply_start,
    choose_feedback_gain,
    resolve_frequencies,
)

__all__ = [
    "ACTIVATIONS",
    "AUTO_GAIN",
    "REGISTER_FEEDBACK",
    "STARTS",
    "Controller",
    "RegisterControllers",
    "apply_start",
    "choose_feedback_gain",
    "count_kept",
    "is_plain",
    "resolve_frequencies",
]

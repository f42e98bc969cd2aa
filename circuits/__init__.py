"""What runs on the quantum processor: ansatz, readouts, recurrent circuits, export.

Bit order is Qiskit's throughout: qubit 0 is the least significant bit of a basis state and the
rightmost letter of a Pauli label. Angles are in radians.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from circuits.ansatz import ANSATZ_FAMILIES, ENTANGLERS, ROTATIONS, Ansatz, build_ansatz
    from circuits.coupling import (
        ANCILLA_RETURNS,
        COUPLINGS,
        MEASUREMENT_FRAMES,
        Measurement,
        build_measurement,
    )
    from circuits.dynamic import DynamicCircuit, build_dynamic
    from circuits.export import (
        draw_figure,
        draw_text,
        dump_qasm3,
        load_qasm3,
        read_qasm3,
        read_qpy,
        write_qasm3,
        write_qpy,
    )
    from circuits.readout import Readout, build_readout
    from circuits.recurrence import prefix_circuits, step_parameters, unroll
    from circuits.shifts import ShiftedCircuit, ShiftError, shift_parameters

__all__ = [
    "ANCILLA_RETURNS",
    "ANSATZ_FAMILIES",
    "COUPLINGS",
    "ENTANGLERS",
    "MEASUREMENT_FRAMES",
    "PROJECT",
    "ROTATIONS",
    "Ansatz",
    "DynamicCircuit",
    "Measurement",
    "Readout",
    "ShiftError",
    "ShiftedCircuit",
    "build_ansatz",
    "build_dynamic",
    "build_measurement",
    "build_readout",
    "draw_figure",
    "draw_text",
    "dump_qasm3",
    "load_qasm3",
    "prefix_circuits",
    "read_qasm3",
    "read_qpy",
    "shift_parameters",
    "step_parameters",
    "unroll",
    "write_qasm3",
    "write_qpy",
]

# Other packages and folders are called `circuits` too; `qrnn_qiskit` recognizes this one by it.
PROJECT = "qrnn-qiskit"

# Names are imported on first use: the command line needs the error classes of this package, and its
# help must not wait for Qiskit.
_HOMES = {
    "ansatz": ("ANSATZ_FAMILIES", "ENTANGLERS", "ROTATIONS", "Ansatz", "build_ansatz"),
    "coupling": (
        "ANCILLA_RETURNS",
        "COUPLINGS",
        "MEASUREMENT_FRAMES",
        "Measurement",
        "build_measurement",
    ),
    "dynamic": ("DynamicCircuit", "build_dynamic"),
    "export": (
        "draw_figure",
        "draw_text",
        "dump_qasm3",
        "load_qasm3",
        "read_qasm3",
        "read_qpy",
        "write_qasm3",
        "write_qpy",
    ),
    "readout": ("Readout", "build_readout"),
    "recurrence": ("prefix_circuits", "step_parameters", "unroll"),
    "shifts": ("ShiftedCircuit", "ShiftError", "shift_parameters"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return import_module(f"circuits.{name}")
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"circuits.{module}"), name)
    raise AttributeError(f"module 'circuits' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

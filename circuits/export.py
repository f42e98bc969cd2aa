"""Export and import of circuits: OpenQASM 3 (from :mod:`circuits.openqasm`), QPY, drawings."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit, qpy

from circuits.errors import InvalidValueError
from circuits.files import read_file
from circuits.limits import MOST_QPY_BYTES
from circuits.openqasm import dump_qasm3, load_qasm3, read_qasm3, write_qasm3

__all__ = [
    "draw_figure",
    "draw_text",
    "dump_qasm3",
    "load_qasm3",
    "read_qasm3",
    "read_qpy",
    "write_qasm3",
    "write_qpy",
]


def write_qpy(
    circuits: QuantumCircuit | Sequence[QuantumCircuit], path: str | os.PathLike[str]
) -> None:
    """Write one or more circuits to a QPY file, Qiskit's own exact binary form.

    Parameters keep their names, order and identity.
    """
    with Path(path).open("wb") as file:
        qpy.dump(circuits, file)


def read_qpy(path: str | os.PathLike[str]) -> list[QuantumCircuit]:
    """Read the circuits of a QPY file, in the order in which they were written.

    Raises:
        OSError: The file cannot be read, or is larger than ``MOST_QPY_BYTES``.
        ValueError: It is not QPY, is truncated, or was written by a newer Qiskit.
    """
    content = io.BytesIO(read_file(path, MOST_QPY_BYTES))
    try:
        return list(qpy.load(content))
    except Exception as error:
        raise InvalidValueError(
            f"{str(path)!r} could not be read as QPY: it is not QPY, or is truncated, or was "
            "written by a newer Qiskit; pass a file of write_qpy or qiskit.qpy.dump"
        ) from error


def draw_text(circuit: QuantumCircuit, *, width: int = 100) -> str:
    """Draw a circuit as text of about ``width`` characters per line. Qubit 0 is on top."""
    return str(circuit.draw("text", fold=width))


def draw_figure(circuit: QuantumCircuit, path: str | os.PathLike[str] | None = None) -> Any:
    """Draw a circuit with matplotlib. Qubit 0 is on top.

    Args:
        circuit: The circuit; angles may be free parameters.
        path: File to write (``.png``, ``.svg``, ``.pdf``); none by default.

    Returns:
        The ``matplotlib.figure.Figure``. Like every pyplot figure it stays in memory until
        ``matplotlib.pyplot.close(figure)``.
    """
    return circuit.draw("mpl", filename=None if path is None else os.fspath(path))

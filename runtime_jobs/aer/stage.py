"""The place where a circuit runs: a pass manager, a noise model and physical qubits."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from qiskit import qpy
from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import PassManager, Target
from qiskit_aer.noise import NoiseModel

from runtime_jobs.hardware.gates import GATES, make_translator

__all__ = ["Stage", "StageFinder", "fingerprint", "list_layouts", "make_stage"]


@dataclass(frozen=True)
class Stage:
    """The place where circuits of one shape run.

    Attributes:
        pass_manager: Compiles a circuit to one that the device runs, on the same number of qubits.
        noise: Noise of those qubits, counted from 0; None without noise.
        description: The qubits and their quality in one line; empty without a device.
        qubits: Physical qubits in use; None without a device.
        target: The device cut down to these qubits; None without a device.
        record: What is recorded with results on these qubits: "calibration", its date; "noise", the
            factor on it; "errors", see :func:`runtime_jobs.hardware.calibration.read_errors`.
            Empty without a device.
        is_custom: Whether the user built the noise model, so that an error in it that no gate
            triggers is a mistake.
    """

    pass_manager: PassManager
    noise: NoiseModel | None = None
    description: str = ""
    qubits: tuple[int, ...] | None = None
    target: Target | None = None
    record: dict[str, Any] = field(default_factory=dict)
    is_custom: bool = False


StageFinder = Callable[[QuantumCircuit], Stage]


def make_stage(noise: NoiseModel | None = None, *, is_custom: bool = False) -> Stage:
    """Make a stage of any number of fully connected qubits.

    Circuits are translated to the basis gates of the noise model, if any, and not optimized, so a
    gate with noise stays that gate.

    Args:
        noise: The noise model.
        is_custom: See :class:`Stage`.
    """
    gates = GATES if noise is None else GATES.intersection(noise.basis_gates)
    return Stage(make_translator(gates), noise, is_custom=is_custom)


def fingerprint(circuit: QuantumCircuit) -> bytes:
    """SHA-256 of the content of a circuit: equal circuits that were built separately share it."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return hashlib.sha256(buffer.getvalue()).digest()


def list_layouts(circuits: Iterable[tuple[Stage, float]]) -> list[dict[str, Any]]:
    """List the physical qubits in use with the seconds of the longest circuit on them.

    Args:
        circuits: Stage and duration in seconds of each circuit.

    Returns:
        JSON values with the keys ``qubits`` and ``circuit_seconds``, and with those of
        :attr:`Stage.record`, one for each set of qubits.
    """
    longest: dict[tuple[int, ...], float] = {}
    records: dict[tuple[int, ...], dict[str, Any]] = {}
    for stage, seconds in circuits:
        if stage.qubits is not None:
            longest[stage.qubits] = max(seconds, longest.get(stage.qubits, 0.0))
            records[stage.qubits] = stage.record
    return [
        {"qubits": list(qubits), "circuit_seconds": seconds, **records[qubits]}
        for qubits, seconds in longest.items()
    ]

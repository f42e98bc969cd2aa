"""What a circuit is made ready with: a pass manager, a noise model, and the qubits it sits on."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from qiskit import qpy
from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import PassManager, Target, generate_preset_pass_manager
from qiskit_aer.noise import NoiseModel

__all__ = ["GATES", "Stage", "StageFinder", "fingerprint", "list_layouts", "make_stage"]

# What Aer runs by every method here, and binds. Of a circuit with controlled rotations (cp, crx,
# cry, ...) Aer 0.18 returns one binding only.
_FIXED = ["id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "t", "tdg"]
_FIXED_PAIRS = ["cx", "cy", "cz", "ecr", "swap"]
_ROTATIONS = ["p", "r", "rx", "ry", "rz", "u", "u1", "u2", "u3", "rxx", "ryy", "rzx", "rzz"]
GATES = frozenset([*_FIXED, *_FIXED_PAIRS, *_ROTATIONS])


@dataclass(frozen=True)
class Stage:
    """Where circuits of one shape run.

    Attributes:
        pass_manager: turns a circuit into one that the device runs, on as many qubits.
        noise: the noise of those qubits, counted from 0; None without noise.
        description: the qubits and their quality in one line, empty where there is no choice.
        qubits: the device's numbers of the qubits in use, None where there is no device.
        target: the device cut down to these qubits, None where there is no device.
        patches: copies of the circuit that run side by side, each waiting for the branches of all.
    """

    pass_manager: PassManager
    noise: NoiseModel | None = None
    description: str = ""
    qubits: tuple[int, ...] | None = None
    target: Target | None = None
    patches: int = 1


StageFinder = Callable[[QuantumCircuit], Stage]


def make_stage(noise: NoiseModel | None = None) -> Stage:
    """Any number of qubits, all connected; with a noise model, its basis gates.

    Circuits are translated and not optimized, so a gate with noise stays that gate.
    """
    gates = sorted(GATES if noise is None else GATES.intersection(noise.basis_gates))
    return Stage(generate_preset_pass_manager(optimization_level=0, basis_gates=gates), noise)


def fingerprint(circuit: QuantumCircuit) -> bytes:
    """The same for circuits of the same content, whenever they were built."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return hashlib.sha256(buffer.getvalue()).digest()


def list_layouts(circuits: Iterable[tuple[Stage, float]]) -> list[dict[str, Any]]:
    """Physical qubits in use and the seconds of the longest circuit on them, as JSON values.

    Args:
        circuits: where each of them sits, and its seconds.
    """
    longest: dict[tuple[int, ...], float] = {}
    for stage, seconds in circuits:
        if stage.qubits is not None:
            longest[stage.qubits] = max(seconds, longest.get(stage.qubits, 0.0))
    return [
        {"qubits": list(qubits), "circuit_seconds": seconds} for qubits, seconds in longest.items()
    ]
